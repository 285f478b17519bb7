//! What a worker gets in place of Forgejo's address and the user's token.
//!
//! The worker's only way out is the gateway; what it holds is a random capability that means nothing elsewhere and
//! nothing after the worker's end. The bridge asks for one per worker and never learns what stands behind it.

use std::sync::Arc;

use crate::replica::Lease;
use crate::reply::Principal;

/// Hands out one [`WorkerAccess`] per worker.
pub trait AccessIssuer: Send + Sync + 'static {
    /// Opens an access that belongs to nobody yet: a worker may be started before its user is known.
    fn open(&self) -> Arc<dyn WorkerAccess>;
}

/// One worker's way to Forgejo. Dropping the last handle ends the capability.
pub trait WorkerAccess: Send + Sync + 'static {
    /// The base URL that the worker believes to be Forgejo's, without a trailing slash.
    fn url(&self) -> &str;
    /// The capability that the worker sends as its token. Never logged.
    fn token(&self) -> &str;
    /// Forgejo's real base URL, by which [`Self::url`] is replaced in what the worker prints.
    fn public_url(&self) -> &str;
    /// Binds the access to a user's grant. Until then every request through it is refused, start-up probes excepted.
    /// Called again when a session moves to a newer grant of the same user.
    fn assign(&self, principal: &Principal);
    /// The capability opens nothing at any moment at which this lease is not held. For workers of sessions; said once, before any use.
    fn only_under(&self, lease: Arc<dyn Lease>);
    /// The capability ends now, whatever the worker does until its own end.
    fn revoke(&self);
    /// The worker has printed its first message: start-up is over and the start-up probes lose their special answers.
    fn ready(&self);
}
