//! A freshly issued pair, and the same pair sealed so that only the holder of the spent refresh token can have it again.

use oauth::clock::Timestamp;
use oauth::refresh::SealedSuccessor;
use oauth::token::PlainToken;
use serde::{Deserialize, Serialize};

/// What a token response carries.
pub(crate) struct TokenPair {
    pub(crate) access: PlainToken,
    pub(crate) refresh: PlainToken,
    pub(crate) access_expires_at: Timestamp,
}

/// The form in which a pair is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Successor {
    access: String,
    refresh: String,
    access_expires_at: Timestamp,
}

const ASSOCIATED_DATA: &[u8] = b"refresh_tokens.successor";

// === impl Successor ===

impl Successor {
    /// Seals `pair` under a key that only `spent` yields.
    pub(crate) fn seal(pair: &TokenPair, spent: &PlainToken) -> Option<Vec<u8>> {
        let successor = Self {
            access: pair.access.expose().to_owned(),
            refresh: pair.refresh.expose().to_owned(),
            access_expires_at: pair.access_expires_at,
        };
        let json = zeroize::Zeroizing::new(serde_json::to_vec(&successor).ok()?);
        store::seal::seal_under_token(spent.expose(), &json, ASSOCIATED_DATA).ok()
    }

    /// Opens a pair with the token that was spent for it.
    pub(crate) fn open(sealed: &SealedSuccessor, spent: &PlainToken) -> Option<TokenPair> {
        let json = store::seal::open_under_token(spent.expose(), &sealed.0, ASSOCIATED_DATA).ok()?;
        let successor: Self = serde_json::from_slice(&json).ok()?;
        Some(TokenPair {
            access: PlainToken::presented(&successor.access),
            refresh: PlainToken::presented(&successor.refresh),
            access_expires_at: successor.access_expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_pair_opens_for_the_spent_token_and_for_no_other() {
        let pair = TokenPair {
            access: PlainToken::presented("access"),
            refresh: PlainToken::presented("refresh"),
            access_expires_at: Timestamp(7),
        };
        let spent = PlainToken::presented("spent");
        let sealed = SealedSuccessor(Successor::seal(&pair, &spent).unwrap());
        assert_eq!(Successor::open(&sealed, &spent).unwrap().refresh.expose(), "refresh");
        assert!(Successor::open(&sealed, &PlainToken::presented("other")).is_none());
    }
}
