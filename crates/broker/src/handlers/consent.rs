//! What travels through the consent form: the authorization request, sealed, so that a GET writes nothing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth::authorize::AuthorizationRequest;
use oauth::clock::Timestamp;
use oauth::token::{PlainToken, TokenHash};
use serde::{Deserialize, Serialize};
use store::KeyRing;

const ASSOCIATED_DATA: &[u8] = b"consent form";

/// How long a consent page may be looked at.
pub(crate) const FORM_LIFETIME: Duration = Duration::from_hours(1);

/// An authorization request on its way through the consent form, bound to one browser.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConsentTicket {
    request: AuthorizationRequest,
    browser: String,
    expires_at: Timestamp,
}

/// Why a submitted form does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTicket {
    /// Not sealed by us, or under a key that is gone.
    #[error("the consent form is damaged or was made by another server")]
    Damaged,
    /// Shown to another browser.
    #[error("the consent form was shown to another browser")]
    OtherBrowser,
    /// Too old.
    #[error("the consent form has expired")]
    Expired,
}

// === impl ConsentTicket ===

impl ConsentTicket {
    /// Seals a request for the form shown to the browser that holds `cookie`.
    pub(crate) fn seal(
        request: AuthorizationRequest,
        cookie: &PlainToken,
        now: Timestamp,
        keys: &KeyRing,
    ) -> Option<String> {
        let ticket = Self { request, browser: browser(cookie), expires_at: now.plus(FORM_LIFETIME) };
        let json = serde_json::to_vec(&ticket).ok()?;
        Some(URL_SAFE_NO_PAD.encode(keys.seal(&json, ASSOCIATED_DATA).ok()?))
    }

    /// Opens what a form brought back.
    pub(crate) fn open(
        sealed: &str,
        cookie: &PlainToken,
        now: Timestamp,
        keys: &KeyRing,
    ) -> Result<AuthorizationRequest, InvalidTicket> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| InvalidTicket::Damaged)?;
        let json = keys.open(&sealed, ASSOCIATED_DATA).map_err(|_| InvalidTicket::Damaged)?;
        let ticket: Self = serde_json::from_slice(&json).map_err(|_| InvalidTicket::Damaged)?;
        if ticket.browser != browser(cookie) {
            return Err(InvalidTicket::OtherBrowser);
        }
        if now > ticket.expires_at {
            return Err(InvalidTicket::Expired);
        }
        Ok(ticket.request)
    }
}

fn browser(cookie: &PlainToken) -> String {
    hex::encode(TokenHash::of(cookie.expose()).as_bytes())
}
