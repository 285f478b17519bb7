//! `GET|POST login/oauth/authorize`.
//!
//! A wrong client or redirect URI is an HTML page; other errors are redirects. A confidential application that already has
//! a grant gets its code at once, with the grant's old scope whatever was asked. `prompt`, `login_hint` and `max_age` mean nothing.

use http::StatusCode;
use url::Url;

use crate::{
    config::Profile,
    model::{
        State,
        credential::{App, Code, Pending},
    },
    secret::{self, SecretKind},
    site::Site,
    web::{
        page::{self, Consent},
        session::Browser,
    },
    wire::{self, Request, Response},
};

pub(crate) fn answer(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = authorize(site, &mut state, &browser, request);
    browser.finish(site, &state, response)
}

fn authorize(site: &Site, state: &mut State, browser: &Browser, request: &Request) -> Response {
    let user = match browser.require_user(site, state, request) {
        Ok(user) => user,
        Err(response) => return *response,
    };
    let field = |name: &str| request.form_value(name).to_owned();
    let asked = Pending {
        client_id: field("client_id"),
        state: field("state"),
        redirect_uri: field("redirect_uri"),
        challenge: field("code_challenge"),
        method: field("code_challenge_method"),
    };
    let Some(app) = state.credentials.app(&asked.client_id).cloned() else {
        return bad_request(site, "Client ID not registered");
    };
    if !app.accepts_redirect(&asked.redirect_uri) {
        return bad_request(site, "Unregistered Redirect URI");
    }
    if request.form_value("response_type") != "code" {
        return error(&asked, "unsupported_response_type", "Only code response type is supported.");
    }
    match asked.method.as_str() {
        "S256" | "plain" => {}
        "" if app.confidential => {}
        "" => {
            return error(&asked, "invalid_request", "PKCE is required for public clients");
        }
        _ => {
            return error(&asked, "invalid_request", "unsupported code challenge method");
        }
    }
    let (scope, nonce) = (field("scope"), field("nonce"));
    let granted = state.credentials.grant_of(user, app.id).map(|grant| grant.id);
    if let Some(grant) = granted
        && app.confidential
    {
        if site.profile() == Profile::Gitea
            && let Some(row) = state.credentials.grants.get_mut(&grant)
        {
            row.scope = scope;
        }
        return grant_code(site, state, grant, &nonce, &asked);
    }
    consent_page(site, state, browser, user, &app, (&scope, &nonce), asked)
}

fn consent_page(
    site: &Site,
    state: &mut State,
    browser: &Browser,
    user: i64,
    app: &App,
    (scope, nonce): (&str, &str),
    asked: Pending,
) -> Response {
    let page = page::consent(
        site,
        &Consent {
            app,
            owner: app.owner.map_or("", |owner| state.owner_name(owner)),
            login: state.login(user),
            asked: &asked,
            scope,
            nonce,
            csrf: browser.csrf(state),
        },
    );
    if let Some(session) = browser.session(state) {
        session.pending = Some(asked);
    }
    wire::html(StatusCode::OK, page)
}

/// Makes a code for a grant and sends the browser back with it.
pub(crate) fn grant_code(site: &Site, state: &mut State, grant: i64, nonce: &str, asked: &Pending) -> Response {
    if !nonce.is_empty()
        && let Some(row) = state.credentials.grants.get_mut(&grant)
    {
        nonce.clone_into(&mut row.nonce);
    }
    let code = site.issue(SecretKind::Code, secret::base32("gta_"));
    let row = Code {
        grant,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        method: asked.method.clone(),
        created: site.now(),
    };
    state.credentials.codes.insert(code.clone(), row);
    redirect(asked, &[("code", &code)])
}

/// An error for the application: a redirect with `error`, `error_description` and `state`.
pub(crate) fn error(asked: &Pending, error: &str, description: &str) -> Response {
    redirect(asked, &[("error", error), ("error_description", description)])
}

fn redirect(asked: &Pending, parameters: &[(&str, &str)]) -> Response {
    let Ok(mut uri) = Url::parse(&asked.redirect_uri) else {
        return wire::empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    {
        let mut query = uri.query_pairs_mut();
        query.extend_pairs(parameters);
        if !asked.state.is_empty() {
            query.append_pair("state", &asked.state);
        }
    }
    wire::see_other(uri.as_str())
}

pub(crate) fn bad_request(site: &Site, text: &str) -> Response {
    wire::html(StatusCode::BAD_REQUEST, page::message(site, "Authorization failed", text))
}
