//! What Forgejo's JWTs say about themselves.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Claims of one of Forgejo's tokens, **read without checking the signature**.
///
/// They are hints: they order two results and shorten a life, and nothing is allowed because of them. The token came over our own
/// connection to Forgejo, and Forgejo judges it at every use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct TokenHints {
    /// The grant's row id; a new one means that the user had revoked the old grant.
    #[serde(rename = "gnt", default)]
    pub grant_id: Option<i64>,
    /// Position in the grant's rotation; only refresh tokens have it.
    #[serde(rename = "cnt", default)]
    pub counter: Option<i64>,
    /// When issued, seconds since the Unix epoch by Forgejo's clock.
    #[serde(rename = "iat", default)]
    pub issued_at: Option<i64>,
    /// When it ends, seconds since the Unix epoch by Forgejo's clock.
    #[serde(rename = "exp", default)]
    pub expires_at: Option<i64>,
}

// === impl TokenHints ===

impl TokenHints {
    /// What can be read; nothing from a token that is no JWT.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        Self::read(token.expose_secret()).unwrap_or_default()
    }

    /// Life in milliseconds, by Forgejo's clock alone, so that a clock that differs from ours does no harm.
    #[must_use]
    pub fn life(&self) -> Option<i64> {
        let seconds = self.expires_at?.checked_sub(self.issued_at?)?;
        seconds.checked_mul(1000).filter(|life| *life > 0)
    }

    fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}
