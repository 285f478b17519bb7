//! `admin/*`: for site administrators.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;

use crate::{
    model::{UserState, account::User},
    secret::SecretKind,
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    route::{ADMIN, Route, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "admin/users", ADMIN, users),
    signed("POST", "admin/users", ADMIN, create_user),
    signed("PATCH", "admin/users/{name}", ADMIN, edit_user),
    signed("DELETE", "admin/users/{name}", ADMIN, delete_user),
    signed("POST", "admin/users/{name}/rename", ADMIN, rename_user),
    signed("GET", "admin/orgs", ADMIN, orgs),
    signed("GET", "admin/emails", ADMIN, emails),
    signed("GET", "admin/cron", ADMIN, nothing),
    signed("GET", "admin/hooks", ADMIN, nothing),
    signed("GET", "admin/unadopted", ADMIN, nothing),
];

/// Only for site administrators.
pub(crate) fn demand(call: &Call<'_>) -> Result<(), ApiError> {
    if call.is_admin() { Ok(()) } else { Err(ApiError::forbidden("user should be the site admin")) }
}

#[derive(Deserialize)]
struct UserOption {
    username: Option<String>,
    email: Option<String>,
    password: Option<String>,
    full_name: Option<String>,
    must_change_password: Option<bool>,
    active: Option<bool>,
    prohibit_login: Option<bool>,
    admin: Option<bool>,
}

// === impl UserOption ===

impl UserOption {
    fn apply(&self, call: &Call<'_>, user: &mut User) {
        if let Some(email) = &self.email {
            user.email.clone_from(email);
        }
        if let Some(name) = &self.full_name {
            user.full_name.clone_from(name);
        }
        if let Some(password) = self.password.as_ref().filter(|password| !password.is_empty()) {
            user.password = call.site.issue(SecretKind::Password, password.clone());
        }
        user.admin = self.admin.unwrap_or(user.admin);
        let mut set = |flag: Option<bool>, state: UserState| match flag {
            Some(true) => user.state = state,
            Some(false) if user.state == state => user.state = UserState::Active,
            _ => {}
        };
        set(self.must_change_password, UserState::MustChangePassword);
        set(self.prohibit_login, UserState::Prohibited);
        set(self.active.map(|active| !active), UserState::Deactivated);
    }
}

fn users(call: &mut Call<'_>) -> ApiResult {
    demand(call)?;
    call.page(call.state.users.values().map(|user| call.render().user(user)).collect())
}

fn create_user(call: &mut Call<'_>) -> ApiResult {
    demand(call)?;
    let option: UserOption = call.body()?;
    let login = option
        .username
        .clone()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::invalid("[Username]: Required"))?;
    if call.state.owner_id(&login).is_some() {
        return Err(ApiError::invalid(format!("user already exists [name: {login}]")));
    }
    let id = call.state.next_id("owner");
    let mut user = User {
        id,
        login,
        password: String::new(),
        full_name: String::new(),
        email: String::new(),
        admin: false,
        created: call.now,
        state: if option.must_change_password.unwrap_or(true) {
            UserState::MustChangePassword
        } else {
            UserState::Active
        },
        keys: Vec::new(),
        hooks: Vec::new(),
        starred: BTreeSet::new(),
        runner_token: None,
    };
    option.apply(call, &mut user);
    let body = call.render().user(&user);
    call.state.users.insert(id, user);
    created(&body)
}

fn named(call: &Call<'_>) -> Result<i64, ApiError> {
    demand(call)?;
    Ok(call.state.user(call.param(0)).ok_or_else(ApiError::not_found)?.id)
}

fn edit_user(call: &mut Call<'_>) -> ApiResult {
    let id = named(call)?;
    let option: UserOption = call.body()?;
    let mut user = call.state.users[&id].clone();
    option.apply(call, &mut user);
    let body = call.render().user(&user);
    call.state.users.insert(id, user);
    ok(&body)
}

fn delete_user(call: &mut Call<'_>) -> ApiResult {
    let id = named(call)?;
    call.state.delete_user(id);
    done()
}

#[derive(Deserialize)]
struct RenameOption {
    #[serde(default, alias = "new_username")]
    new_name: String,
}

fn rename_user(call: &mut Call<'_>) -> ApiResult {
    let id = named(call)?;
    let option: RenameOption = call.body()?;
    if option.new_name.is_empty() || call.state.owner_id(&option.new_name).is_some() {
        return Err(ApiError::invalid("the new name is missing or taken"));
    }
    if let Some(user) = call.state.users.get_mut(&id) {
        user.login = option.new_name;
    }
    done()
}

fn orgs(call: &mut Call<'_>) -> ApiResult {
    demand(call)?;
    call.page(call.state.orgs.values().map(|org| call.render().org(org)).collect())
}

fn emails(call: &mut Call<'_>) -> ApiResult {
    demand(call)?;
    let users = call.state.users.values();
    call.page(
        users.map(|user| json!({"email": user.email, "verified": true, "primary": true, "user_id": user.id})).collect(),
    )
}

fn nothing(call: &mut Call<'_>) -> ApiResult {
    demand(call)?;
    call.page(Vec::new())
}
