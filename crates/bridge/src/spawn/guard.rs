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
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::leader::Leader;
use super::stderr::Stderr;
use crate::process::{Exit, ExitReport, ExitTeller};

/// The order to end a process, given by anybody and followed by the one task that owns the process.
pub(super) type Orders = Arc<Order>;

#[derive(Default)]
pub(super) struct Order {
    /// The grace of each step of the ladder; `None` while nobody has given the order.
    grace: Mutex<Option<Duration>>,
    changed: Notify,
}

/// A longer grace is cut to this.
const LONGEST_GRACE: Duration = Duration::from_hours(1);

/// Ends its process when dropped.
pub(crate) struct ProcessGuard {
    orders: Orders,
    exit: Exit,
    grace_when_dropped: Duration,
}

/// Starts the task that owns `leader`. What is put into `belongings` is dropped when the process has ended.
pub(super) fn own(
    leader: Leader,
    stderr: Stderr,
    shared: Arc<Shared>,
    belongings: Belongings,
    grace_when_dropped: Duration,
) -> (ProcessGuard, Exit) {
    let orders = Orders::default();
    let (report, exit) = Exit::awaited();
    let pid = leader.pid();
    shared.live.insert(pid, Arc::clone(&orders));
    let guard = ProcessGuard { orders: Arc::clone(&orders), exit: exit.clone(), grace_when_dropped };
    let runtime = shared.runtime.clone();
    // What the task leaves behind when it ends, in whatever way it ends: a runtime that shuts down drops it half-way.
    let entry = Entry { shared, pid, belongings };
    runtime.spawn(owned(leader, stderr, orders, entry, report));
    (guard, exit)
}

/// The life of a process.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function has room for its arguments twice; this waits in every worker"
)]
fn owned(
    mut leader: Leader,
    mut stderr: Stderr,
    orders: Orders,
    entry: Entry,
    report: ExitTeller,
) -> impl Future<Output = ()> + Send {
    async move {
        let by_itself = stderr.read_during(pin!(end_or_order(&mut leader, &orders))).await;
        // What comes at the end of a life is boxed: it would make the task larger all the life long.
        let status = match by_itself {
            Some(ended) => ended.ok(),
            None => stderr.read_during(Box::pin(climb_down(&mut leader, &orders)).as_mut()).await.ok(),
        };
        drop(leader);
        let last_stderr_line = Box::pin(stderr.finish()).await;
        drop(entry);
        report.tell(ExitReport {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            last_stderr_line,
        });
    }
}

/// How the process ended by itself; `None` once there is an order.
async fn end_or_order(leader: &mut Leader, orders: &Order) -> Option<io::Result<ExitStatus>> {
    tokio::select! {
        biased;
        ended = leader.ended() => Some(ended),
        () = orders.given() => None,
    }
}

/// The stop ladder. Its first step, the end of stdin, has been taken by whoever held it.
async fn climb_down(leader: &mut Leader, orders: &Order) -> io::Result<ExitStatus> {
    let group = leader.group();
    let mut ended = pin!(leader.ended());
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(ended) = within_grace(ended.as_mut(), orders).await {
            return ended;
        }
        group.signal(signal);
    }
    ended.await
}

/// Waits for the end of the process as long as the order in force allows; `None` when that has passed.
async fn within_grace(
    mut ended: Pin<&mut impl Future<Output = io::Result<ExitStatus>>>,
    orders: &Order,
) -> Option<io::Result<ExitStatus>> {
    let begun = Instant::now();
    loop {
        let grace = orders.grace().unwrap_or_default();
        tokio::select! {
            biased;
            ended = &mut ended => return Some(ended),
            () = sleep_until(begun + grace) => return None,
            // A shorter grace.
            () = orders.changed.notified() => {}
        }
    }
}

// === impl Order ===

impl Order {
    /// Gives it. Of several the shortest grace holds.
    pub(super) fn give(&self, grace: Duration) {
        let grace = grace.min(LONGEST_GRACE);
        let mut order = self.grace.lock();
        if order.is_none_or(|earlier| grace < earlier) {
            *order = Some(grace);
            self.changed.notify_one();
        }
    }

    fn grace(&self) -> Option<Duration> {
        *self.grace.lock()
    }

    async fn given(&self) {
        while self.grace().is_none() {
            // Kept for the one who waits, if it was given in between.
            self.changed.notified().await;
        }
    }
}

// === impl ProcessGuard ===

impl ProcessGuard {
    /// Gives the order, if the process is still there, and returns when it has ended.
    pub(crate) async fn stop(&self, grace: Duration) -> ExitReport {
        self.orders.give(grace);
        // No report ever comes if the runtime ends first; the process is killed then.
        self.exit.ended().await.cloned().unwrap_or(ExitReport { code: None, signal: None, last_stderr_line: None })
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.orders.give(self.grace_when_dropped);
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
