//! The caller and other users.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    model::{credential::PersonalToken, repo::Repo},
    secret::{self, SecretKind},
};

use super::{
    call::{ApiError, ApiResult, Call, created, done, ok},
    render::Render,
    route::{NONE, Route, USER, USER_ORG, USER_REPO, open, signed},
};

pub(crate) const ROUTES: &[Route] = &[
    signed("GET", "user", USER, me),
    signed("GET", "user/repos", USER_REPO, my_repos),
    signed("POST", "user/repos", USER_REPO, super::repos::create_mine),
    signed("GET", "user/orgs", USER_ORG, my_orgs),
    signed("GET", "user/teams", USER_ORG, super::teams::mine),
    signed("GET", "user/emails", USER, my_emails),
    signed("GET", "user/followers", USER, nobody),
    signed("GET", "user/following", USER, nobody),
    signed("GET", "user/starred", USER_REPO, my_starred),
    signed("PUT", "user/starred/{owner}/{repo}", USER_REPO, star),
    signed("DELETE", "user/starred/{owner}/{repo}", USER_REPO, unstar),
    signed("GET", "user/subscriptions", USER_REPO, my_repos),
    signed("GET", "user/settings", USER, my_settings),
    open("GET", "users/search", USER, search),
    open("GET", "users/{name}", USER, get),
    open("GET", "users/{name}/repos", USER_REPO, repos),
    open("GET", "users/{name}/orgs", USER_ORG, orgs),
    open("GET", "users/{name}/followers", USER, nobody),
    open("GET", "users/{name}/following", USER, nobody),
    open("GET", "users/{name}/starred", USER_REPO, starred),
    open("GET", "users/{name}/heatmap", USER, nobody),
    signed("GET", "users/{name}/tokens", NONE, tokens),
    signed("POST", "users/{name}/tokens", NONE, create_token),
    signed("DELETE", "users/{name}/tokens/{id}", NONE, delete_token),
];

// === impl Call ===

impl Call<'_> {
    pub(crate) fn render(&self) -> Render<'_> {
        Render { site: self.site, state: self.state, doer: self.doer }
    }

    /// Those of the given repositories that the caller may see, rendered.
    pub(crate) fn repos_where(&self, wanted: impl Fn(&Repo) -> bool) -> Vec<Value> {
        let repos = self.state.repos.values().filter(|repo| wanted(repo) && self.may_see(repo));
        repos.map(|repo| self.render().repo(repo)).collect()
    }

    fn named_user(&self) -> Result<i64, ApiError> {
        let user = self.state.user(self.param(0)).ok_or_else(|| unknown(self.param(0)))?;
        Ok(user.id)
    }
}

fn unknown(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("user redirect does not exist [name: {name}]"))
}

fn me(call: &mut Call<'_>) -> ApiResult {
    ok(&call.render().user(call.doer()?))
}

fn get(call: &mut Call<'_>) -> ApiResult {
    if let Some(org) = call.state.org(call.param(0)) {
        return ok(&call.render().owner(org.id));
    }
    let user = call.named_user()?;
    ok(&call.render().user_by_id(user))
}

fn search(call: &mut Call<'_>) -> ApiResult {
    let wanted = call.query("q").to_lowercase();
    let id: i64 = call.query("uid").parse().unwrap_or_default();
    let fits = |text: &str| text.to_lowercase().contains(&wanted);
    let users = call
        .state
        .users
        .values()
        .filter(|user| if id > 0 { user.id == id } else { fits(&user.login) || fits(&user.full_name) });
    let found: Vec<Value> = users.map(|user| call.render().user(user)).collect();
    let (page, limit) = call.page_and_limit();
    let total = found.len();
    let data: Vec<Value> = found.into_iter().skip((page - 1) * limit).take(limit).collect();
    call.counted(&json!({"ok": true, "data": data}), total)
}

/// Repositories that the caller owns or works in.
fn my_repos(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let orgs = call.state.orgs.values().filter(|org| org.has_member(doer)).map(|org| org.id).collect::<Vec<_>>();
    call.page(
        call.repos_where(|repo| {
            repo.owner == doer || repo.collaborators.contains_key(&doer) || orgs.contains(&repo.owner)
        }),
    )
}

fn repos(call: &mut Call<'_>) -> ApiResult {
    let owner = call.state.owner_id(call.param(0)).ok_or_else(|| unknown(call.param(0)))?;
    call.page(call.repos_where(|repo| repo.owner == owner))
}

fn my_orgs(call: &mut Call<'_>) -> ApiResult {
    let doer = call.doer_id()?;
    let orgs = call.state.orgs.values().filter(|org| org.has_member(doer));
    call.page(orgs.map(|org| call.render().org(org)).collect())
}

fn orgs(call: &mut Call<'_>) -> ApiResult {
    let user = call.named_user()?;
    let orgs = call.state.orgs.values().filter(|org| org.has_member(user) && org.visibility == "public");
    call.page(orgs.map(|org| call.render().org(org)).collect())
}

fn my_emails(call: &mut Call<'_>) -> ApiResult {
    let user = call.doer()?;
    let email = json!({
        "email": user.email, "verified": user.is_active(), "primary": true, "user_id": user.id, "username": user.login,
    });
    call.page(vec![email])
}

fn my_settings(call: &mut Call<'_>) -> ApiResult {
    let user = call.doer()?;
    ok(&json!({"full_name": user.full_name, "website": "", "description": "", "location": "", "language": "en-US",
        "theme": "forgejo-auto", "diff_view_style": "", "hide_email": false, "hide_activity": false}))
}

fn nobody(call: &mut Call<'_>) -> ApiResult {
    call.page(Vec::new())
}

fn my_starred(call: &mut Call<'_>) -> ApiResult {
    let starred = call.doer()?.starred.clone();
    call.page(call.repos_where(|repo| starred.contains(&repo.id)))
}

fn starred(call: &mut Call<'_>) -> ApiResult {
    let user = call.named_user()?;
    let starred = call.state.users[&user].starred.clone();
    call.page(call.repos_where(|repo| starred.contains(&repo.id)))
}

fn star(call: &mut Call<'_>) -> ApiResult {
    let (doer, repo) = (call.doer_id()?, call.repo_id(crate::model::repo::Access::Read)?);
    if let Some(user) = call.state.users.get_mut(&doer) {
        user.starred.insert(repo);
    }
    done()
}

fn unstar(call: &mut Call<'_>) -> ApiResult {
    let (doer, repo) = (call.doer_id()?, call.repo_id(crate::model::repo::Access::Read)?);
    if let Some(user) = call.state.users.get_mut(&doer) {
        user.starred.remove(&repo);
    }
    done()
}

#[derive(Deserialize)]
struct CreateToken {
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// Tokens are managed with the password only.
fn with_password(call: &Call<'_>) -> Result<i64, ApiError> {
    let user = call.named_user()?;
    if call.scope.is_some() || (call.doer != Some(user) && !call.is_admin()) {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "auth method not allowed"));
    }
    Ok(user)
}

fn tokens(call: &mut Call<'_>) -> ApiResult {
    let user = with_password(call)?;
    let tokens = call.state.credentials.personal_tokens.iter().filter(|token| token.user == user);
    call.page(tokens.map(|token| token_json(token, "")).collect())
}

fn create_token(call: &mut Call<'_>) -> ApiResult {
    let user = with_password(call)?;
    let option: CreateToken = call.body()?;
    if option.scopes.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "access token must have a scope"));
    }
    let id = call.state.next_id("personal token");
    let value = call.site.issue(SecretKind::PersonalToken, secret::hex40());
    let token = PersonalToken { id, user, name: option.name, value: value.clone(), scope: option.scopes.join(",") };
    let body = token_json(&token, &value);
    call.state.credentials.personal_tokens.push(token);
    created(&body)
}

fn delete_token(call: &mut Call<'_>) -> ApiResult {
    let user = with_password(call)?;
    let wanted = call.param(1).to_owned();
    let before = call.state.credentials.personal_tokens.len();
    call.state
        .credentials
        .personal_tokens
        .retain(|token| token.user != user || (token.name != wanted && token.id.to_string() != wanted));
    if call.state.credentials.personal_tokens.len() == before { Err(ApiError::not_found()) } else { done() }
}

fn token_json(token: &PersonalToken, value: &str) -> Value {
    let end = &token.value[token.value.len() - 8..];
    json!({
        "id": token.id, "name": token.name, "sha1": value, "token_last_eight": end,
        "scopes": token.scope.split(',').collect::<Vec<_>>(),
    })
}
