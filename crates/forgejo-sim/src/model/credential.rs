//! OAuth2 applications, grants, codes, login sessions, personal access tokens.
//!
//! Exactly one grant row exists for a user and an application, with one counter: that is what makes a second
//! login of a user kill the first one's refresh token.

use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) apps: BTreeMap<i64, App>,
    pub(crate) grants: BTreeMap<i64, Grant>,
    pub(crate) codes: BTreeMap<String, Code>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) personal_tokens: Vec<PersonalToken>,
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) id: i64,
    /// `None` for the built-in applications.
    pub(crate) owner: Option<i64>,
    pub(crate) name: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) confidential: bool,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) created: i64,
}

#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) app: i64,
    /// The scope as it was asked for when the row was made.
    pub(crate) scope: String,
    pub(crate) nonce: String,
    /// The `cnt` of the only good refresh token; 0 before the first.
    pub(crate) counter: i64,
    pub(crate) created: i64,
}

#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) grant: i64,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) method: String,
    pub(crate) created: i64,
}

/// A browser's session, signed in or not.
#[derive(Clone, Default)]
pub(crate) struct Session {
    pub(crate) user: Option<i64>,
    pub(crate) csrf: String,
    /// The one authorization request under way: a second consent page of the same browser replaces it.
    pub(crate) pending: Option<Pending>,
}

#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) client_id: String,
    pub(crate) state: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) method: String,
}

#[derive(Clone)]
pub(crate) struct PersonalToken {
    pub(crate) id: i64,
    pub(crate) user: i64,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) scope: String,
}

// === impl Credentials ===

impl Credentials {
    pub(crate) fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.values().find(|app| app.client_id == client_id)
    }

    pub(crate) fn grant_of(&self, user: i64, app: i64) -> Option<&Grant> {
        self.grants.values().find(|grant| grant.user == user && grant.app == app)
    }

    pub(crate) fn remove_grant(&mut self, id: i64) -> bool {
        self.codes.retain(|_, code| code.grant != id);
        self.grants.remove(&id).is_some()
    }

    pub(crate) fn remove_app(&mut self, id: i64) -> bool {
        let grants: Vec<i64> = self.grants.values().filter(|grant| grant.app == id).map(|grant| grant.id).collect();
        for grant in grants {
            self.remove_grant(grant);
        }
        self.apps.remove(&id).is_some()
    }

    pub(crate) fn forget_user(&mut self, user: i64) {
        let apps: Vec<i64> = self.apps.values().filter(|app| app.owner == Some(user)).map(|app| app.id).collect();
        for app in apps {
            self.remove_app(app);
        }
        let grants: Vec<i64> = self.grants.values().filter(|grant| grant.user == user).map(|grant| grant.id).collect();
        for grant in grants {
            self.remove_grant(grant);
        }
        self.sessions.retain(|_, session| session.user != Some(user));
        self.personal_tokens.retain(|token| token.user != user);
    }
}

// === impl App ===

impl App {
    /// Forgejo's rule: exact, ASCII case and one trailing slash ignored; a public client's `http` URI with a loopback
    /// IP address matches with its port stripped.
    pub(crate) fn accepts_redirect(&self, uri: &str) -> bool {
        let contains = |candidate: &str| self.redirect_uris.iter().any(|known| plain(known) == plain(candidate));
        if !self.confidential
            && let Ok(mut parsed) = url::Url::parse(uri)
            && parsed.scheme() == "http"
            && parsed.port().is_some()
            && is_loopback_ip(&parsed)
            && parsed.set_port(None).is_ok()
            && contains(parsed.as_str())
        {
            return true;
        }
        contains(uri)
    }

    /// An empty secret never fits, not even that of an application without one.
    pub(crate) fn accepts_secret(&self, secret: &str) -> bool {
        !secret.is_empty() && self.client_secret == secret
    }
}

fn plain(uri: &str) -> String {
    uri.strip_suffix('/').unwrap_or(uri).to_ascii_lowercase()
}

fn is_loopback_ip(uri: &url::Url) -> bool {
    match uri.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(confidential: bool, uris: &[&str]) -> App {
        App {
            id: 1,
            owner: None,
            name: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            confidential,
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            created: 0,
        }
    }

    #[test]
    fn redirect_uris_match_as_section_7_2_says() {
        let confidential = app(true, &["https://a.example/cb", "http://127.0.0.1:9000/cb"]);
        assert!(confidential.accepts_redirect("https://a.example/cb"));
        assert!(confidential.accepts_redirect("HTTPS://A.example/CB/"));
        assert!(!confidential.accepts_redirect("https://a.example/cb//"));
        assert!(!confidential.accepts_redirect("https://a.example/cb?x=1"));
        assert!(!confidential.accepts_redirect("http://127.0.0.1:9001/cb"));
        // KELVIN SIGN lower-cases to k outside ASCII.
        assert!(!app(true, &["https://kiosk.example/"]).accepts_redirect("https://\u{212a}iosk.example/"));

        let public = app(false, &["http://127.0.0.1/cb", "http://localhost/cb"]);
        assert!(public.accepts_redirect("http://127.0.0.1:49152/cb"));
        assert!(!public.accepts_redirect("http://localhost:49152/cb"));
        assert!(!public.accepts_redirect("https://127.0.0.1:49152/cb"));
        assert!(app(false, &["http://[::1]/cb"]).accepts_redirect("http://[::1]:5/cb"));
    }
}
