//! Opaque tokens: what goes to the client, and what is kept of it.
//!
//! A token is 256 random bits behind a prefix that secret scanners can know. Only its SHA-256 is stored, so a stolen database holds
//! nothing that can be spent. The two are different types: a [`PlainToken`] cannot be stored, a [`TokenHash`] cannot be sent.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize;

use crate::clock::Timestamp;
use crate::grant::Grant;
use crate::random::{NoRandomness, Random};

/// What a token is for; decides its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Access token for `/mcp`.
    Access,
    /// Refresh token.
    Refresh,
    /// Authorization code.
    Code,
    /// `state` of the upstream leg.
    State,
    /// Value of a browser cookie.
    Browser,
}

/// A token in clear, on its way to the one who may hold it. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainToken(String);

/// SHA-256 of a token: the key under which it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// A stored access token with the grant it belongs to.
#[derive(Debug, Clone)]
pub struct AccessRecord {
    /// The grant, with user, client, scope and limits.
    pub grant: Grant,
    /// After this it is refused.
    pub expires_at: Timestamp,
}

/// How long what we issue lives.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Authorization codes (RFC 6749 §4.1.2 allows at most 10 minutes).
    pub code: Duration,
    /// Access tokens.
    pub access: Duration,
    /// A refresh token that is not used for this long lapses.
    pub refresh_idle: Duration,
    /// A grant ends after this, however often it is refreshed.
    pub refresh_absolute: Duration,
}

// === impl TokenKind ===

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Access => "fjb_at_",
            Self::Refresh => "fjb_rt_",
            Self::Code => "fjb_ac_",
            Self::State => "fjb_st_",
            Self::Browser => "fjb_bb_",
        }
    }
}

// === impl PlainToken ===

impl PlainToken {
    /// A new token of `kind`.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate(kind: TokenKind, random: &dyn Random) -> Result<Self, NoRandomness> {
        let mut bytes = [0u8; 32];
        random.fill(&mut bytes)?;
        let mut text = String::from(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        bytes.zeroize();
        Ok(Self(text))
    }

    /// A token as somebody presented it.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for the one response or request that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The key under which it is stored.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl Drop for PlainToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken")
    }
}

// === impl TokenHash ===

impl TokenHash {
    /// Hashes a presented token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut hash = [0u8; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    /// A hash as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash as it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::OsRandom;

    #[test]
    fn a_token_carries_256_bits_behind_a_prefix_that_scanners_can_know() {
        let token = PlainToken::generate(TokenKind::Access, &OsRandom::default()).unwrap();
        let random = token.expose().strip_prefix("fjb_at_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
    }

    #[test]
    fn debug_output_shows_neither_token_nor_hash() {
        let token = PlainToken::generate(TokenKind::Refresh, &OsRandom::default()).unwrap();
        assert_eq!(format!("{token:?} {:?}", token.hash()), "PlainToken TokenHash");
    }
}
