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
use rustix::process::{Pid, Resource, Signal};

use crate::cage::{Cage, basic};

mod argv;
mod descriptors;

use argv::LauncherArgumentError;

/// The hidden subcommand's name, the first argument of the binary.
pub const SUBCOMMAND: &str = "worker-launcher";

/// Exit code: the parent is gone already.
pub const EXIT_ORPHANED: u8 = 125;
/// Exit code: the process could not be prepared, or the program is not executable (POSIX sh, "Exit Status for Commands").
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// Exit code: the program is not there (POSIX sh, "Exit Status for Commands").
pub const EXIT_NOT_FOUND: u8 = 127;

/// What the launcher is told on its command line. No secret is among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The process whose end ends the worker.
    pub parent_pid: u32,
    /// What to do to the process.
    pub cage: Cage,
    /// The worker program, as an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
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

/// Prepares this process and replaces it by the worker program. Returns only if that failed; then one line about it is on
/// stderr.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let error = match argv::parse(args) {
        Ok(launch) => become_worker(&launch),
        Err(error) => error.into(),
    };
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "worker launcher: {error}");
    ExitCode::from(error.exit_code())
}

fn become_worker(launch: &Launch) -> LaunchError {
    match prepare(launch) {
        Ok(()) => {
            let source = Command::new(&launch.program).args(&launch.args).exec();
            exec_error(&launch.program, source)
        }
        Err(error) => error,
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
    descriptors::close_inherited().map_err(LaunchError::Descriptors)?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::chdir(Path::new("/")).map_err(failed("change to the root directory"))?;
    basic::lower(Resource::Core, 0).map_err(failed("turn off core dumps"))?;
    match &launch.cage {
        Cage::None => Ok(()),
        Cage::Basic(limits) => basic::apply(limits).map_err(failed("apply the cage")),
    }
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
