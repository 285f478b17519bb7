//! The run file: which processes this instance has started, for the next run of it.
//!
//! Workers end with the broker (the parent-death signal), so this is for what slipped through. A pid alone says nothing
//! after a while; a pid with its start time is one process only, within one boot of the machine, whose id the file begins
//! with. The file is only ever appended to, and locked as long as this process lives, so that two brokers can't end each other's
//! workers.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::StartError;
use crate::procfs;

const NAME: &str = "workers.run";
/// Size in bytes from which the file is rewritten with the living only.
const REWRITE_AT: u64 = 64 * 1024;

pub(super) struct RunFile {
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    size: u64,
    /// Start time by pid.
    living: BTreeMap<u32, u64>,
}

// === impl RunFile ===

impl RunFile {
    /// Opens the file, ends the processes that it names and that are still there, and begins it anew.
    pub(super) fn open(state_dir: &Path) -> Result<Self, StartError> {
        let path = state_dir.join(NAME);
        let wrong = |reason: String| StartError::RunFile { path: path.clone(), reason };
        let mut file =
            open_private(&path).map_err(|error| wrong(format!("{error}; is the state directory writable?")))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(wrong("another broker is using it; give each its own state directory".to_owned()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(wrong(format!("cannot be locked: {error}")));
            }
        }
        let mut text = String::new();
        match file.read_to_string(&mut text) {
            Ok(_) => sweep(&text, &boot_id()),
            Err(error) => {
                tracing::warn!(error = %error, "the run file can't be read; nothing is swept");
            }
        }
        let mut inner = Inner { file, size: 0, living: BTreeMap::new() };
        inner.rewrite().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Writes down a process that has just been started.
    pub(super) fn record(&self, pid: u32, start_time: u64) {
        let mut inner = self.inner.lock();
        inner.living.insert(pid, start_time);
        let written = if inner.size < REWRITE_AT { inner.append(&entry(pid, start_time)) } else { inner.rewrite() };
        if let Err(error) = written {
            tracing::warn!(error = %error, worker.pid = pid, "a worker could not be written into the run file");
        }
    }

    /// The process has ended. Its line stays until the next rewriting: it can't match anything any more.
    pub(super) fn forget(&self, pid: u32) {
        self.inner.lock().living.remove(&pid);
    }
}

// === impl Inner ===

impl Inner {
    fn append(&mut self, text: &str) -> io::Result<()> {
        self.size += u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.file.write_all(text.as_bytes())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.size = 0;
        let entries: String = self.living.iter().map(|(pid, start_time)| entry(*pid, *start_time)).collect();
        self.append(&format!("boot {}\n{entries}", boot_id()))
    }
}

fn entry(pid: u32, start_time: u64) -> String {
    format!("{pid} {start_time}\n")
}

fn open_private(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(no_follow).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Ends what a previous run left. Lines that can't be read are passed over.
fn sweep(text: &str, boot_id: &str) {
    for (pid, start_time) in entries(text, boot_id) {
        if end_leftover(pid, start_time) {
            tracing::warn!(worker.pid = pid, "ended a worker that a previous run of this broker left behind");
        }
    }
}

/// The processes that a run file names, if it was written since the machine's start.
fn entries<'a>(text: &'a str, boot_id: &str) -> impl Iterator<Item = (u32, u64)> + 'a {
    let mut lines = text.lines();
    let same_boot = lines.next().and_then(|line| line.strip_prefix("boot ")) == Some(boot_id);
    lines.take_while(move |_| same_boot).filter_map(|line| {
        let (pid, start_time) = line.split_once(' ')?;
        Some((pid.parse().ok()?, start_time.parse().ok()?))
    })
}

/// Ends the process and the group that it leads, if it is still the one that was written down.
fn end_leftover(pid: u32, start_time: u64) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // Taken before the comparison: what is compared is then what is signalled.
    let Ok(descriptor) = pidfd_open(raw, PidfdFlags::empty()) else {
        return false;
    };
    let Some(stat) = procfs::stat(pid).filter(|stat| stat.start_time == start_time) else {
        return false;
    };
    if stat.group == pid {
        // An error means that it has just ended.
        let _ = kill_process_group(raw, Signal::KILL);
    }
    pidfd_send_signal(descriptor, Signal::KILL).is_ok() && stat.state != 'Z'
}

#[cfg(test)]
mod tests;
