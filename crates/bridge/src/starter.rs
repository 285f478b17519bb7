//! How the protocol half gets a worker: the seam behind which tests put an in-memory one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::process::{Exit, ExitReport, Process, ProcessRequest, SpawnError};
use crate::profile::{RepeatCall, WorkerEra};
use crate::spawn::{ProcessGuard, Spawner};

/// Starts workers.
pub trait StartWorker: Send + Sync + 'static {
    /// Starts one. Dropping what it returns ends it.
    fn start(&self, request: ProcessRequest) -> BoxFuture<'_, Result<RunningWorker, SpawnError>>;

    /// What the broker itself asks of every worker after the handshake, in this order.
    fn repeat_calls(&self) -> &[RepeatCall] {
        &[]
    }

    /// Stands for the program as it is now: another value means that it may behave otherwise than before.
    fn program(&self) -> Arc<str> {
        "worker".into()
    }

    /// Which era the program speaks, as far as the operator or the profile says.
    fn era(&self) -> WorkerEra {
        WorkerEra::Legacy
    }
}

/// A worker that has been started and not yet spoken to.
pub struct RunningWorker {
    /// Lines to the worker. Dropping it is the first rung of the stop ladder.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Lines from the worker.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Its end.
    pub exit: Exit,
    /// Its process id, for the log.
    pub pid: u32,
    /// The way to end it.
    pub handle: Box<dyn StopWorker>,
}

/// Ends a worker.
pub trait StopWorker: Send + Sync {
    /// SIGTERM after `grace`, SIGKILL after another; returns when it has ended.
    fn stop(&self, grace: Duration) -> BoxFuture<'_, ExitReport>;
}

// === impl Spawner ===

impl StartWorker for Spawner {
    fn start(&self, request: ProcessRequest) -> BoxFuture<'_, Result<RunningWorker, SpawnError>> {
        Box::pin(async move { self.spawn(request).await?.try_into() })
    }

    fn repeat_calls(&self) -> &[RepeatCall] {
        &self.profile().repeat_calls
    }

    fn program(&self) -> Arc<str> {
        let path = Self::program(self);
        let (modified, size) = std::fs::metadata(path).map_or((None, 0), |file| (file.modified().ok(), file.len()));
        format!("{} {modified:?} {size} {:?}", path.display(), self.profile()).into()
    }

    fn era(&self) -> WorkerEra {
        self.profile().era
    }
}

// === impl Process ===

impl StopWorker for ProcessGuard {
    fn stop(&self, grace: Duration) -> BoxFuture<'_, ExitReport> {
        Box::pin(Self::stop(self, grace))
    }
}

impl TryFrom<Process> for RunningWorker {
    type Error = SpawnError;

    /// Fails only if the pipes have been taken already.
    fn try_from(process: Process) -> Result<Self, SpawnError> {
        let Process { stdin: Some(stdin), stdout: Some(stdout), exit, pid, guard } = process else {
            return Err(SpawnError::Exhausted("the process came without its pipes".to_owned()));
        };
        Ok(Self { stdin: Box::new(stdin), stdout: Box::new(stdout), exit, pid, handle: Box::new(guard) })
    }
}
