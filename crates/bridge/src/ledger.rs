//! Session records on their way to the store: changes are collected and written off the request path.
//!
//! One task writes, so that an older state of a session never lands on a newer one. A change leaves the collection only when
//! it has been written: a store that is away for a while, or a task that is stopped, loses none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;

use crate::reply::Principal;
use crate::session_id::SessionKey;
use crate::session_store::{Holding, Kept, Peer, SessionRecord, SessionStore, SessionStoreUnavailable};

/// Records that are written at the same time; they may share a transaction.
const AT_ONCE: usize = 32;
/// Between attempts while the store does not answer.
const RETRY: Duration = Duration::from_secs(5);

pub(crate) struct Ledger {
    store: Arc<dyn SessionStore>,
    changed: Mutex<HashMap<SessionKey, SessionRecord>>,
    wake: Notify,
    /// Told of sessions that are not this replica's any more, or gone, with the epoch that they had here.
    lost: mpsc::UnboundedSender<(SessionKey, i64)>,
    /// Counts the attempts to write what was there, and tells how the last one went.
    attempts: watch::Sender<(u64, Result<(), SessionStoreUnavailable>)>,
}

// === impl Ledger ===

impl Ledger {
    /// With the sessions that turn out to be lost.
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> (Arc<Self>, mpsc::UnboundedReceiver<(SessionKey, i64)>) {
        let (lost, told) = mpsc::unbounded_channel();
        let ledger = Arc::new(Self {
            store,
            changed: Mutex::default(),
            wake: Notify::new(),
            lost,
            attempts: watch::Sender::new((0, Ok(()))),
        });
        (ledger, told)
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        self.store.now()
    }

    pub(crate) async fn insert(&self, record: SessionRecord) -> Result<(), SessionStoreUnavailable> {
        self.store.insert(record).await
    }

    /// See [`SessionStore::take`]. What is not written yet counts.
    pub(crate) async fn take(&self, key: SessionKey) -> Result<Holding, SessionStoreUnavailable> {
        let waiting = self.changed.lock().get(&key).cloned();
        match waiting {
            Some(record) => Ok(Holding::Mine(record)),
            None => self.store.take(key).await,
        }
    }

    /// Writes what is not written yet of a session, and gives it up. If that fails it stays this replica's.
    pub(crate) async fn release(&self, key: SessionKey, epoch: i64) -> Result<(), SessionStoreUnavailable> {
        let waiting = self.changed.lock().get(&key).cloned();
        if let Some(record) = waiting {
            self.write(record).await?;
        }
        self.store.release(key, epoch).await
    }

    /// See [`SessionStore::peer`].
    pub(crate) async fn peer(&self, replica: Arc<str>) -> Result<Option<Peer>, SessionStoreUnavailable> {
        self.store.peer(replica).await
    }

    /// The sessions are not this replica's any more: nothing of them is written.
    pub(crate) fn forget_changes(&self) {
        self.changed.lock().clear();
    }

    async fn write(&self, record: SessionRecord) -> Result<(), SessionStoreUnavailable> {
        let kept = self.store.update(record.clone()).await?;
        {
            let mut changed = self.changed.lock();
            if changed.get(&record.id_hash) == Some(&record) {
                changed.remove(&record.id_hash);
            }
        }
        if !kept {
            let _ = self.lost.send((record.id_hash, record.epoch));
        }
        Ok(())
    }

    /// Has a change written soon.
    pub(crate) fn mark(&self, record: SessionRecord) {
        self.changed.lock().insert(record.id_hash, record);
        self.wake.notify_one();
    }

    /// Returns when a change has been written. After an error it is tried again all the same.
    pub(crate) async fn update(&self, record: SessionRecord) -> Result<(), SessionStoreUnavailable> {
        let mut attempts = self.attempts.subscribe();
        // One may be under way that does not include this change; the next one does.
        let include = attempts.borrow_and_update().0 + 2;
        let key = record.id_hash;
        self.mark(record);
        loop {
            let (attempt, result) = attempts.borrow_and_update().clone();
            if !self.changed.lock().contains_key(&key) {
                return Ok(());
            }
            if attempt >= include && result.is_err() {
                return result;
            }
            if attempts.changed().await.is_err() {
                return Err(SessionStoreUnavailable("the broker is shutting down".to_owned()));
            }
        }
    }

    pub(crate) async fn delete(&self, key: SessionKey, epoch: Option<i64>) -> Result<(), SessionStoreUnavailable> {
        self.changed.lock().remove(&key);
        self.store.delete(key, epoch).await
    }

    pub(crate) async fn delete_of_grant(&self, grant: &Arc<str>) -> Result<(), SessionStoreUnavailable> {
        self.changed.lock().retain(|_, record| record.grant != *grant);
        self.store.delete_of_grant(grant.clone()).await
    }

    /// See [`SessionStore::trim`].
    pub(crate) async fn trim(
        &self,
        who: &Principal,
        kept: Kept,
        spare: Vec<SessionKey>,
    ) -> Result<Vec<SessionKey>, SessionStoreUnavailable> {
        let forgotten = self.store.trim(who.user.clone(), who.grant.clone(), kept, spare).await?;
        self.changed.lock().retain(|key, _| !forgotten.contains(key));
        Ok(forgotten)
    }

    /// Writes changes as they come, for as long as it is polled.
    pub(crate) async fn keep(&self) {
        loop {
            self.wake.notified().await;
            while let Err(error) = self.flush().await {
                tracing::warn!(error = %error, "session records could not be written; will try again");
                sleep(RETRY).await;
            }
        }
    }

    /// Writes what has changed. Not to be called while [`Self::keep`] is polled.
    pub(crate) async fn flush(&self) -> Result<(), SessionStoreUnavailable> {
        let records: Vec<SessionRecord> = self.changed.lock().values().cloned().collect();
        let written = stream::iter(records).map(|record| self.write(record)).buffer_unordered(AT_ONCE);
        let result = written.fold(Ok(()), async |all, one| all.and(one)).await;
        self.attempts.send_modify(|(attempt, last)| {
            *attempt += 1;
            last.clone_from(&result);
        });
        result
    }
}
