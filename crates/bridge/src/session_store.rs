//! The storage that sessions need. A session outlives its worker, the process and the machine.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};

use crate::replica::Elsewhere;

/// The store did not answer; the caller may try again. The text is for the operator's log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("session store unavailable: {0}")]
pub struct SessionStoreUnavailable(pub String);

/// A legacy session as it is stored (MCP 2025-11-25, basic/transports, Session Management).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 of the session id; the id itself is only with the client.
    pub id_hash: [u8; 32],
    /// The user the session belongs to.
    pub user: Arc<str>,
    /// The MCP client that opened it.
    pub client: Arc<str>,
    /// The grant under which it runs now.
    pub grant: Arc<str>,
    /// The protocol version that the worker answered.
    pub protocol_version: String,
    /// The `initialize` request's `params` as the client sent them, byte for byte.
    pub initialize: Bytes,
    /// Whether `notifications/initialized` has come.
    pub initialized: bool,
    /// The level of the last `logging/setLevel`.
    pub log_level: Option<String>,
    /// URIs subscribed by `resources/subscribe`.
    pub subscriptions: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
    /// Milliseconds since the Unix epoch; written at most once a minute.
    pub last_seen: i64,
    /// How often it has been taken over: a replica that has lost it writes nothing to it any more.
    pub epoch: i64,
}

/// A replica that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where other replicas reach it; `None` if it has not said.
    pub address: Option<Arc<str>>,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// This replica's, perhaps since this moment.
    Mine(SessionRecord),
    /// Another one's, which lives.
    Elsewhere(Elsewhere),
    /// There is no such session.
    Absent,
}

/// How many sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Of one grant.
    pub of_grant: usize,
    /// Of one user.
    pub of_user: usize,
}

/// Where sessions are kept.
pub trait SessionStore: Send + Sync + 'static {
    /// Writes a new session, which is this replica's.
    fn insert(&self, record: SessionRecord) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>>;
    /// Reads a session by the hash of its id, and takes it if it is nobody's, or that of a replica whose lease has run out. Of several
    /// replicas that take it at one time one gets it.
    fn take(&self, id_hash: [u8; 32]) -> BoxFuture<'_, Result<Holding, SessionStoreUnavailable>>;
    /// Replaces what can change: grant, initialized, log level, subscriptions, last seen. `false` if the session is gone, or has another
    /// epoch than the record's.
    fn update(&self, record: SessionRecord) -> BoxFuture<'_, Result<bool, SessionStoreUnavailable>>;
    /// Gives a session up if it has this epoch: whoever takes it next need not wait for the end of a lease.
    fn release(&self, id_hash: [u8; 32], epoch: i64) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>>;
    /// Forgets a session; one that is given if it has this epoch.
    fn delete(&self, id_hash: [u8; 32], epoch: Option<i64>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>>;
    /// Forgets all sessions of a grant.
    fn delete_of_grant(&self, grant: Arc<str>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>>;
    /// Forgets the sessions of this grant, and of this user, that go beyond `kept`, those first that were not used for the
    /// longest time; never those in `spare`, nor another living replica's. Says which.
    fn trim(
        &self,
        user: Arc<str>,
        grant: Arc<str>,
        kept: Kept,
        spare: Vec<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Vec<[u8; 32]>, SessionStoreUnavailable>>;
    /// The address of a replica whose lease is good.
    fn peer(&self, replica: Arc<str>) -> BoxFuture<'_, Result<Option<Peer>, SessionStoreUnavailable>>;
    /// The present time in milliseconds since the Unix epoch, as the store's owner sees it.
    fn now(&self) -> i64;
}

/// A [`SessionStore`] that keeps nothing and knows no time: for a bridge whose sessions end with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSessionStore;

// === impl NoSessionStore ===

impl SessionStore for NoSessionStore {
    fn insert(&self, _: SessionRecord) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(ready(Ok(())))
    }

    fn take(&self, _: [u8; 32]) -> BoxFuture<'_, Result<Holding, SessionStoreUnavailable>> {
        Box::pin(ready(Ok(Holding::Absent)))
    }

    fn update(&self, _: SessionRecord) -> BoxFuture<'_, Result<bool, SessionStoreUnavailable>> {
        Box::pin(ready(Ok(true)))
    }

    fn release(&self, _: [u8; 32], _: i64) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(ready(Ok(())))
    }

    fn delete(&self, _: [u8; 32], _: Option<i64>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(ready(Ok(())))
    }

    fn delete_of_grant(&self, _: Arc<str>) -> BoxFuture<'_, Result<(), SessionStoreUnavailable>> {
        Box::pin(ready(Ok(())))
    }

    fn trim(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        _: Kept,
        _: Vec<[u8; 32]>,
    ) -> BoxFuture<'_, Result<Vec<[u8; 32]>, SessionStoreUnavailable>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn peer(&self, _: Arc<str>) -> BoxFuture<'_, Result<Option<Peer>, SessionStoreUnavailable>> {
        Box::pin(ready(Ok(None)))
    }

    fn now(&self) -> i64 {
        0
    }
}
