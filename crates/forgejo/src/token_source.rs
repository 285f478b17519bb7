//! Where the gateway gets a user's current Forgejo access token from.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

/// The present time in milliseconds since the Unix epoch.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Why there is no usable credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Forgejo has said for good that the user must log in again.
    #[error("the Forgejo login of this user has ended: log in again ({0})")]
    Dead(String),
    /// Forgejo or the store cannot be reached at present.
    #[error("Forgejo cannot be reached at present: {reason}")]
    Unavailable {
        /// For the operator's log.
        reason: String,
        /// Seconds after which another try makes sense.
        retry_after: u32,
    },
    /// No such user.
    #[error("no credential is stored for this user")]
    Unknown,
}

/// What became of a request that Forgejo answered with 401.
#[derive(Debug, Clone)]
pub enum After401 {
    /// Here is another token than the one that failed: try once more.
    Retry(SecretString),
    /// The credential lives (Forgejo accepts it elsewhere): the 401 was about this request.
    Alive,
}

/// A user's identity as stored at login, for answering start-up probes without Forgejo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIdentity {
    /// Forgejo's numeric user id.
    pub id: i64,
    /// Login name.
    pub login: String,
}

/// Current Forgejo access tokens, by user.
pub trait TokenSource: Send + Sync + 'static {
    /// A token that is good now; refreshed first if it is about to expire.
    fn access_token(&self, user: Arc<str>) -> BoxFuture<'_, Result<SecretString, CredentialError>>;
    /// Forgejo answered 401 to `failed`: refresh once (at most one forced refresh per user and minute, single flight), or say that
    /// the credential lives or is dead.
    fn after_401(&self, user: Arc<str>, failed: SecretString) -> BoxFuture<'_, Result<After401, CredentialError>>;
    /// What is known of the user without asking Forgejo.
    fn identity(&self, user: Arc<str>) -> BoxFuture<'_, Option<KnownIdentity>>;
}
