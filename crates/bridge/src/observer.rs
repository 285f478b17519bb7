//! What happens in the bridge, told to whoever counts it.

use std::time::Duration;

use crate::process::ExitReport;

/// Told of what happens, the ways in which a worker was kept from doing harm among it. Called on the forwarding path: implementations only count.
pub trait Observer: Send + Sync + 'static {
    /// A POST came in that is of this era. `label` is the head's own.
    fn request(&self, era: RequestEra, label: &'static str) {
        let _ = (era, label);
    }
    /// A worker answered `initialize`.
    fn worker_started(&self) {}
    /// A worker could not be started, or did not answer `initialize`.
    fn worker_start_failed(&self) {}
    /// A session or grant was given a worker that had been started ahead.
    fn warm_worker_used(&self) {}
    /// A worker that had been started ahead ended before anybody needed it.
    fn warm_worker_lost(&self) {}
    /// A worker ended. `expected` if the broker stopped it.
    fn worker_ended(&self, report: &ExitReport, expected: bool) {
        let _ = (report, expected);
    }
    /// A worker had more threads and processes than it may have, and was ended for it.
    fn worker_overgrown(&self) {}
    /// A worker did not end when asked to, and was killed.
    fn worker_killed(&self) {}
    /// A process that a worker had left behind was killed.
    fn orphan_killed(&self) {}
    /// A line of a worker was skipped.
    fn line_skipped(&self, why: SkippedLine) {
        let _ = why;
    }
    /// A call got its answer from the worker.
    fn call_answered(&self, times: CallTimes) {
        let _ = times;
    }
    /// A request was refused by the bridge itself.
    fn refused(&self, why: &'static str) {
        let _ = why;
    }
    /// A session was created.
    fn session_created(&self) {}
    /// So many sessions were forgotten because their grant or user had too many.
    fn sessions_forgotten(&self, number: usize) {
        let _ = number;
    }
    /// A session got a fresh worker without its client noticing.
    fn session_revived(&self) {}
    /// A worker was stopped while its session lives on.
    fn session_hibernated(&self) {}
    /// A message for a client was dropped.
    fn message_dropped(&self, why: DroppedMessage) {
        let _ = why;
    }
}

/// Which of the two protocol eras a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestEra {
    /// The revisions with a handshake, up to 2025-11-25.
    Legacy,
    /// 2026-07-28.
    Modern,
}

/// How long a call took, in two parts that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallTimes {
    /// From the request to the worker's queue: what the broker took, the start of a worker included if one was needed. `None` for
    /// a call that had to ask its client something in between.
    pub before: Option<Duration>,
    /// From the worker's queue to the worker's answer.
    pub in_worker: Duration,
}

/// Why a worker's line was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkippedLine {
    /// Longer than the cap.
    TooLong,
    /// Not a JSON-RPC message.
    NotAMessage,
    /// An answer to something that nobody asked.
    UnknownId,
    /// The late answer to a cancelled or timed-out call.
    Late,
}

/// Why a message for a client was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DroppedMessage {
    /// The client does not take its events fast enough.
    SlowClient,
    /// No stream is there that it belongs on.
    NoStream,
    /// Progress for a call that is over.
    StaleProgress,
}

impl std::fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// An [`Observer`] that counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// How much there is of everything, for metrics and health pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions held in memory, hibernated ones with an open stream included.
    pub sessions: usize,
    /// Those of them that have a running worker.
    pub awake_sessions: usize,
    /// Event streams that a client is reading.
    pub streams: usize,
    /// Workers of sessions and grants, starting ones included.
    pub workers: usize,
    /// Workers that wait for their first user.
    pub warm_workers: usize,
    /// Calls without an answer.
    pub calls: usize,
    /// Workers started since the broker's start.
    pub starts: u64,
    /// Starts that failed since the broker's start.
    pub failed_starts: u64,
}
