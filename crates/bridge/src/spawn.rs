//! Starting and stopping worker processes.
//!
//! - One thread, which lives as long as this process, starts all workers: the kernel sends the parent-death signal when the
//!   *thread* that made the child ends, and runtime threads come and go.
//! - No code runs between fork and exec, so the system's `posix_spawn` is used, whose cost does not grow with the broker's
//!   memory. What the new process has to do to itself is the [launcher](crate::launcher)'s work.
//! - One task owns each process, sends it every signal and takes its exit status, so that no signal goes to a pid that
//!   belongs to somebody else by then.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{ChildStdin, ChildStdout};

use crate::cage::probe::{self, Found};
use crate::cage::{CageMode, CageUnavailable, Limits, Rung};
use crate::observer::{NoObserver, Observer};
use crate::process::{Exit, Process, ProcessRequest, SpawnError};
use crate::profile::{ProfileProblem, WorkerProfile};

pub(crate) mod children;
mod exposure;
mod guard;
pub(crate) mod handover;
mod leader;
mod live;
mod overgrowth;
mod plan;
mod run_file;
mod scrub;
mod stderr;
mod thread;

pub use handover::GatewayListeners;
pub use plan::find_program;

pub(crate) use guard::ProcessGuard;

use guard::Belongings;
use live::Live;
use plan::Plan;
use run_file::RunFile;
use stderr::Stderr;

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
    /// No higher rung than this is tried.
    pub highest_rung: Rung,
    /// Who serves the listeners of rung 3. Without, that rung is not tried.
    pub listeners: Option<Arc<dyn GatewayListeners>>,
    /// Told of workers that had to be ended.
    pub observer: Arc<dyn Observer>,
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
    /// The profile would give workers a path that they can't have.
    #[error("worker profile {profile}: allowed path {path} {reason}")]
    AllowedPath {
        /// The profile.
        profile: String,
        /// The path.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
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
    found: Found,
    listeners: Option<Arc<dyn GatewayListeners>>,
    observer: Arc<dyn Observer>,
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
    exit: Exit,
    guard: ProcessGuard,
    handover: Option<Handover>,
}

/// A worker's network whose listener is still to come.
struct Handover {
    channel: UnixStream,
    belongings: Belongings,
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
            highest_rung: Rung::Apart,
            listeners: None,
            observer: Arc::new(NoObserver),
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
        thread::probe().map_err(StartError::Thread)?;
        exposure::check(&profile, config.state_dir.as_deref())?;
        let highest = config.highest_rung.min(if config.listeners.is_some() { Rung::Apart } else { Rung::Sealed });
        let found = probe::choose(config.cage, highest, &config.launcher, config.limits)?;
        let plan = Plan::new(profile, config.launcher, found.rung, config.limits, |name| std::env::var_os(name))
            .map_err(StartError::Program)?;
        let run_file = config.state_dir.as_deref().map(RunFile::open).transpose()?;
        tracing::info!(
            worker.profile = plan.profile().name,
            worker.program = %plan.program().display(),
            worker.rung = found.rung.number(),
            worker.cage = %config.cage,
            worker.next_rung = found.missing.as_deref().unwrap_or("not asked for"),
            "workers will run on rung {} of the cage",
            found.rung.number(),
        );
        let with_processes = found.rung < Rung::Sealed || plan.profile().may_fork;
        let shared = Shared {
            plan,
            found,
            listeners: config.listeners,
            observer: config.observer,
            runtime,
            live: Live::new(),
            stop_grace: config.stop_grace,
            run_file,
        };
        let shared = Arc::new(shared);
        // Rung 0 is for finding out what a program does without a cage.
        if shared.found.rung > Rung::None {
            let watch = overgrowth::watch(Arc::downgrade(&shared), config.limits.tasks, with_processes);
            shared.runtime.spawn(watch);
        }
        Ok(Self { shared })
    }

    /// Starts one worker. If the future is dropped, the worker that was being started is stopped.
    pub async fn spawn(&self, request: ProcessRequest) -> Result<Process, SpawnError> {
        if self.shared.live.is_closed() {
            return Err(SpawnError::Stopped);
        }
        let shared = Arc::clone(&self.shared);
        let started = thread::run(move || shared.start_process(request)).await.unwrap_or(Err(SpawnError::Stopped))?;
        let process = Process {
            stdin: Some(started.stdin),
            stdout: Some(started.stdout),
            exit: started.exit,
            pid: started.pid,
            guard: started.guard,
        };
        if let Some(handover) = started.handover {
            self.shared.take_over(handover, &process.exit).await?;
        }
        Ok(process)
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
        self.shared.found.rung
    }

    /// Why workers do not stand on the next higher rung, if that was tried.
    #[must_use]
    pub fn next_rung(&self) -> Option<&str> {
        self.shared.found.missing.as_deref()
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
    fn start_process(self: &Arc<Self>, request: ProcessRequest) -> Result<Started, SpawnError> {
        let _context = self.runtime.enter();
        let mut command = self.plan.command(&request)?;
        let refused = |error: io::Error| self.plan.spawn_error(&error);
        let belongings = Belongings::default();
        let mut handover = None;
        let mut stdin = None;
        if self.found.rung == Rung::Apart {
            let (theirs, ours) = io::pipe().map_err(refused)?;
            let (channel, launchers) = handover::channel(theirs.as_fd()).map_err(refused)?;
            command.stdin(launchers);
            stdin = Some(ChildStdin::from_std(OwnedFd::from(ours).into()).map_err(refused)?);
            handover = Some(Handover { channel, belongings: belongings.clone() });
        }
        let (leader, pipes) = leader::Leader::start(command, stdin).map_err(refused)?;
        let pid = leader.pid();
        if let (Some(run_file), Some(start_time)) = (&self.run_file, leader.start_time()) {
            run_file.record(pid, start_time);
        }
        let stderr = Stderr::new(pipes.stderr, request.label, request.token);
        let (guard, exit) = guard::own(leader, stderr, Arc::clone(self), belongings, self.stop_grace);
        Ok(Started { stdin: pipes.stdin, stdout: pipes.stdout, pid, exit, guard, handover })
    }

    /// Waits for the listener in the worker's network and has it served.
    async fn take_over(&self, handover: Handover, exit: &Exit) -> Result<(), SpawnError> {
        let failed = |error: io::Error| SpawnError::Cage(error.to_string());
        let Some(listener) = handover::listener(handover.channel).await.map_err(failed)? else {
            let said = exit.ended().await.and_then(|report| report.last_stderr_line.clone());
            return Err(SpawnError::Cage(said.unwrap_or_else(|| "its launcher ended without a word".to_owned())));
        };
        let Some(listeners) = &self.listeners else {
            return Err(SpawnError::Cage("nobody serves its network".to_owned()));
        };
        handover.belongings.hold(listeners.adopt(listener).map_err(failed)?);
        Ok(())
    }

    /// Called when a process has ended and its status is taken.
    fn ended(&self, pid: u32) {
        if let Some(run_file) = &self.run_file {
            run_file.forget(pid);
        }
        self.live.remove(pid);
    }
}
