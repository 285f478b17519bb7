//! MCP sessions on the store.

use std::sync::Arc;

use bridge::session_store::{Holding, Kept, Peer, SessionRecord, SessionStore, SessionStoreUnavailable};
use futures_util::future::BoxFuture;
use oauth::clock::{Clock, Timestamp};
use oauth::id::{GrantId, UserId};
use store::sessions::SessionRow;
use store::{Store, StoreError};

/// [`SessionStore`] on [`Store`].
pub(crate) struct StoredSessions {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, SessionStoreUnavailable>>;

impl SessionStore for StoredSessions {
    fn insert(&self, record: SessionRecord) -> Answer<'_, ()> {
        Box::pin(async move {
            let written = self.store.insert_session(&row(record)).await.map_err(|error| unavailable(&error))?;
            written.then_some(()).ok_or_else(grant_ended)
        })
    }

    fn take(&self, id_hash: [u8; 32]) -> Answer<'_, Holding> {
        Box::pin(async move {
            match self.store.session(&id_hash).await {
                Ok(row) => Ok(row.map_or(Holding::Absent, |row| Holding::Mine(record(row)))),
                // Its key is lost: the client begins anew, as with any session that is not there. The row stays, for a key may come back.
                Err(error @ StoreError::Sealed { .. }) => {
                    tracing::error!(error = %error, "a stored session can't be read");
                    Ok(Holding::Absent)
                }
                Err(error) => Err(unavailable(&error)),
            }
        })
    }

    fn update(&self, record: SessionRecord) -> Answer<'_, bool> {
        Box::pin(async move { self.store.update_session(&row(record)).await.map_err(|error| unavailable(&error)) })
    }

    fn release(&self, _: [u8; 32], _: i64) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn peer(&self, _: Arc<str>) -> Answer<'_, Option<Peer>> {
        Box::pin(async { Ok(None) })
    }

    fn delete(&self, id_hash: [u8; 32], _: Option<i64>) -> Answer<'_, ()> {
        Box::pin(async move { self.store.delete_session(&id_hash).await.map_err(|error| unavailable(&error)) })
    }

    fn delete_of_grant(&self, grant: Arc<str>) -> Answer<'_, ()> {
        Box::pin(async move {
            self.store
                .delete_sessions_of_grant(&GrantId::from(grant))
                .await
                .map(drop)
                .map_err(|error| unavailable(&error))
        })
    }

    fn trim(&self, user: Arc<str>, grant: Arc<str>, kept: Kept, spare: Vec<[u8; 32]>) -> Answer<'_, Vec<[u8; 32]>> {
        Box::pin(async move {
            let (user, grant) = (UserId::from(user), GrantId::from(grant));
            let forgotten = self.store.trim_sessions(&user, &grant, kept.of_user, kept.of_grant, &spare).await;
            forgotten.map_err(|error| unavailable(&error))
        })
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }
}

fn row(record: SessionRecord) -> SessionRow {
    SessionRow {
        id_hash: record.id_hash,
        user: record.user.into(),
        client: record.client.into(),
        grant: record.grant.into(),
        protocol_version: record.protocol_version,
        initialize: record.initialize.into(),
        initialized: record.initialized,
        log_level: record.log_level,
        subscriptions: record.subscriptions,
        created_at: Timestamp(record.created_at),
        last_seen: Timestamp(record.last_seen),
    }
}

fn record(row: SessionRow) -> SessionRecord {
    SessionRecord {
        id_hash: row.id_hash,
        user: row.user.to_shared(),
        client: row.client.to_shared(),
        grant: row.grant.to_shared(),
        protocol_version: row.protocol_version,
        initialize: row.initialize.into(),
        initialized: row.initialized,
        log_level: row.log_level,
        subscriptions: row.subscriptions,
        created_at: row.created_at.0,
        last_seen: row.last_seen.0,
        epoch: 0,
    }
}

fn grant_ended() -> SessionStoreUnavailable {
    SessionStoreUnavailable("the grant of this session has ended, or the session has been deleted".to_owned())
}

fn unavailable(error: &StoreError) -> SessionStoreUnavailable {
    SessionStoreUnavailable(error.to_string())
}
