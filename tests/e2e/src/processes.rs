//! Single processes, by their ids.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// SIGKILL for one process.
///
/// # Errors
/// When there is no such process.
pub fn kill_9(pid: u32) -> Result<()> {
    signal(pid, Signal::KILL)
}

/// A signal for one process.
///
/// # Errors
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(pid)?).context("no process id")?;
    kill_process(process, signal).with_context(|| format!("cannot signal process {pid}"))
}

/// Whether the process is there, zombies included.
#[must_use]
pub fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}
