//! The storage that upstream credentials need: one row per Forgejo user, compare-and-swap on its version.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::token_source::KnownIdentity;

/// The store did not answer; the caller may try again. The text is for the operator's log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("credential store unavailable: {0}")]
pub struct CredentialStoreUnavailable(pub String);

/// A user's upstream credential as stored.
#[derive(Debug, Clone)]
pub struct StoredCredential {
    /// Raised by every write.
    pub version: i64,
    /// Who the user is at Forgejo.
    pub identity: KnownIdentity,
    /// Forgejo's access token.
    pub access_token: SecretString,
    /// Forgejo's refresh token.
    pub refresh_token: SecretString,
    /// When the access token expires, milliseconds since the Unix epoch.
    pub expires_at: i64,
    /// When the pair was issued, milliseconds since the Unix epoch.
    pub refreshed_at: i64,
    /// `gnt` of the access token, where Forgejo's JWT has it.
    pub grant_id: Option<i64>,
    /// Why the credential is dead, if it is.
    pub dead: Option<String>,
    /// Who is refreshing it now, and until when (milliseconds since the Unix epoch) others keep away.
    pub lease: Option<(String, i64)>,
}

/// A pair that Forgejo has just issued.
#[derive(Debug, Clone)]
pub struct IssuedPair {
    /// Forgejo's access token.
    pub access_token: SecretString,
    /// Forgejo's refresh token.
    pub refresh_token: SecretString,
    /// Milliseconds since the Unix epoch.
    pub expires_at: i64,
    /// Milliseconds since the Unix epoch.
    pub refreshed_at: i64,
    /// `gnt` of the access token.
    pub grant_id: Option<i64>,
}

/// Where credentials are kept. Every write is a compare-and-swap on `version`; `false` means that the row has moved on.
pub trait CredentialStore: Send + Sync + 'static {
    /// Reads a user's credential.
    fn load(&self, user: Arc<str>) -> BoxFuture<'_, Result<Option<StoredCredential>, CredentialStoreUnavailable>>;
    /// Takes the refresh lease if the row still has `version` and no other owner's lease runs at `now`. Does not raise the version.
    fn lease(
        &self,
        user: Arc<str>,
        version: i64,
        owner: String,
        now: i64,
        until: i64,
    ) -> BoxFuture<'_, Result<bool, CredentialStoreUnavailable>>;
    /// Gives the lease back without a result.
    fn release(&self, user: Arc<str>, owner: String) -> BoxFuture<'_, Result<(), CredentialStoreUnavailable>>;
    /// Writes a new pair over `version`, clears the lease and the death mark, raises the version.
    fn save(
        &self,
        user: Arc<str>,
        version: i64,
        pair: IssuedPair,
    ) -> BoxFuture<'_, Result<bool, CredentialStoreUnavailable>>;
    /// Marks the credential dead over `version`, clears the lease, raises the version.
    fn mark_dead(
        &self,
        user: Arc<str>,
        version: i64,
        reason: String,
    ) -> BoxFuture<'_, Result<bool, CredentialStoreUnavailable>>;
    /// Users with a live credential and at least one live grant whose pair was issued before `refreshed_before`, or whose access token
    /// expires before `expires_before` and who were active since `active_since`. At most `limit`.
    fn due(
        &self,
        refreshed_before: i64,
        expires_before: i64,
        active_since: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Arc<str>>, CredentialStoreUnavailable>>;
}
