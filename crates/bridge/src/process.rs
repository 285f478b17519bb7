//! A worker as a process: its pipes, its end, and the guard that ends it.
//!
//! This is the border between the half of the bridge that speaks MCP and the half that runs programs.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Notify;

/// What the protocol half asks for: one worker process with this access.
#[derive(Clone)]
pub struct ProcessRequest {
    /// Value of the profile's URL variable: the gateway's `http://127.0.0.1:PORT`. On rung 3 of the cage, the gateway's
    /// listener in the worker's network has that port too.
    pub url: String,
    /// Value of the profile's token variable. Never logged.
    pub token: String,
    /// Appears in the log lines of the worker's stderr.
    pub label: String,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// Exit code, if it exited by itself.
    pub code: Option<i32>,
    /// Signal, if one ended it.
    pub signal: Option<i32>,
    /// The last line of its stderr, scrubbed and capped, for the operator's log.
    pub last_stderr_line: Option<String>,
}

/// How a process ends, for whoever wants to know. A cheap handle.
#[derive(Clone)]
pub struct Exit(Arc<Told>);

/// The side that tells it, once. Dropped before, it tells that nobody will ever know.
pub struct ExitTeller(Arc<Told>);

/// Not a watch channel: that one has room for many waiters, and there is one of these for every worker.
#[derive(Default)]
struct Told {
    report: OnceLock<ExitReport>,
    over: AtomicBool,
    wake: Notify,
}

/// Why a process could not be started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpawnError {
    /// The program of the profile is not there or not executable.
    #[error("cannot start worker program {program}: {reason}; check worker-command")]
    Program {
        /// The configured command.
        program: String,
        /// What the system said.
        reason: String,
    },
    /// The process or descriptor limit of the machine is reached.
    #[error("the system refused another process: {0}")]
    Exhausted(String),
    /// The URL names no port that the cage could leave open.
    #[error("{0} is not the gateway's address, which is http://127.0.0.1:PORT; the worker would be shut off from it")]
    Gateway(String),
    /// The worker could not be put into its cage, which worked when the broker started.
    #[error("a worker could not be caged: {0}")]
    Cage(String),
    /// The spawner has been shut down.
    #[error("the spawner has stopped")]
    Stopped,
}

/// A running worker process. Dropping it stops the process group (stop ladder in the background).
pub struct Process {
    /// The worker's stdin; taken by the writer task.
    pub stdin: Option<ChildStdin>,
    /// The worker's stdout; taken by the reader task.
    pub stdout: Option<ChildStdout>,
    /// Its end.
    pub exit: Exit,
    /// Process id, also the process group's id.
    pub pid: u32,
    pub(crate) guard: crate::spawn::ProcessGuard,
}

// === impl Process ===

impl Process {
    /// Ends the process: stdin is closed by dropping it before this call, then SIGTERM after `grace`, then SIGKILL to the group
    /// after another `grace`. Returns when it has ended. Idempotent.
    pub async fn stop(&self, grace: Duration) -> ExitReport {
        self.guard.stop(grace).await
    }
}

// === impl Exit ===

impl Exit {
    /// For a process that runs.
    #[must_use]
    pub fn awaited() -> (ExitTeller, Self) {
        let told = Arc::<Told>::default();
        (ExitTeller(Arc::clone(&told)), Self(told))
    }

    /// How it ended; `None` while it runs, or if nobody knows.
    #[must_use]
    pub fn report(&self) -> Option<&ExitReport> {
        self.0.report.get()
    }

    /// Returns when it has ended; with `None` if nobody will ever know how.
    pub async fn ended(&self) -> Option<&ExitReport> {
        let mut woken = pin!(self.0.wake.notified());
        woken.as_mut().enable();
        if !self.0.over.load(Ordering::Acquire) {
            woken.await;
        }
        self.report()
    }
}

// === impl ExitTeller ===

impl ExitTeller {
    /// It has ended. Of several reports the first one counts.
    pub fn tell(&self, report: ExitReport) {
        let _ = self.0.report.set(report);
        self.over();
    }

    fn over(&self) {
        self.0.over.store(true, Ordering::Release);
        self.0.wake.notify_waiters();
    }
}

impl Drop for ExitTeller {
    fn drop(&mut self) {
        self.over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: ExitReport = ExitReport { code: Some(3), signal: None, last_stderr_line: None };

    #[tokio::test]
    async fn whoever_waits_before_and_whoever_asks_after_hear_of_the_same_end() {
        let (teller, exit) = Exit::awaited();
        let early = exit.clone();
        let waiting = tokio::spawn(async move { early.ended().await.cloned() });
        tokio::task::yield_now().await;
        assert!(exit.report().is_none() && !waiting.is_finished());
        teller.tell(REPORT);
        teller.tell(ExitReport { code: Some(4), ..REPORT });
        assert_eq!(waiting.await.unwrap(), Some(REPORT));
        assert_eq!((exit.ended().await, exit.report()), (Some(&REPORT), Some(&REPORT)));
    }

    #[tokio::test]
    async fn a_teller_that_goes_without_a_word_lets_nobody_wait() {
        let (teller, exit) = Exit::awaited();
        let early = exit.clone();
        let waiting = tokio::spawn(async move { early.ended().await.cloned() });
        tokio::task::yield_now().await;
        drop(teller);
        assert_eq!((waiting.await.unwrap(), exit.ended().await), (None, None));
    }
}
