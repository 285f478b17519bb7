//! MCP sessions on the store.

use std::sync::Arc;

use bridge::replica::{Elsewhere, Held};
use bridge::session_store::{Holding, Kept, Peer, SessionRecord, SessionStore, SessionStoreUnavailable};
use futures_util::future::BoxFuture;
use oauth::clock::{Clock, Timestamp};
use oauth::id::{GrantId, UserId};
use store::replicas::{Owner, Taken};
use store::sessions::SessionRow;
use store::{Store, StoreError};

use crate::metrics::Metrics;
use crate::replica::Tenancy;

/// [`SessionStore`] on [`Store`].
pub(crate) struct StoredSessions {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where there are other replicas.
    pub(crate) tenancy: Option<Arc<Tenancy>>,
    pub(crate) metrics: Metrics,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, SessionStoreUnavailable>>;

impl SessionStore for StoredSessions {
    fn insert(&self, record: SessionRecord) -> Answer<'_, ()> {
        Box::pin(async move {
            let written = self
                .store
                .insert_session(&row(record), self.owner()?.as_ref())
                .await
                .map_err(|error| unavailable(&error))?;
            written.then_some(()).ok_or_else(grant_ended)
        })
    }

    fn take(&self, id_hash: [u8; 32]) -> Answer<'_, Holding> {
        Box::pin(async move {
            let held = match self.owner()? {
                Some(me) => self.store.take_session(&id_hash, &me).await.map(|taken| self.holding(taken)),
                None => self
                    .store
                    .session(&id_hash)
                    .await
                    .map(|row| Ok(row.map_or(Holding::Absent, |row| Holding::Mine(record(row))))),
            };
            match held {
                Ok(holding) => holding,
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

    fn release(&self, id_hash: [u8; 32], epoch: i64) -> Answer<'_, ()> {
        Box::pin(async move {
            let Some(me) = self.owner()? else { return Ok(()) };
            let released = self.store.release_session(&id_hash, &me, epoch).await;
            released.map(drop).map_err(|error| unavailable(&error))
        })
    }

    fn peer(&self, replica: Arc<str>) -> Answer<'_, Option<Peer>> {
        Box::pin(async move {
            let live = self.store.live_replica(&replica).await.map_err(|error| unavailable(&error))?;
            Ok(live.map(|live| Peer { address: live.address.map(Into::into) }))
        })
    }

    fn delete(&self, id_hash: [u8; 32], epoch: Option<i64>) -> Answer<'_, ()> {
        Box::pin(async move { self.store.delete_session(&id_hash, epoch).await.map_err(|error| unavailable(&error)) })
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
            let me = self.tenancy.as_ref().map_or("", |tenancy| &**tenancy.id());
            let forgotten = self.store.trim_sessions(&user, &grant, kept.of_user, kept.of_grant, &spare, me).await;
            forgotten.map_err(|error| unavailable(&error))
        })
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }
}

impl StoredSessions {
    /// Whose sessions are taken; nobody's where there are no other replicas.
    fn owner(&self) -> Result<Option<Owner>, SessionStoreUnavailable> {
        let no_lease = || SessionStoreUnavailable("this replica has no lease at the database".to_owned());
        self.tenancy.as_ref().map(|tenancy| tenancy.owner().ok_or_else(no_lease)).transpose()
    }

    fn holding(&self, taken: Taken) -> Result<Holding, SessionStoreUnavailable> {
        match taken {
            Taken::Mine { session, from } => {
                if let Some(from) = from {
                    self.metrics.takeovers.add([]);
                    tracing::info!(
                        replica.from = from,
                        session.epoch = session.epoch,
                        grant.id = session.grant.as_str(),
                        "a session was taken over from a replica whose lease has run out"
                    );
                }
                Ok(Holding::Mine(record(session)))
            }
            Taken::Theirs { owner, address, epoch } => Ok(Holding::Elsewhere(Elsewhere {
                replica: owner.id.into(),
                address: address.map(Into::into),
                held: Held::Session { epoch },
            })),
            Taken::Absent => Ok(Holding::Absent),
            Taken::NoLease => {
                Err(SessionStoreUnavailable("the database says that this replica has no lease".to_owned()))
            }
        }
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
        epoch: record.epoch,
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
        epoch: row.epoch,
    }
}

fn grant_ended() -> SessionStoreUnavailable {
    SessionStoreUnavailable("the grant of this session has ended, or the session has been deleted".to_owned())
}

fn unavailable(error: &StoreError) -> SessionStoreUnavailable {
    SessionStoreUnavailable(error.to_string())
}
