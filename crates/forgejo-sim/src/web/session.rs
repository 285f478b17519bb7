//! A browser's login session and the rules that its forms are judged by.
//!
//! Up to Forgejo 13 (and in Gitea) a form carries `_csrf`; from 14 on a foreign Sec-Fetch-Site or Origin is refused instead.

use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    api::identity::HeldBack,
    model::{State, credential::Session},
    secret::{self, SecretKind},
    site::Site,
    wire::{self, Request, Response},
};

use super::page;

/// The session of the browser that sent a request.
pub(crate) struct Browser {
    id: String,
    is_new: bool,
}

// === impl Browser ===

impl Browser {
    /// Finds the session by its cookie, or starts one.
    pub(crate) fn of(site: &Site, state: &mut State, request: &Request) -> Self {
        let known = request.cookie(site.profile().session_cookie());
        match known.filter(|id| state.credentials.sessions.contains_key(*id)) {
            Some(id) => Self { id: id.to_owned(), is_new: false },
            None => Self::start(site, state, None),
        }
    }

    fn start(site: &Site, state: &mut State, user: Option<i64>) -> Self {
        let id = site.issue(SecretKind::SessionCookie, secret::hex40()[..32].to_owned());
        let session = Session { user, csrf: secret::hex40(), pending: None };
        state.credentials.sessions.insert(id.clone(), session);
        Self { id, is_new: true }
    }

    /// Signs a user in, under a new session id.
    pub(crate) fn sign_in(&mut self, site: &Site, state: &mut State, user: i64) {
        state.credentials.sessions.remove(&self.id);
        *self = Self::start(site, state, Some(user));
    }

    pub(crate) fn sign_out(&mut self, site: &Site, state: &mut State) {
        state.credentials.sessions.remove(&self.id);
        *self = Self::start(site, state, None);
    }

    pub(crate) fn session<'a>(&self, state: &'a mut State) -> Option<&'a mut Session> {
        state.credentials.sessions.get_mut(&self.id)
    }

    pub(crate) fn csrf<'a>(&self, state: &'a State) -> &'a str {
        state.credentials.sessions.get(&self.id).map_or("", |session| session.csrf.as_str())
    }

    /// The user who is signed in.
    pub(crate) fn user(&self, state: &State) -> Option<i64> {
        let user = state.credentials.sessions.get(&self.id)?.user?;
        state.users.contains_key(&user).then_some(user)
    }

    /// The user who is signed in and held back by nothing; else the page or redirect that the server answers with.
    pub(crate) fn require_user(&self, site: &Site, state: &State, request: &Request) -> Result<i64, Box<Response>> {
        let Some(user) = self.user(state).and_then(|id| state.users.get(&id)) else {
            let mut response = wire::see_other(&format!("{}/user/login", site.base_path));
            let question = if request.raw_query.is_empty() { "" } else { "?" };
            let target = format!("{}{}{question}{}", site.base_path, request.path, request.raw_query);
            let value = utf8_percent_encode(&target, NON_ALPHANUMERIC);
            wire::set_header(&mut response, "set-cookie", &cookie(site, "redirect_to", &value.to_string(), ""));
            return Err(Box::new(response));
        };
        match HeldBack::of(site, user) {
            None => Ok(user.id),
            Some(HeldBack::MustChangePassword) => {
                Err(Box::new(wire::see_other(&site.url("user/settings/change_password"))))
            }
            Some(HeldBack::TwoFactorMissing) => Err(Box::new(wire::see_other(&site.url("user/settings/security")))),
            Some(_) => Err(Box::new(wire::html(StatusCode::OK, page::prohibited(site)))),
        }
    }

    /// Refuses a form that another site sent, by the profile's rule.
    pub(crate) fn judge_form(&self, site: &Site, state: &State, request: &Request) -> Result<(), Box<Response>> {
        if site.profile().csrf_in_forms() {
            let sent = match request.form.get("_csrf") {
                Some(value) => value,
                None => request.header("x-csrf-token"),
            };
            if sent.is_empty() || sent != self.csrf(state) {
                return Err(Box::new(wire::text(StatusCode::BAD_REQUEST, "Invalid CSRF token.\n")));
            }
            return Ok(());
        }
        if is_cross_origin(site, request) {
            return Err(Box::new(wire::text(StatusCode::FORBIDDEN, "cross-origin request detected\n")));
        }
        Ok(())
    }

    /// Adds the cookies of a new session.
    pub(crate) fn finish(self, site: &Site, state: &State, mut response: Response) -> Response {
        if self.is_new {
            let name = site.profile().session_cookie();
            wire::set_header(&mut response, "set-cookie", &cookie(site, name, &self.id, ""));
            if site.profile().csrf_in_forms() {
                wire::set_header(&mut response, "set-cookie", &cookie(site, "_csrf", self.csrf(state), ""));
            }
        }
        response
    }
}

/// Where the browser wanted to go before it was sent to the login page: only paths of this server.
pub(crate) fn wanted_target(request: &Request) -> Option<String> {
    let value = request.cookie("redirect_to")?;
    let target = percent_decode_str(value).decode_utf8().ok()?.into_owned();
    let is_local = target.starts_with('/') && !target.starts_with("//") && !target.contains('\\');
    is_local.then_some(target)
}

/// The cookie that forgets [`wanted_target`].
pub(crate) fn forget_target(site: &Site, response: &mut Response) {
    wire::set_header(response, "set-cookie", &cookie(site, "redirect_to", "", "; Max-Age=0"));
}

fn cookie(site: &Site, name: &str, value: &str, more: &str) -> String {
    let path = if site.base_path.is_empty() { "/" } else { &site.base_path };
    let secure = if site.root.starts_with("https:") { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}{more}; HttpOnly{secure}; SameSite=Lax")
}

/// The rule of Go's `CrossOriginProtection`: Sec-Fetch-Site first, else Origin against Host.
fn is_cross_origin(site: &Site, request: &Request) -> bool {
    match request.header("sec-fetch-site") {
        "same-origin" | "none" => return false,
        "" => {}
        _ => return true,
    }
    let origin = request.header("origin");
    if origin.is_empty() {
        return false;
    }
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let own = site.root.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    host != request.header("host") && host != own
}
