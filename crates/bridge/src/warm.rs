//! Warm workers: a few processes that were started ahead and belong to nobody yet.
//!
//! A seat that needs a worker takes one of them and speaks the first word to it; what is saved is the start of the process, its
//! cage, and what the program does before it reads. Until then the process holds a capability without a user, with which the
//! gateway answers start-up probes and nothing else. Once taken it belongs to that seat's user for good; none ever comes back.
//! See `docs/adr/0011-warm-workers.md`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::access::WorkerAccess;
use crate::breaker::Breaker;
use crate::process::ExitReport;
use crate::starter::RunningWorker;
use crate::workshop::Workshop;

/// Processes that wait for their users.
#[derive(Default)]
pub(crate) struct WarmPool {
    inner: Mutex<Inner>,
    /// Something has changed: one was taken, one ended, there is room again.
    changed: Notify,
    /// Slows down the replacement of what ends without having been of use, whoever ended it.
    refill: Breaker,
}

#[derive(Default)]
struct Inner {
    /// The oldest first.
    idle: VecDeque<Warm>,
    closed: bool,
}

/// One of them.
pub(crate) struct Warm {
    pub(crate) running: RunningWorker,
    pub(crate) access: Arc<dyn WorkerAccess>,
    pub(crate) number: u64,
    /// What it was started from.
    program: Arc<str>,
    since: Instant,
}

// === impl WarmPool ===

impl WarmPool {
    /// One that lives and is of this version of the program.
    pub(crate) fn take(&self, program: &str) -> Option<Warm> {
        let taken = {
            let mut inner = self.inner.lock();
            let good = inner.idle.iter().position(|warm| *warm.program == *program && !warm.has_ended())?;
            inner.idle.remove(good)
        };
        self.changed.notify_one();
        taken
    }

    pub(crate) fn idle(&self) -> usize {
        self.inner.lock().idle.len()
    }

    fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// There may be room for more.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }

    /// A seat has got through the handshake with one of them.
    pub(crate) fn was_of_use(&self) {
        self.refill.succeeded();
    }

    /// Takes the newest, to make room.
    fn give_up_one(&self) -> Option<Warm> {
        self.inner.lock().idle.pop_back()
    }

    /// Takes all, and no more come.
    fn close(&self) -> Vec<Warm> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.idle.drain(..).collect()
    }

    /// Takes out those for which `out` holds.
    fn take_out(&self, out: impl Fn(&Warm) -> bool) -> Vec<Warm> {
        let mut inner = self.inner.lock();
        let (gone, stay) = inner.idle.drain(..).partition(|warm| out(warm));
        inner.idle = stay;
        Vec::from_iter::<VecDeque<Warm>>(gone)
    }

    /// `None` if it has been taken in.
    fn put(&self, warm: Warm) -> Option<Warm> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Some(warm);
        }
        inner.idle.push_back(warm);
        None
    }
}

// === impl Warm ===

impl Warm {
    fn has_ended(&self) -> bool {
        self.running.exit.report().is_some()
    }
}

// === impl Workshop ===

impl Workshop {
    /// Keeps the pool filled for as long as it is polled.
    pub(crate) async fn keep_warm(self: Arc<Self>) {
        loop {
            let wait = self.tend().await;
            tokio::select! {
                () = self.warm.changed.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Dismisses what is of no use any more and starts what is missing. Says how long to wait before the next look.
    async fn tend(self: &Arc<Self>) -> Duration {
        for warm in self.warm.take_out(Warm::has_ended) {
            self.lost(&warm);
        }
        let program = self.starter.program();
        let lifetime = self.config.warm_worker_lifetime;
        for warm in self.warm.take_out(|warm| *warm.program != *program || warm.since.elapsed() >= lifetime) {
            self.dismiss(warm);
        }
        while self.warm.idle() > self.config.now().warm_workers {
            let Some(warm) = self.warm.give_up_one() else { break };
            self.dismiss(warm);
        }
        while self.wants_warm_workers() {
            let now = Instant::now();
            if let Err(wait) = self.warm.refill.admit(now).and_then(|()| self.breaker.admit(now)) {
                return wait;
            }
            if !self.start_warm(&program).await {
                self.warm.refill.failed(Instant::now());
            }
        }
        self.config.sweep_interval
    }

    fn wants_warm_workers(&self) -> bool {
        let idle = self.warm.idle();
        let now = self.config.now();
        !self.warm.is_closed() && idle < now.warm_workers && self.workers() + idle < now.max_sessions
    }

    /// Within the cap, workers of users come first.
    pub(crate) fn make_room_for_users(&self) {
        while self.workers() + self.warm.idle() > self.config.now().max_sessions {
            match self.warm.give_up_one() {
                Some(warm) => self.dismiss(warm),
                None => return,
            }
        }
    }

    async fn start_warm(self: &Arc<Self>, program: &Arc<str>) -> bool {
        // What the program speaks is found out before the first client needs it, too.
        if self.speech().await.is_err() {
            return false;
        }
        let Ok(_permit) = self.starting.acquire().await else {
            return false;
        };
        let access = self.issuer.open();
        let number = self.next_worker();
        let Ok(running) = self.launch(&format!("warm-{number}"), &*access).await else {
            return false;
        };
        let exit = running.exit.clone();
        let warm = Warm { running, access, number, program: program.clone(), since: Instant::now() };
        if let Some(warm) = self.warm.put(warm) {
            self.dismiss(warm);
            return true;
        }
        let shop = Arc::downgrade(self);
        tokio::spawn(async move {
            // Whether it has ended or nobody knows, it is worth a look.
            exit.ended().await;
            if let Some(shop) = shop.upgrade() {
                shop.warm.look();
            }
        });
        true
    }

    /// One has ended before anybody needed it.
    fn lost(&self, warm: &Warm) {
        const NO_REPORT: ExitReport = ExitReport { code: None, signal: None, last_stderr_line: None };
        let report = warm.running.exit.report().cloned().unwrap_or(NO_REPORT);
        self.warm.refill.failed(Instant::now());
        self.observer.warm_worker_lost();
        // Nothing a program does ends it by SIGKILL: that was the system, or an operator.
        let by_itself = report.signal != Some(Signal::KILL.as_raw());
        if by_itself && warm.since.elapsed() < self.config.start_timeout {
            self.start_failed();
            self.breaker.failed(Instant::now());
        }
        tracing::warn!(
            worker.label = format!("warm-{}", warm.number),
            worker.exit_code = report.code,
            worker.signal = report.signal,
            worker.last_stderr_line = report.last_stderr_line.as_deref(),
            "a worker ended while it waited for its first user"
        );
    }

    fn dismiss(&self, warm: Warm) {
        let Warm { running: RunningWorker { stdin, stdout, handle, .. }, access, .. } = warm;
        let grace = self.config.stop_grace;
        self.tasks.spawn(async move {
            drop(stdin);
            handle.stop(grace).await;
            drop((stdout, access));
        });
    }

    /// None is kept any more.
    pub(crate) fn end_warm_workers(&self) {
        for warm in self.warm.close() {
            self.dismiss(warm);
        }
    }
}
