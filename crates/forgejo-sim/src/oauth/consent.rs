//! `POST login/oauth/grant`: the consent page's form.

use http::StatusCode;

use crate::{
    model::{State, credential::Grant},
    site::Site,
    web::session::Browser,
    wire::{self, Request, Response},
};

use super::authorize;

pub(crate) fn post(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = decide(site, &mut state, &browser, request);
    browser.finish(site, &state, response)
}

fn decide(site: &Site, state: &mut State, browser: &Browser, request: &Request) -> Response {
    let user = match browser.require_user(site, state, request) {
        Ok(user) => user,
        Err(response) => return *response,
    };
    if let Err(response) = browser.judge_form(site, state, request) {
        return *response;
    }
    let field = |name: &str| request.form_value(name);
    // One request is kept per login session: the page that was opened first no longer fits.
    let pending = browser.session(state).and_then(|session| session.pending.clone());
    let fits = |pending: &crate::model::credential::Pending| {
        pending.client_id == field("client_id")
            && pending.state == field("state")
            && pending.redirect_uri == field("redirect_uri")
    };
    let Some(asked) = pending.filter(fits) else {
        return wire::text(StatusCode::BAD_REQUEST, "Bad Request\n");
    };
    if !matches!(field("granted"), "true" | "1" | "on") {
        return authorize::error(&asked, "access_denied", "the request is denied");
    }
    let Some(app) = state.credentials.app(&asked.client_id).map(|app| app.id) else {
        return authorize::error(&asked, "server_error", "A server error occurred");
    };
    let scope = field("scope");
    let grant = match state.credentials.grant_of(user, app) {
        Some(grant) if grant.scope != scope => {
            return authorize::error(&asked, "server_error", "a grant exists with different scope");
        }
        Some(grant) => grant.id,
        None => {
            let id = state.next_id("grant");
            let scope = scope.to_owned();
            let grant = Grant { id, user, app, scope, nonce: String::new(), counter: 0, created: site.now() };
            state.credentials.grants.insert(id, grant);
            id
        }
    };
    authorize::grant_code(site, state, grant, field("nonce"), &asked)
}
