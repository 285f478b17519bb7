//! The launcher: the broker's own program, started again, that turns itself into the worker program.
//!
//! What has to happen in a new process before its program runs (death with the parent, limits, the cage) needs either code
//! between fork and exec, which is unsafe and makes every spawn copy the broker's page tables, or a small program in
//! between. This is the small program: the hidden subcommand [`SUBCOMMAND`] of the broker's binary. It costs about a
//! millisecond and is ordinary safe Rust.
//!
//! It has to be dispatched before anything else in `main`: no runtime, no threads, no command line parser.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::fs::Mode;
use rustix::process::{Pid, Resource, Signal, getpid};

use crate::cage::domain::Network;
use crate::cage::namespace::{self, NamespaceError};
use crate::cage::probe::{self, Hole};
use crate::cage::sealed::{self, SealError};
use crate::cage::{Cage, Limits, Seal, basic};

mod argv;
mod descriptors;
mod handover;
pub(crate) mod passing;

use argv::LauncherArgumentError;
use handover::HandoverError;

/// The hidden subcommand's name, the first argument of the binary.
pub const SUBCOMMAND: &str = "worker-launcher";

/// Exit code: the parent is gone already.
pub const EXIT_ORPHANED: u8 = 125;
/// Exit code: the process could not be prepared, or the program is not executable (POSIX sh, "Exit Status for Commands").
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// Exit code: the program is not there (POSIX sh, "Exit Status for Commands").
pub const EXIT_NOT_FOUND: u8 = 127;

/// What the launcher's one line on stderr begins with.
pub(crate) const COMPLAINT: &str = "worker launcher: ";

/// What the launcher is told on its command line. No secret is among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The process whose end ends the worker.
    pub parent_pid: u32,
    /// What to do to the process.
    pub cage: Cage,
    /// What to do then.
    pub errand: Errand,
}

/// What the launcher does once the process is prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Become the worker.
    Run {
        /// The worker program, as an absolute path.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
    },
    /// Look whether the cage holds, and exit.
    Try,
}

#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error(transparent)]
    Arguments(#[from] LauncherArgumentError),
    #[error("the broker that wanted this worker is gone")]
    Orphaned,
    #[error("cannot {step}: {source}")]
    Prepare { step: &'static str, source: rustix::io::Errno },
    #[error("cannot list the open descriptors: {0}")]
    Descriptors(io::Error),
    #[error(transparent)]
    Handover(#[from] HandoverError),
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Hole(#[from] Hole),
    #[error("cannot run {program}: {source}")]
    Exec { program: String, source: io::Error },
    #[error("cannot run {program}: the interpreter or loader that it names is missing")]
    Interpreter { program: String },
}

/// The arguments that make the broker's binary a launcher, [`SUBCOMMAND`] first. [`run`] takes what follows that.
#[must_use]
pub fn arguments(launch: &Launch) -> Vec<OsString> {
    argv::write(launch)
}

/// Prepares this process and replaces it by the worker program. Returns if that failed, and one line about it is on stderr,
/// or if there is nothing to run.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match argv::parse(args).map_err(LaunchError::from).and_then(|launch| carry_out(&launch)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if stderr is closed.
            let _ = writeln!(io::stderr(), "{COMPLAINT}{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn carry_out(launch: &Launch) -> Result<(), LaunchError> {
    prepare(launch)?;
    match &launch.errand {
        Errand::Run { program, args } => Err(exec_error(program, Command::new(program).args(args).exec())),
        Errand::Try => Ok(probe::inspect(&launch.cage)?),
    }
}

/// The system's word for a missing program is also its word for a missing interpreter.
fn exec_error(program: &Path, source: io::Error) -> LaunchError {
    let name = program.display().to_string();
    if source.kind() == io::ErrorKind::NotFound && program.exists() {
        LaunchError::Interpreter { program: name }
    } else {
        LaunchError::Exec { program: name, source }
    }
}

fn prepare(launch: &Launch) -> Result<(), LaunchError> {
    let failed = |step| move |source| LaunchError::Prepare { step, source };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("tie the worker to its parent"))?;
    // A parent that died before the line above sends no signal; then this process has another parent by now.
    let parent = rustix::process::getppid().map(Pid::as_raw_pid);
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(launch.parent_pid) {
        return Err(LaunchError::Orphaned);
    }
    // What a worker leaves behind stays below it as long as it lives, whatever session it moved to.
    rustix::process::set_child_subreaper(Some(getpid())).map_err(failed("keep the worker's descendants together"))?;
    descriptors::close_inherited().map_err(LaunchError::Descriptors)?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::chdir(Path::new("/")).map_err(failed("change to the root directory"))?;
    basic::lower(Resource::Core, 0).map_err(failed("turn off core dumps"))?;
    match &launch.cage {
        Cage::None => Ok(()),
        Cage::Basic(limits) => basic::apply(limits).map_err(failed("apply the limits")),
        Cage::Sealed(limits, seal) => Ok(sealed::apply(limits, seal, Network::ByPort(seal.gateway_port))?),
        Cage::Apart(limits, seal) => set_apart(limits, seal),
    }
}

/// The worker's stdin comes and the gateway's listener goes over the socket that is this process's stdin so far. No number
/// of a descriptor has to be told, and nothing has to be inheritable in the broker, where other threads start processes.
fn set_apart(limits: &Limits, seal: &Seal) -> Result<(), LaunchError> {
    let failed = |step| move |source| LaunchError::Prepare { step, source };
    let channel = handover::take_stdin()?;
    let listener = namespace::enter(seal.gateway_port)?;
    handover::give(&channel, &listener)?;
    drop((channel, listener));
    basic::lower(Resource::Nproc, limits.tasks).map_err(failed("limit processes and threads"))?;
    Ok(sealed::apply(limits, seal, Network::Apart(seal.gateway_port))?)
}

// === impl LaunchError ===

impl LaunchError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Orphaned => EXIT_ORPHANED,
            Self::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => EXIT_NOT_FOUND,
            _ => EXIT_NOT_EXECUTABLE,
        }
    }
}
