//! Bearer tokens at `/mcp` (RFC 6750, RFC 9728 §5.1; oauth.md §3).
//!
//! The hot path is one SHA-256 and one cache look-up; the store is read only for a token that this process has not seen lately.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use futures_util::FutureExt as _;
use oauth::clock::{Clock, Timestamp};
use oauth::error::ErrorCode;
use oauth::scope::ScopeSet;
use oauth::token::TokenHash;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use store::{Store, StoreError};
use tokio::time::Instant;

use crate::live_grants::{LiveGrant, LiveGrants};
use crate::metrics::client_family;
use crate::rate_limit::TooMany;
use crate::tombstones::Tombstones;

/// Tokens that are remembered; the rest are read from the store again.
const REMEMBERED: usize = 50_000;
/// For so long what is remembered counts although nothing is heard of what others have ended meanwhile.
const TRUSTED: Duration = Duration::from_secs(30);
/// What is longer is not looked up at all, in bytes.
const LONGEST_TOKEN: usize = 512;

/// Checks bearer tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bearers {
    store: Store,
    grants: LiveGrants,
    clock: Arc<dyn Clock>,
    known: Arc<Cache<TokenHash, Known>>,
    revoked: Arc<Mutex<Tombstones<TokenHash>>>,
    /// When it was last known what others had ended.
    heard: Arc<Mutex<Instant>>,
    challenge: Challenge,
}

/// The `WWW-Authenticate` header of this resource.
#[derive(Debug, Clone)]
pub(crate) struct Challenge {
    resource_metadata: String,
}

/// Why a request is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAuthorized {
    /// No credentials, or some for another scheme; the challenge then carries no error code (RFC 6750 §3.1, oauth.md A15).
    #[error("no bearer token")]
    Missing,
    /// The Authorization header has another form.
    #[error("the Authorization header is not `Bearer <token>`")]
    Malformed,
    /// Unknown, expired or revoked.
    #[error("the access token is {0}")]
    Invalid(&'static str),
    /// Too many requests without a valid token have come from the address.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The store does not answer: the client keeps its token and tries again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone)]
struct Known {
    grant: Arc<LiveGrant>,
    expires_at: Timestamp,
    family: &'static str,
}

/// What a good token stands for.
pub(crate) struct Admitted {
    pub(crate) grant: Arc<LiveGrant>,
    /// When the token expires.
    pub(crate) expires_at: Timestamp,
    /// Which family the client belongs to, for counting.
    pub(crate) family: &'static str,
}

// === impl Bearers ===

impl Bearers {
    pub(crate) fn new(store: Store, grants: LiveGrants, clock: Arc<dyn Clock>, issuer: &str) -> Self {
        Self {
            store,
            grants,
            clock,
            known: Arc::new(Cache::new(REMEMBERED)),
            revoked: Arc::default(),
            heard: Arc::new(Mutex::new(Instant::now())),
            challenge: Challenge::of_issuer(issuer),
        }
    }

    /// The challenge of this resource.
    pub(crate) fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// The grant behind the request's bearer token, and when the token expires. Whoever has no token that is known to be valid is charged
    /// first, before the store is asked.
    pub(crate) async fn check(
        &self,
        headers: &HeaderMap,
        charge: impl Fn() -> Result<(), TooMany> + Send + Sync,
    ) -> Result<Admitted, NotAuthorized> {
        let token = match presented(headers) {
            Ok(token) => token,
            Err(reason) => {
                charge()?;
                return Err(reason);
            }
        };
        let hash = TokenHash::of(token);
        let known = if let Some(known) = self.known.get(&hash).filter(|_| self.is_up_to_date()) {
            known
        } else {
            charge()?;
            // Rare, and large: in the future of every request it would be moved about.
            self.look_up(hash).boxed().await?
        };
        if known.grant.has_ended() {
            return Err(NotAuthorized::Invalid("revoked"));
        }
        if self.clock.now() >= known.expires_at {
            return Err(NotAuthorized::Invalid("expired"));
        }
        Ok(Admitted { grant: known.grant, expires_at: known.expires_at, family: known.family })
    }

    async fn look_up(&self, hash: TokenHash) -> Result<Known, NotAuthorized> {
        let record = self.store.access_token(&hash).await?.ok_or(NotAuthorized::Invalid("unknown"))?.record;
        let client = self.store.client(&record.grant.client).await?;
        let family = client_family(client.and_then(|client| client.metadata.client_name).as_deref());
        if !record.grant.is_live() {
            // In use here, it would be remembered as alive.
            self.grants.end(&record.grant.id);
        }
        let known = Known { grant: self.grants.enter(record.grant), expires_at: record.expires_at, family };
        self.remember(hash, &known)?;
        Ok(known)
    }

    /// Forgets one token, because it was revoked in the store just now.
    pub(crate) fn forget(&self, hash: &TokenHash) {
        let mut revoked = self.revoked.lock();
        revoked.bury(*hash, ());
        self.known.remove(hash);
    }

    /// Notes that all that others had ended before `at` is ended here too.
    pub(crate) fn has_heard(&self, at: Instant) {
        let mut heard = self.heard.lock();
        *heard = at.max(*heard);
    }

    /// A process that is cut off from the store would go on serving what was revoked elsewhere. It asks the store instead, in vain: 503.
    fn is_up_to_date(&self) -> bool {
        self.heard.lock().elapsed() < TRUSTED
    }

    /// To be called less often than a request may take.
    pub(crate) fn prune(&self) {
        self.revoked.lock().age();
    }

    /// A token may have been read from the store just before it was revoked there.
    fn remember(&self, hash: TokenHash, known: &Known) -> Result<(), NotAuthorized> {
        let revoked = self.revoked.lock();
        if revoked.has(&hash) {
            return Err(NotAuthorized::Invalid("revoked"));
        }
        self.known.insert(hash, known.clone());
        Ok(())
    }
}

fn presented(headers: &HeaderMap) -> Result<&str, NotAuthorized> {
    let value = headers.get(header::AUTHORIZATION).ok_or(NotAuthorized::Missing)?;
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(NotAuthorized::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(NotAuthorized::Missing);
    }
    match token.trim() {
        "" => Err(NotAuthorized::Malformed),
        // Somebody else's token, such as a JWT; ours are far shorter.
        token if token.len() > LONGEST_TOKEN => Err(NotAuthorized::Invalid("unknown")),
        token => Ok(token),
    }
}

// === impl Challenge ===

impl Challenge {
    fn of_issuer(issuer: &str) -> Self {
        Self { resource_metadata: format!("{issuer}/.well-known/oauth-protected-resource/mcp") }
    }

    /// For a request without credentials.
    pub(crate) fn bare(&self) -> HeaderValue {
        self.header(None)
    }

    /// For credentials that do not serve.
    pub(crate) fn with_error(&self, code: ErrorCode, description: &str) -> HeaderValue {
        self.header(Some((code, description)))
    }

    fn header(&self, error: Option<(ErrorCode, &str)>) -> HeaderValue {
        let (metadata, scope) = (&self.resource_metadata, ScopeSet::READ_WRITE);
        let mut text = format!("Bearer resource_metadata=\"{metadata}\", scope=\"{scope}\"");
        if let Some((code, description)) = error {
            // OAuth 2.1 §5.3.1: neither quotes nor backslashes in attribute values.
            let description: String =
                description.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
            text = format!("{text}, error=\"{code}\", error_description=\"{description}\"");
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

impl NotAuthorized {
    /// The challenge that goes with it; none where the fault is ours.
    pub(crate) fn challenge(&self, challenge: &Challenge) -> Option<HeaderValue> {
        match self {
            Self::Missing => Some(challenge.bare()),
            Self::Malformed => Some(challenge.with_error(ErrorCode::InvalidRequest, &self.to_string())),
            Self::Invalid(_) => Some(challenge.with_error(ErrorCode::InvalidToken, &self.to_string())),
            Self::TooMany(_) | Self::Store(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_without_credentials_has_no_error_code_but_names_metadata_and_scope() {
        // oauth.md A05, A07, A15
        let challenge = Challenge::of_issuer("https://b.example").bare();
        assert_eq!(
            challenge,
            "Bearer resource_metadata=\"https://b.example/.well-known/oauth-protected-resource/mcp\", scope=\"read write\""
        );
    }

    #[test]
    fn a_challenge_never_carries_quotes_from_an_error_text() {
        let challenge = Challenge::of_issuer("https://b.example").with_error(ErrorCode::InvalidToken, "a\"b\\c\r\nd");
        assert!(challenge.to_str().unwrap().ends_with("error=\"invalid_token\", error_description=\"abcd\""));
    }

    #[test]
    fn only_a_bearer_header_counts() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            presented(&headers).map(str::to_owned).ok()
        };
        assert_eq!(read("bearer abc").as_deref(), Some("abc"));
        for other in ["Basic abc", "Bearer ", "abc", "token abc"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(matches!(presented(&HeaderMap::new()), Err(NotAuthorized::Missing)));
    }

    #[test]
    fn a_token_that_is_too_long_to_be_ours_is_invalid_and_not_malformed() {
        // The client has to throw it away and log in, as with any other invalid token (oauth.md A02).
        let mut headers = HeaderMap::new();
        let value = format!("Bearer {}", "e".repeat(LONGEST_TOKEN + 1));
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(value).unwrap());
        assert!(matches!(presented(&headers), Err(NotAuthorized::Invalid(_))));
    }
}
