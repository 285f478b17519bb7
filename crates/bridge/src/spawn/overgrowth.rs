//! Ends workers that have more tasks than they may.
//!
//! On rung 3 the kernel refuses them more than their limit, unless the broker is the machine's root. Below, its limit would count
//! the tasks of all that belongs to the user, so the broker counts: the threads of a worker and of everything below it, which
//! nothing that a worker starts can leave while it lives (every worker is a subreaper). A worker can be over the limit for a moment;
//! what it may never do is stay there. What it had started is killed by the [reaper](crate::orphans) when it is gone.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::procfs;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs as long as the spawner.
pub(super) async fn watch(spawner: Weak<Shared>, most: u64, with_processes: bool) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(spawner) = spawner.upgrade() else {
            return;
        };
        for pid in spawner.live.pids() {
            let tasks = tasks(pid, most, with_processes);
            if tasks > most {
                tracing::warn!(
                    worker.pid = pid,
                    worker.tasks = tasks,
                    worker.tasks_max = most,
                    "a worker has more threads and processes than it may have, and is ended"
                );
                spawner.observer.worker_overgrown();
                spawner.live.end_at_once(pid);
            }
        }
    }
}

/// Threads of a process and of all below it; beyond `most` the number is not exact.
fn tasks(pid: u32, most: u64, with_processes: bool) -> u64 {
    let mut total = 0;
    let mut pids = vec![pid];
    while let Some(pid) = pids.pop() {
        total += procfs::stat(pid).map_or(0, |stat| stat.threads);
        if total > most {
            break;
        }
        if with_processes {
            pids.extend(procfs::children(pid));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn threads_and_what_was_started_count() {
        let own = std::process::id();
        let before = tasks(own, u64::MAX, true);
        assert!(before >= 1);
        let mut child = Command::new("/bin/sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let after = tasks(own, u64::MAX, true);
        let alone = tasks(child.id(), u64::MAX, true);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(alone, 1);
        assert!(after > 1, "{before} {after}");
        assert!(tasks(own, 0, true) > 0, "it is over the limit");
        assert_eq!(tasks(child.id(), u64::MAX, true), 0, "what has ended has none");
    }
}
