//! `user/settings/applications`: what a person sees and revokes there; `user/settings/security`.

use std::fmt::Write as _;

use http::StatusCode;

use crate::{
    model::State,
    site::Site,
    wire::{self, Request, Response},
};

use super::{page, session::Browser};

pub(crate) fn applications(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = match browser.require_user(site, &state, request) {
        Ok(user) => wire::html(StatusCode::OK, list(site, &state, user, browser.csrf(&state))),
        Err(response) => *response,
    };
    browser.finish(site, &state, response)
}

fn list(site: &Site, state: &State, user: i64, csrf: &str) -> String {
    let mut rows = String::new();
    for grant in state.credentials.grants.values().filter(|grant| grant.user == user) {
        let name = state.credentials.apps.get(&grant.app).map_or("", |app| app.name.as_str());
        let _ = write!(
            rows,
            "<tr><td><b>{name}</b><br><code>{scope}</code></td><td><form method=\"post\" \
action=\"{base}/user/settings/applications/oauth2/{app}/revoke/{grant}\">{csrf}<button class=\"plain\">Revoke</button></form></td></tr>",
            name = page::escape(name),
            scope = page::escape(&grant.scope),
            base = page::escape(&site.base_path),
            app = grant.app,
            grant = grant.id,
            csrf = page::csrf_field(site, csrf),
        );
    }
    let body = if rows.is_empty() {
        "<h1>Authorized OAuth2 applications</h1><p>You have authorized no application.</p>".to_owned()
    } else {
        format!("<h1>Authorized OAuth2 applications</h1><table>{rows}</table>")
    };
    page::layout(site, "Applications", Some(state.login(user)), "wide", &body)
}

/// `POST user/settings/applications/oauth2/{app}/revoke/{grant}`.
pub(crate) fn revoke(site: &Site, request: &Request, grant: &str) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = match browser.require_user(site, &state, request) {
        Ok(user) => match browser.judge_form(site, &state, request) {
            Ok(()) => {
                let id = grant.parse().unwrap_or_default();
                if state.credentials.grants.get(&id).is_some_and(|grant| grant.user == user) {
                    state.credentials.remove_grant(id);
                }
                wire::see_other(&format!("{}/user/settings/applications", site.base_path))
            }
            Err(response) => *response,
        },
        Err(response) => *response,
    };
    browser.finish(site, &state, response)
}

pub(crate) fn security(site: &Site) -> Response {
    let text = "Your site administrator requires two-factor authentication. Set it up to go on.";
    wire::html(StatusCode::OK, page::message(site, "Security", text))
}
