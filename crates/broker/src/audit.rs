//! The audit log: who did what, with what outcome. No argument values, no secrets.
//!
//! Events go through a queue to one writer, so that no request waits for them; a full queue leaves the newest to the ordinary log rather
//! than holding up a login. The writer puts them, in batches, into the store, and as JSON lines into a file if the operator names one; else
//! into the ordinary log, under the target `audit`. The file is opened for each batch, so that whoever rotates it only has to rename it.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp as Instant;
use oauth::clock::Clock;
use serde::Serialize;
use store::Store;
use store::audit::AuditEvent;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::rate_limit::{GrantLimit, Rate};
use crate::telemetry::never_logged::permitted;

const QUEUE: usize = 16_384;
const BATCH: usize = 1_024;
/// How long events wait for others. With a transaction for each, writing down a call cost more than serving it.
const GATHER: Duration = Duration::from_millis(100);
/// Longest text of a stranger that is written down, in characters.
const LONGEST: usize = 300;
/// Whoever knows nothing can still be refused, as often as he likes: so many of these events are written down in a minute, so that he
/// cannot fill the disk.
const STRANGERS: Rate = Rate { requests: NonZeroU32::MIN.saturating_add(119), per: Duration::from_mins(1) };

/// Takes audit events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    queue: mpsc::Sender<AuditEvent>,
    clock: Arc<dyn Clock>,
    /// Whether each event is a line of the ordinary log.
    to_log: bool,
    metrics: Metrics,
    /// How often strangers get something written down.
    strangers: Arc<Option<GrantLimit>>,
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
    /// What exactly: the name of a tool, a reason. No argument value and no secret.
    pub(crate) detail: Option<&'a str>,
    /// How long it took.
    pub(crate) duration: Option<Duration>,
}

/// One line of the file.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    event: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

// === impl Audit ===

impl Audit {
    /// Starts the writer on `tasks`; it ends, with everything written, after `cancel`. JSON lines go to `file`, or to the ordinary log.
    pub(crate) fn start(
        store: Store,
        file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (queue, events) = mpsc::channel(QUEUE);
        let to_log = file.is_none();
        tasks.spawn(write(store, file.map(Arc::from), metrics.clone(), events, cancel));
        let strangers = Arc::new(GrantLimit::new(STRANGERS));
        Self { queue, clock, to_log, metrics, strangers }
    }

    /// Records a refusal of somebody of whom nothing is known, unless there have been too many of late.
    pub(crate) fn record_stranger(&self, event: &'static str, outcome: &str, entry: &Entry<'_>) {
        if self.strangers.as_ref().as_ref().is_none_or(|limit| limit.charge().is_ok()) {
            self.record(event, outcome, entry);
        }
    }

    /// Records `event` with `outcome`.
    pub(crate) fn record(&self, event: &'static str, outcome: impl Into<String>, entry: &Entry<'_>) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let row = AuditEvent {
            at: self.clock.now(),
            actor: owned(entry.actor),
            client: entry.client.map(fit_to_keep),
            event: event.into(),
            subject: owned(entry.subject),
            outcome: fit_to_keep(&outcome.into()),
            request_id: owned(entry.request_id),
            detail: entry.detail.map(fit_to_keep),
            duration_ms: entry.duration.map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX)),
        };
        self.count(event, &row.outcome);
        if self.to_log {
            log(&row);
        }
        if let Err(error) = self.queue.try_send(row) {
            let (mpsc::error::TrySendError::Full(row) | mpsc::error::TrySendError::Closed(row)) = error;
            self.metrics.audit_lost.add([]);
            tracing::warn!(audit.event = event, "the audit queue is full; the event is in this log only");
            if !self.to_log {
                log(&row);
            }
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

/// What a stranger chose may hold anything: his own token, an end of line, a change of direction.
fn fit_to_keep(text: &str) -> String {
    if text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return permitted("detail", text).into_owned();
    }
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let plain: String = text.chars().map(plain).take(LONGEST).collect();
    permitted("detail", &plain).into_owned()
}

fn log(event: &AuditEvent) {
    tracing::info!(
        target: "audit",
        {
            audit.event = &*event.event,
            audit.outcome = event.outcome,
            audit.subject = event.subject,
            audit.detail = event.detail,
            audit.duration_ms = event.duration_ms,
            user.id = event.actor,
            client.id = event.client,
            request.id = event.request_id,
        },
        "audit"
    );
}

async fn write(
    store: Store,
    file: Option<Arc<Path>>,
    metrics: Metrics,
    mut events: mpsc::Receiver<AuditEvent>,
    cancel: CancellationToken,
) {
    let mut batch = Vec::new();
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
        if batch.is_empty() {
            continue;
        }
        if batch.len() < BATCH && !cancel.is_cancelled() {
            // Whoever sends does not wake this task meanwhile.
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = cancel.cancelled() => {}
            }
            while batch.len() < BATCH
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
        }
        if let Some(file) = &file {
            append(file, &batch).await;
        }
        if let Err(error) = store.record_audit(&batch).await {
            tracing::warn!(error = %error, lost = batch.len(), "audit events could not be stored");
            for _ in &batch {
                metrics.audit_lost.add([]);
            }
        }
        batch.clear();
    }
}

async fn append(file: &Arc<Path>, batch: &[AuditEvent]) {
    let mut lines = Vec::with_capacity(batch.len() * 200);
    for event in batch {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut lines, &Line::of(event));
        lines.push(b'\n');
    }
    let path = Arc::clone(file);
    let written = tokio::task::spawn_blocking(move || append_to(&path, &lines)).await;
    if let Err(error) = written.map_err(io::Error::other).flatten() {
        tracing::error!(error = %error, file = %file.display(), lost = batch.len(), "audit-log cannot be written; the events follow here");
        batch.iter().for_each(log);
    }
}

fn append_to(path: &Path, lines: &[u8]) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(lines)
}

// === impl Line ===

impl<'a> Line<'a> {
    fn of(event: &'a AuditEvent) -> Self {
        Self {
            time: Instant::from_millisecond(event.at.0).map(|at| format!("{at:.3}")).unwrap_or_default(),
            event: &event.event,
            outcome: &event.outcome,
            user: event.actor.as_deref(),
            client: event.client.as_deref(),
            subject: event.subject.as_deref(),
            detail: event.detail.as_deref(),
            duration_ms: event.duration_ms,
            request_id: event.request_id.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use oauth::clock::Timestamp;

    use super::*;

    fn event() -> AuditEvent {
        AuditEvent {
            at: Timestamp(1_700_000_000_123),
            actor: Some("u".into()),
            client: None,
            event: "tool_called".into(),
            subject: Some("g".into()),
            outcome: "ok".into(),
            request_id: None,
            detail: Some("a\nb\u{202e}".into()),
            duration_ms: Some(12),
        }
    }

    #[test]
    fn what_a_stranger_may_hide_in_a_text_is_not_written_down() {
        assert_eq!(fit_to_keep("a\n\u{202e}\u{1b}[31m\u{e9} b"), "a???[31m? b");
        assert_eq!(fit_to_keep(&"x".repeat(5000)).len(), LONGEST);
        assert!(!fit_to_keep("fjb_at_0123456789012345678901234567890123456789012").contains("0123456789"));
    }

    #[tokio::test]
    async fn events_are_lines_of_json_in_a_file_that_only_the_broker_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file: Arc<Path> = folder.path().join("audit.jsonl").into();
        append(&file, &[event(), event()]).await;
        append(&file, &[event()]).await;
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let expected = serde_json::json!({
            "time": "2023-11-14T22:13:20.123Z", "event": "tool_called", "outcome": "ok", "user": "u", "subject": "g",
            "detail": "a\nb\u{202e}", "duration_ms": 12,
        });
        assert_eq!(line, expected);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let file: Arc<Path> = folder.path().join("audit.jsonl").into();
        append(&file, &[event()]).await;
        std::fs::rename(&file, folder.path().join("audit.jsonl.1")).unwrap();
        append(&file, &[event()]).await;
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
    }
}
