//! `GET|POST login/oauth/userinfo`.
//!
//! A trap for clients: before Forgejo's main branch a user who is held back gets an HTML page with status 200, or a redirect.

use http::StatusCode;
use serde_json::json;

use crate::{
    api::identity::{self, HeldBack, Identity},
    config::Profile,
    model::{State, account::User},
    site::Site,
    web::page,
    wire::{self, Request, Response},
};

pub(crate) fn answer(site: &Site, request: &Request) -> Response {
    let state = site.state.lock();
    let Ok(Some(Identity { user, .. })) = identity::of_token(site, &state, request) else {
        return unauthorized(site, request);
    };
    let Some(user) = state.users.get(&user) else {
        return unauthorized(site, request);
    };
    if site.profile().userinfo_checks_state()
        && let Some(held_back) = HeldBack::of(site, user)
    {
        return match held_back {
            HeldBack::NotActivated | HeldBack::Prohibited => wire::html(StatusCode::OK, page::prohibited(site)),
            HeldBack::MustChangePassword => wire::see_other(&site.url("user/settings/change_password")),
            HeldBack::TwoFactorMissing => wire::see_other(&site.url("user/settings/security")),
        };
    }
    let name = if user.full_name.is_empty() { &user.login } else { &user.full_name };
    let mut body = json!({
        "sub": user.id.to_string(),
        "name": name,
        "preferred_username": user.login,
        "email": user.email,
        "picture": picture(site, user),
    });
    let groups = groups(&state, user.id);
    if site.profile() == Profile::Gitea {
        body["groups"] = if groups.is_empty() { json!(null) } else { json!(groups) };
    } else if !groups.is_empty() {
        body["groups"] = json!(groups);
    }
    wire::json(StatusCode::OK, &body)
}

fn unauthorized(site: &Site, request: &Request) -> Response {
    let was_sent = identity::sent_token(site, request).is_some();
    if site.profile() == Profile::V11 && was_sent {
        return wire::text(StatusCode::UNAUTHORIZED, "Credentials are incorrect or have expired. Please try again.\n");
    }
    let mut response = wire::text(StatusCode::UNAUTHORIZED, "no valid authorization\n");
    let challenge =
        if site.profile() == Profile::Gitea { "Bearer realm=\"Gitea OAuth2\"" } else { "Bearer realm=\"\"" };
    wire::set_header(&mut response, "www-authenticate", challenge);
    response
}

pub(crate) fn picture(site: &Site, user: &User) -> String {
    site.url(&format!("avatars/{:032x}", user.id))
}

/// `org` and `org:team` for every team that the user is in.
pub(crate) fn groups(state: &State, user: i64) -> Vec<String> {
    let mut out = Vec::new();
    for org in state.orgs.values().filter(|org| org.has_member(user)) {
        out.push(org.name.clone());
        let teams = org.teams.iter().filter(|team| team.members.contains(&user));
        out.extend(teams.map(|team| format!("{}:{}", org.name, team.name)));
    }
    out
}
