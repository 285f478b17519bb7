//! A worker as a process: its pipes, its end, and the guard that ends it.
//!
//! This is the border between the half of the bridge that speaks MCP and the half that runs programs.

use std::time::Duration;

use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::watch;

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
    /// `None` while it runs.
    pub exit: watch::Receiver<Option<ExitReport>>,
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
