//! The audit log: who did what, with what outcome. No argument values, no secrets.
//!
//! Events go through a queue to one writer, so that no request waits for them; a full queue drops the oldest news to the ordinary log rather
//! than holding up a login.

use std::sync::Arc;

use oauth::clock::Clock;
use store::Store;
use store::audit::AuditEvent;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

const QUEUE: usize = 4096;
const BATCH: usize = 100;

/// Takes audit events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    queue: mpsc::Sender<AuditEvent>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// One event before it has a time.
#[derive(Debug, Default)]
pub(crate) struct Entry<'a> {
    /// The user, by the broker's id.
    pub(crate) actor: Option<&'a str>,
    /// The client.
    pub(crate) client: Option<&'a str>,
    /// What it is about: a grant, a session, a route.
    pub(crate) subject: Option<&'a str>,
    /// The request.
    pub(crate) request_id: Option<&'a str>,
}

// === impl Audit ===

impl Audit {
    /// Starts the writer on `tasks`; it ends, with everything written, after `cancel`.
    pub(crate) fn start(
        store: Store,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (queue, events) = mpsc::channel(QUEUE);
        tasks.spawn(write(store, metrics.clone(), events, cancel));
        Self { queue, clock, metrics }
    }

    /// Records `event` with `outcome`.
    pub(crate) fn record(&self, event: &'static str, outcome: impl Into<String>, entry: &Entry<'_>) {
        let outcome = outcome.into();
        tracing::info!(
            target: "audit",
            {
                audit.event = event,
                audit.outcome = outcome,
                audit.subject = entry.subject,
                user.id = entry.actor,
                client.id = entry.client,
                request.id = entry.request_id,
            },
            "audit"
        );
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let row = AuditEvent {
            at: self.clock.now(),
            actor: owned(entry.actor),
            client: owned(entry.client),
            event: event.into(),
            subject: owned(entry.subject),
            outcome,
            request_id: owned(entry.request_id),
        };
        self.count(event, &row.outcome);
        if self.queue.try_send(row).is_err() {
            self.metrics.audit_lost.add([]);
            tracing::warn!(audit.event = event, "audit queue is full; the event is in this log only");
        }
    }
}

impl Audit {
    fn count(&self, event: &'static str, outcome: &str) {
        self.metrics.audit_events.add([event]);
        match (event, outcome) {
            ("tokens_issued", _) => self.metrics.tokens_issued.add(["authorization_code"]),
            ("tokens_refreshed", _) => self.metrics.tokens_issued.add(["refresh_token"]),
            ("refresh_replayed", "answered_again") => self.metrics.tokens_issued.add(["replay"]),
            _ => {}
        }
    }
}

async fn write(store: Store, metrics: Metrics, mut events: mpsc::Receiver<AuditEvent>, cancel: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            count = events.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
            }
            () = cancel.cancelled() => events.close(),
        }
        if !batch.is_empty() {
            if let Err(error) = store.record_audit(&batch).await {
                tracing::warn!(error = %error, lost = batch.len(), "audit events could not be stored");
                for _ in &batch {
                    metrics.audit_lost.add([]);
                }
            }
            batch.clear();
        }
    }
}
