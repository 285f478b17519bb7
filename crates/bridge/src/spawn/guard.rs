//! The task that owns a process, and the handle by which others ask it to end the process.

use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::leader::Leader;
use super::stderr::Stderr;
use crate::process::ExitReport;

/// The order to end a process, with the grace of each step of the ladder; `None` while nobody has given it.
pub(super) type Orders = Arc<watch::Sender<Option<Duration>>>;

/// A longer grace is cut to this.
const LONGEST_GRACE: Duration = Duration::from_hours(1);

/// Ends its process when dropped.
pub(crate) struct ProcessGuard {
    orders: Orders,
    exit: watch::Receiver<Option<ExitReport>>,
    grace_when_dropped: Duration,
}

/// Gives an order. Of several the shortest grace holds.
pub(super) fn order(orders: &Orders, grace: Duration) {
    let grace = grace.min(LONGEST_GRACE);
    orders.send_if_modified(|order| {
        let shorter = order.is_none_or(|earlier| grace < earlier);
        if shorter {
            *order = Some(grace);
        }
        shorter
    });
}

/// Starts the task that owns `leader`. What is put into `belongings` is dropped when the process has ended.
pub(super) fn own(
    mut leader: Leader,
    stderr: Stderr,
    shared: Arc<Shared>,
    belongings: Belongings,
    grace_when_dropped: Duration,
) -> (ProcessGuard, watch::Receiver<Option<ExitReport>>) {
    let orders = Arc::new(watch::Sender::new(None));
    let (report, exit) = watch::channel(None);
    let pid = leader.pid();
    shared.live.insert(pid, Arc::clone(&orders));
    let receiver = orders.subscribe();
    let guard = ProcessGuard { orders: Arc::clone(&orders), exit: exit.clone(), grace_when_dropped };
    let runtime = shared.runtime.clone();
    // What the task leaves behind when it ends, in whatever way it ends: a runtime that shuts down drops it half-way.
    let entry = Entry { shared, pid, belongings };
    runtime.spawn(async move {
        // Held so that the receiver always has a sender.
        let _orders = orders;
        let entry = entry;
        let status = climb_down(&mut leader, receiver).await.ok();
        drop(leader);
        let last_stderr_line = stderr.finish().await;
        drop(entry);
        report.send_replace(Some(ExitReport {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            last_stderr_line,
        }));
    });
    (guard, exit)
}

/// Runs until the process has ended: by itself, or by the stop ladder once there is an order. The ladder's first step, the
/// end of stdin, has been taken by whoever held it.
async fn climb_down(leader: &mut Leader, mut orders: watch::Receiver<Option<Duration>>) -> io::Result<ExitStatus> {
    let group = leader.group();
    let mut ended = pin!(leader.ended());
    tokio::select! {
        biased;
        ended = &mut ended => return ended,
        _ = orders.wait_for(Option::is_some) => {}
    }
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(ended) = within_grace(ended.as_mut(), &mut orders).await {
            return ended;
        }
        group.signal(signal);
    }
    ended.await
}

/// Waits for the end of the process as long as the order in force allows; `None` when that has passed.
async fn within_grace(
    mut ended: Pin<&mut impl Future<Output = io::Result<ExitStatus>>>,
    orders: &mut watch::Receiver<Option<Duration>>,
) -> Option<io::Result<ExitStatus>> {
    let begun = Instant::now();
    loop {
        let grace = orders.borrow_and_update().unwrap_or_default();
        tokio::select! {
            biased;
            ended = &mut ended => return Some(ended),
            () = sleep_until(begun + grace) => return None,
            // A shorter grace; the sender lives as long as this task.
            _ = orders.changed() => {}
        }
    }
}

// === impl ProcessGuard ===

impl ProcessGuard {
    /// Gives the order, if the process is still there, and returns when it has ended.
    pub(crate) async fn stop(&self, grace: Duration) -> ExitReport {
        order(&self.orders, grace);
        let mut exit = self.exit.clone();
        let report = exit.wait_for(Option::is_some).await.ok().and_then(|report| report.clone());
        // No report ever comes if the runtime ends first; the process is killed then.
        report.unwrap_or(ExitReport { code: None, signal: None, last_stderr_line: None })
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        order(&self.orders, self.grace_when_dropped);
    }
}

/// What has to be there exactly as long as a process: the listener in its network.
#[derive(Clone, Default)]
pub(super) struct Belongings(Arc<Mutex<Lifetime>>);

#[derive(Default)]
enum Lifetime {
    #[default]
    Alive,
    Holding(#[expect(dead_code, reason = "held to be dropped")] Box<dyn Send + Sync>),
    Over,
}

/// A process's place among the living.
struct Entry {
    shared: Arc<Shared>,
    pid: u32,
    belongings: Belongings,
}

// === impl Belongings ===

impl Belongings {
    /// Keeps it until the process has ended, which may have been before.
    pub(super) fn hold(&self, thing: Box<dyn Send + Sync>) {
        let mut lifetime = self.0.lock();
        if matches!(*lifetime, Lifetime::Alive) {
            *lifetime = Lifetime::Holding(thing);
        }
    }

    fn end(&self) {
        let ended = std::mem::replace(&mut *self.0.lock(), Lifetime::Over);
        drop(ended);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.belongings.end();
        self.shared.ended(self.pid);
    }
}
