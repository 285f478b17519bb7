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

/// Resident memory of a process, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    kibibytes(pid, "status", "VmRSS:").map(|kibibytes| kibibytes * 1024)
}

/// A process's share of the memory it has, in bytes: what several have together counts in parts (PSS).
///
/// # Errors
/// When there is no such process, or the kernel does not let us look.
pub fn proportional_bytes(pid: u32) -> Result<u64> {
    kibibytes(pid, "smaps_rollup", "Pss:").map(|kibibytes| kibibytes * 1024)
}

/// Open descriptors of a process.
///
/// # Errors
/// When there is no such process, or the kernel does not let us look.
pub fn descriptors_of(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd")).with_context(|| format!("descriptors of {pid}"))?.count())
}

/// Threads of a process.
///
/// # Errors
/// When there is no such process.
pub fn threads_of(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("threads of {pid}"))?.count())
}

fn kibibytes(pid: u32, file: &str, field: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(field)).with_context(|| format!("no {field} in {path}"))?;
    let number = line.trim().trim_end_matches("kB").trim();
    number.parse().with_context(|| format!("{field} {line}"))
}
