//! Starting and stopping worker processes.
//!
//! - One thread, which lives as long as this process, starts all workers: the kernel sends the parent-death signal when the
//!   *thread* that made the child ends, and runtime threads come and go.
//! - No code runs between fork and exec, so the system's `posix_spawn` is used, whose cost does not grow with the broker's
//!   memory. What the new process has to do to itself is the [launcher](crate::launcher)'s work.
//! - One task owns each process, sends it every signal and takes its exit status, so that no signal goes to a pid that
//!   belongs to somebody else by then.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::watch;

use crate::cage::{CageMode, CageUnavailable, Limits, Rung};
use crate::process::{ExitReport, Process, ProcessRequest, SpawnError};
use crate::profile::{ProfileProblem, WorkerProfile};

pub(crate) mod children;
mod guard;
mod leader;
mod live;
mod plan;
mod run_file;
mod scrub;
mod stderr;
mod thread;

pub(crate) use guard::ProcessGuard;

use live::Live;
use plan::Plan;
use run_file::RunFile;

/// How workers are run, whatever the program.
#[derive(Debug, Clone)]
pub struct SpawnConfig {
    /// The program that answers to the subcommand [`crate::launcher::SUBCOMMAND`].
    pub launcher: PathBuf,
    /// How long a dropped [`Process`] has after its stdin was closed, and again after SIGTERM.
    pub stop_grace: Duration,
    /// Where the run file is kept; `None` keeps none, and then nothing is swept at the next start.
    pub state_dir: Option<PathBuf>,
    /// The resource limits of each worker.
    pub limits: Limits,
    /// How well workers are caged.
    pub cage: CageMode,
}

/// Why no worker could ever be started with this profile and configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The profile is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Profile(Vec<ProfileProblem>),
    /// The worker program is not there or not executable.
    #[error("{0}")]
    Program(SpawnError),
    /// The operator asked for a cage that can't be had.
    #[error(transparent)]
    Cage(#[from] CageUnavailable),
    /// The run file can't be used.
    #[error("{path}: {reason}")]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Called outside of a tokio runtime.
    #[error("workers can only be started from within a tokio runtime")]
    NoRuntime,
    /// The thread that starts workers can't be had.
    #[error("cannot start the thread that starts workers: {0}")]
    Thread(io::Error),
}

/// Starts worker processes of one profile. A cheap handle.
#[derive(Clone)]
pub struct Spawner {
    shared: Arc<Shared>,
}

struct Shared {
    plan: Plan,
    rung: Rung,
    runtime: tokio::runtime::Handle,
    live: Live,
    stop_grace: Duration,
    run_file: Option<RunFile>,
}

/// What the protocol half gets of a process that has just been started.
struct Started {
    stdin: ChildStdin,
    stdout: ChildStdout,
    pid: u32,
    exit: watch::Receiver<Option<ExitReport>>,
    guard: ProcessGuard,
}

// === impl SpawnConfig ===

impl Default for SpawnConfig {
    fn default() -> Self {
        Self {
            launcher: PathBuf::from("/proc/self/exe"),
            stop_grace: Duration::from_secs(5),
            state_dir: None,
            limits: Limits::default(),
            cage: CageMode::default(),
        }
    }
}

// === impl Spawner ===

impl Spawner {
    /// Checks profile and configuration, finds the program, says the rung once in the log, and ends what a previous run of
    /// this instance left behind. Has to be called within a tokio runtime, in which the workers' tasks then run.
    pub fn start(profile: WorkerProfile, config: SpawnConfig) -> Result<Self, StartError> {
        let problems = profile.problems();
        if !problems.is_empty() {
            return Err(StartError::Profile(problems));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let rung = config.cage.choose()?;
        thread::probe().map_err(StartError::Thread)?;
        let plan = Plan::new(profile, config.launcher, rung.cage(config.limits), |name| std::env::var_os(name))
            .map_err(StartError::Program)?;
        let run_file = config.state_dir.as_deref().map(RunFile::open).transpose()?;
        tracing::info!(
            worker.profile = plan.profile().name,
            worker.program = %plan.program().display(),
            worker.rung = rung.number(),
            worker.cage = %config.cage,
            "workers will run on rung {} of the cage",
            rung.number(),
        );
        Ok(Self {
            shared: Arc::new(Shared {
                plan,
                rung,
                runtime,
                live: Live::new(),
                stop_grace: config.stop_grace,
                run_file,
            }),
        })
    }

    /// Starts one worker. If the future is dropped, the worker that was being started is stopped.
    pub async fn spawn(&self, request: ProcessRequest) -> Result<Process, SpawnError> {
        if self.shared.live.is_closed() {
            return Err(SpawnError::Stopped);
        }
        let shared = Arc::clone(&self.shared);
        let started = thread::run(move || shared.start_process(&request)).await.unwrap_or(Err(SpawnError::Stopped))?;
        Ok(Process {
            stdin: Some(started.stdin),
            stdout: Some(started.stdout),
            exit: started.exit,
            pid: started.pid,
            guard: started.guard,
        })
    }

    /// Starts nothing more, stops every process that is still alive, each by the stop ladder with this grace, and returns
    /// when all have ended. Processes whose owners still hold their stdin get SIGTERM after the grace.
    pub async fn shutdown(&self, grace: Duration) {
        self.shared.live.close(grace);
        self.shared.live.emptied().await;
    }

    /// The profile as it was given.
    #[must_use]
    pub fn profile(&self) -> &WorkerProfile {
        self.shared.plan.profile()
    }

    /// The program that was found for the profile's command.
    #[must_use]
    pub fn program(&self) -> &Path {
        self.shared.plan.program()
    }

    /// The rung on which workers stand.
    #[must_use]
    pub fn rung(&self) -> Rung {
        self.shared.rung
    }

    /// Number of processes that have been started and not yet ended.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.shared.live.count()
    }
}

// === impl Shared ===

impl Shared {
    /// Runs on the thread that starts workers.
    fn start_process(self: &Arc<Self>, request: &ProcessRequest) -> Result<Started, SpawnError> {
        let _context = self.runtime.enter();
        let command = self.plan.command(request)?;
        let (leader, pipes) = leader::Leader::start(command).map_err(|error| self.plan.spawn_error(&error))?;
        let pid = leader.pid();
        if let (Some(run_file), Some(start_time)) = (&self.run_file, leader.start_time()) {
            run_file.record(pid, start_time);
        }
        let stderr = stderr::drain(pipes.stderr, &request.label, &request.token);
        let (guard, exit) = guard::own(leader, stderr, Arc::clone(self), self.stop_grace);
        Ok(Started { stdin: pipes.stdin, stdout: pipes.stdout, pid, exit, guard })
    }

    /// Called when a process has ended and its status is taken.
    fn ended(&self, pid: u32) {
        if let Some(run_file) = &self.run_file {
            run_file.forget(pid);
        }
        self.live.remove(pid);
    }
}
