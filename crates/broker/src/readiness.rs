//! Whether everything is there that a user's call needs: store, key, Forgejo, worker program.
//!
//! A look costs a transaction, a request to Forgejo and a few system calls, so it is good for a few seconds, and of any number of askers one
//! looks. What outsiders are told is which part is not ready; why is for the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bridge::replica::Lease as _;
use forgejo::oauth_client::{OAuthClient, VersionError};
use rustix::fs::{Access, access};
use store::Store;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::replica::Tenancy;

/// How long a look is good for.
const GOOD_FOR: Duration = Duration::from_secs(3);
/// How long Forgejo may take. Shorter than the time-outs of those who usually ask.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks, and remembers.
pub(crate) struct Readiness {
    store: Store,
    forgejo: OAuthClient,
    worker_program: PathBuf,
    /// Where there are other replicas.
    lease: Option<Arc<Tenancy>>,
    /// Held while somebody looks: the others wait for what he sees.
    last: Mutex<Option<(Instant, Report)>>,
}

/// What was seen: nothing, or what is wrong, of each part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    store: Option<&'static str>,
    key: Option<&'static str>,
    forgejo: Option<&'static str>,
    worker: Option<&'static str>,
    replica: Option<&'static str>,
}

// === impl Readiness ===

impl Readiness {
    pub(crate) fn new(
        store: Store,
        forgejo: OAuthClient,
        worker_program: PathBuf,
        lease: Option<Arc<Tenancy>>,
    ) -> Self {
        Self { store, forgejo, worker_program, lease, last: Mutex::new(None) }
    }

    /// How it is now, or was up to a few seconds ago.
    pub(crate) async fn look(&self) -> Report {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return report.clone();
        }
        let (store, forgejo) = tokio::join!(self.store(), self.forgejo());
        let (key, worker, replica) = (self.key(), self.worker(), self.replica());
        let report = Report { store, key, forgejo, worker, replica };
        *last = Some((Instant::now(), report.clone()));
        report
    }

    async fn store(&self) -> Option<&'static str> {
        let error = self.store.probe().await.err()?;
        tracing::warn!(error = &error as &dyn std::error::Error, "not ready: the store does not answer");
        Some("the store does not answer")
    }

    fn key(&self) -> Option<&'static str> {
        let probe = b"fjmcp-broker readiness";
        let keys = self.store.keys();
        let opened = keys.seal(probe, b"readyz").ok().and_then(|sealed| keys.open(&sealed, b"readyz").ok());
        if opened.is_some_and(|opened| opened.as_slice() == probe) {
            return None;
        }
        tracing::error!("not ready: the encryption key does not open what it has sealed");
        Some("the encryption key cannot be used")
    }

    async fn forgejo(&self) -> Option<&'static str> {
        match timeout(PATIENCE, self.forgejo.version(None)).await {
            // A Forgejo that tells strangers nothing is there all the same.
            Ok(Ok(_) | Err(VersionError::Refused(_))) => return None,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "not ready: Forgejo does not answer");
            }
            Err(_) => {
                tracing::warn!(waited_ms = 3_000, "not ready: Forgejo does not answer in time");
            }
        }
        Some("Forgejo does not answer")
    }

    fn replica(&self) -> Option<&'static str> {
        if self.lease.as_ref().is_none_or(|lease| lease.is_held()) {
            return None;
        }
        tracing::warn!("not ready: this replica has no lease at the database");
        Some("this replica has lost its lease at the database")
    }

    fn worker(&self) -> Option<&'static str> {
        let error = access(&self.worker_program, Access::EXEC_OK).err()?;
        tracing::warn!(
            worker.program = %self.worker_program.display(),
            error = &error as &dyn std::error::Error,
            "not ready: the worker program cannot be executed"
        );
        Some("the worker program cannot be executed")
    }
}

// === impl Report ===

impl Report {
    /// The parts by name, with what is wrong with each.
    pub(crate) fn parts(&self) -> [(&'static str, Option<&'static str>); 5] {
        [
            ("store", self.store),
            ("key", self.key),
            ("forgejo", self.forgejo),
            ("worker", self.worker),
            ("replica", self.replica),
        ]
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_ready(&self) -> bool {
        *self == Self::default()
    }
}
