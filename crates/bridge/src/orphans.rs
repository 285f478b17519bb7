//! Orphans: processes that became this process's children because their parent ended.
//!
//! Whoever is pid 1 of a container, or has made itself a child subreaper, inherits them. Every worker is a subreaper itself,
//! so that what it starts stays below it, whatever session or group it moved to; what arrives here was left behind by a
//! worker that has ended. It is killed, and what it leaves behind then arrives here too.
//!
//! Zombies stay until their status is taken. Waiting for "any child" would also take the statuses of workers, and leave
//! their owners waiting for something that has happened. So the reaper waits for one pid at a time.
//!
//! Workers are the only processes that the broker starts; a program that starts others besides must not run this.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, child_subreaper, getpid, kill_process, set_child_subreaper, waitpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::observer::Observer;
use crate::procfs;
use crate::spawn::children;

/// The signal is coalesced, and a list of children read while one of them goes may miss another.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Ends the reaper when dropped.
#[derive(Debug)]
pub struct OrphanReaper {
    task: JoinHandle<()>,
}

/// Makes this process the parent of its descendants whose own parent ends (prctl(2), `PR_SET_CHILD_SUBREAPER`).
pub fn become_subreaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

// === impl OrphanReaper ===

impl OrphanReaper {
    /// Starts reaping if this process inherits orphans; `None` if it does not. Has to be called within a tokio runtime.
    pub fn start(observer: Arc<dyn Observer>) -> io::Result<Option<Self>> {
        if !getpid().is_init() && child_subreaper()?.is_none() {
            return Ok(None);
        }
        let mut child_ended = signal(SignalKind::child())?;
        let task = tokio::spawn(async move {
            loop {
                let reaped = reap(&*observer);
                if reaped > 0 {
                    tracing::debug!(orphans.reaped = reaped, "took the statuses of orphans");
                }
                // Whether the signal came or the time has passed, the next step is the same.
                let _ = tokio::time::timeout(LOOK_AGAIN, child_ended.recv()).await;
            }
        });
        Ok(Some(Self { task }))
    }
}

impl Drop for OrphanReaper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What has been done about one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// It is none of ours, or a worker.
    Nothing,
    Killed,
    Reaped,
}

/// Kills all that this process has inherited, and takes the statuses of what has ended; their number.
fn reap(observer: &dyn Observer) -> usize {
    let own = std::process::id();
    let candidates = listed_children().unwrap_or_else(all_processes);
    let mut reaped = 0;
    for pid in candidates {
        match reap_one(pid, own) {
            Done::Nothing => {}
            Done::Killed => {
                observer.orphan_killed();
                tracing::warn!(process.pid = pid, "ended a process that a worker left behind");
            }
            Done::Reaped => reaped += 1,
        }
    }
    reaped
}

fn reap_one(pid: u32, own: u32) -> Done {
    let end = || {
        let stat = procfs::stat(pid).filter(|stat| stat.parent == own)?;
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        if stat.state == 'Z' {
            waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
            Some(Done::Reaped)
        } else {
            // As our child it keeps its pid until its status is taken, so nobody else is hit.
            kill_process(pid, Signal::KILL).ok()?;
            Some(Done::Killed)
        }
    };
    children::unless_own(pid, end).flatten().unwrap_or(Done::Nothing)
}

/// The children of all threads, from `/proc/self/task/*/children`; `None` if the kernel does not offer that.
fn listed_children() -> Option<BTreeSet<u32>> {
    let mut pids = BTreeSet::new();
    for task in fs::read_dir("/proc/self/task").ok()? {
        match fs::read_to_string(task.ok()?.path().join("children")) {
            Ok(list) => pids.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            // Where the file exists, only a thread that has just ended lacks it.
            Err(_) if fs::exists("/proc/thread-self/children").unwrap_or(false) => {}
            Err(_) => return None,
        }
    }
    Some(pids)
}

fn all_processes() -> BTreeSet<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_child_is_among_the_listed_children_and_among_all_processes() {
        let mut child = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let listed = listed_children().map(|pids| pids.contains(&child.id()));
        assert!(listed.unwrap_or(true), "the kernel lists children, but not this one");
        assert!(all_processes().contains(&child.id()));
        assert_eq!(reap_one(child.id(), std::process::id() + 1), Done::Nothing, "it is somebody else's");
        assert_eq!(reap_one(child.id(), std::process::id()), Done::Killed);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
