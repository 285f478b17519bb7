//! Session records on their way to the store: changes are collected and written off the request path.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::session_id::SessionKey;
use crate::session_store::{SessionRecord, SessionStore, SessionStoreUnavailable};

/// Between attempts while the store does not answer.
const RETRY: Duration = Duration::from_secs(5);

pub(crate) struct Ledger {
    store: Arc<dyn SessionStore>,
    changed: Mutex<HashMap<SessionKey, SessionRecord>>,
    wake: Notify,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn new(store: Arc<dyn SessionStore>) -> Arc<Self> {
        Arc::new(Self { store, changed: Mutex::default(), wake: Notify::new() })
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        self.store.now()
    }

    pub(crate) async fn insert(&self, record: SessionRecord) -> Result<(), SessionStoreUnavailable> {
        self.store.insert(record).await
    }

    pub(crate) async fn load(&self, key: SessionKey) -> Result<Option<SessionRecord>, SessionStoreUnavailable> {
        let waiting = self.changed.lock().get(&key).cloned();
        if waiting.is_some() {
            return Ok(waiting);
        }
        self.store.load(key).await
    }

    /// Writes a change that must not be lost before going on.
    pub(crate) async fn update(&self, record: SessionRecord) -> Result<(), SessionStoreUnavailable> {
        self.changed.lock().remove(&record.id_hash);
        self.store.update(record).await
    }

    /// Has a change written soon.
    pub(crate) fn mark(&self, record: SessionRecord) {
        self.changed.lock().insert(record.id_hash, record);
        self.wake.notify_one();
    }

    pub(crate) async fn delete(&self, key: SessionKey) -> Result<(), SessionStoreUnavailable> {
        self.changed.lock().remove(&key);
        self.store.delete(key).await
    }

    pub(crate) async fn delete_of_grant(&self, grant: &Arc<str>) -> Result<(), SessionStoreUnavailable> {
        self.changed.lock().retain(|_, record| record.grant != *grant);
        self.store.delete_of_grant(grant.clone()).await
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

    /// Writes what has changed.
    pub(crate) async fn flush(&self) -> Result<(), SessionStoreUnavailable> {
        let records: Vec<SessionRecord> = self.changed.lock().drain().map(|(_, record)| record).collect();
        let mut result = Ok(());
        for record in records {
            if let Err(error) = self.store.update(record.clone()).await {
                // A later change of the same session has everything that this one had.
                self.changed.lock().entry(record.id_hash).or_insert(record);
                result = Err(error);
            }
        }
        result
    }
}
