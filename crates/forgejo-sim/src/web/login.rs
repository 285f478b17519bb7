//! `user/login`, `user/logout`, and the page for a new password.

use http::StatusCode;

use crate::{
    api::identity::HeldBack,
    model::{State, UserState},
    secret::SecretKind,
    site::Site,
    wire::{self, Request, Response},
};

use super::{
    page,
    session::{self, Browser},
};

pub(crate) fn get(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = if browser.user(&state).is_some() {
        enter(site, request)
    } else {
        wire::html(StatusCode::OK, page::login(site, browser.csrf(&state), "", None))
    };
    browser.finish(site, &state, response)
}

/// No `_csrf` is asked for here: nobody is signed in yet.
pub(crate) fn post(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let mut browser = Browser::of(site, &mut state, request);
    let response = sign_in(site, &mut state, &mut browser, request);
    browser.finish(site, &state, response)
}

fn sign_in(site: &Site, state: &mut State, browser: &mut Browser, request: &Request) -> Response {
    if !site.profile().csrf_in_forms()
        && let Err(response) = browser.judge_form(site, state, request)
    {
        return *response;
    }
    let name = request.form_value("user_name");
    let password = request.form_value("password");
    let named = |login: &str, email: &str| login.eq_ignore_ascii_case(name) || email.eq_ignore_ascii_case(name);
    let user = state.users.values().find(|user| named(&user.login, &user.email) && user.password == password);
    let Some(user) = user.cloned() else {
        let page = page::login(site, browser.csrf(state), name, Some("Username or password is incorrect."));
        return wire::html(StatusCode::OK, page);
    };
    match HeldBack::of(site, &user) {
        Some(HeldBack::NotActivated | HeldBack::Prohibited) => wire::html(StatusCode::OK, page::prohibited(site)),
        Some(HeldBack::MustChangePassword) => {
            browser.sign_in(site, state, user.id);
            wire::see_other(&format!("{}/user/settings/change_password", site.base_path))
        }
        Some(HeldBack::TwoFactorMissing) | None => {
            browser.sign_in(site, state, user.id);
            enter(site, request)
        }
    }
}

/// Back to where the browser came from, or home.
fn enter(site: &Site, request: &Request) -> Response {
    let target = session::wanted_target(request).unwrap_or_else(|| format!("{}/", site.base_path));
    let mut response = wire::see_other(&target);
    session::forget_target(site, &mut response);
    response
}

pub(crate) fn log_out(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let mut browser = Browser::of(site, &mut state, request);
    let response = match browser.judge_form(site, &state, request) {
        Ok(()) => {
            browser.sign_out(site, &mut state);
            wire::see_other(&format!("{}/", site.base_path))
        }
        Err(response) => *response,
    };
    browser.finish(site, &state, response)
}

pub(crate) fn get_password(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = match browser.user(&state) {
        Some(_) => wire::html(StatusCode::OK, page::new_password(site, browser.csrf(&state), None)),
        None => wire::see_other(&format!("{}/user/login", site.base_path)),
    };
    browser.finish(site, &state, response)
}

pub(crate) fn post_password(site: &Site, request: &Request) -> Response {
    let mut state = site.state.lock();
    let browser = Browser::of(site, &mut state, request);
    let response = change_password(site, &mut state, &browser, request);
    browser.finish(site, &state, response)
}

fn change_password(site: &Site, state: &mut State, browser: &Browser, request: &Request) -> Response {
    let Some(id) = browser.user(state) else {
        return wire::see_other(&format!("{}/user/login", site.base_path));
    };
    if let Err(response) = browser.judge_form(site, state, request) {
        return *response;
    }
    let (password, again) = (request.form_value("password"), request.form_value("retype"));
    if password.is_empty() || password != again {
        let page = page::new_password(site, browser.csrf(state), Some("The passwords do not match."));
        return wire::html(StatusCode::OK, page);
    }
    if let Some(user) = state.users.get_mut(&id) {
        user.password = site.issue(SecretKind::Password, password.to_owned());
        if user.state == UserState::MustChangePassword {
            user.state = UserState::Active;
        }
    }
    enter(site, request)
}
