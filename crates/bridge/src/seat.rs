//! A place for one worker: empty, starting or taken. Whoever has a seat need not know which.
//!
//! A seat starts a worker when a call comes and there is none, one start at a time, in a task of its own: a client that hangs
//! up does not undo the start for others. A call that a dying worker never got is given to the next one.

mod start;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::call::Call;
use crate::desk::Desk;
use crate::envelope::Message;
use crate::refusal::{Refusal, UNAVAILABLE};
use crate::reply::Principal;
use crate::worker::{End, NotTaken, Worker};
use crate::workshop::{Place, Workshop};

/// So many crashes within [`CRASH_WINDOW`] and the seat stays empty until the window has passed.
const MAX_CRASHES: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_mins(1);
/// Workers that one call may be given to.
const MAX_ATTEMPTS: u8 = 3;

pub(crate) struct Seat {
    shop: Arc<Workshop>,
    desk: Weak<dyn Desk>,
    user: Arc<str>,
    question_numbers: Arc<AtomicU64>,
    /// Ends a start under way when the seat is closed.
    closing: CancellationToken,
    /// The user has to log in again: calls that wait for a worker need not wait longer.
    login_lost: Arc<Notify>,
    inner: Mutex<Inner>,
}

struct Inner {
    who: Principal,
    slot: Slot,
    /// Set when the seat is given up for good.
    closed: Option<Refusal>,
    crashes: VecDeque<Instant>,
    /// Whether a worker has been here before.
    used: bool,
}

enum Slot {
    Empty,
    Starting(watch::Receiver<Option<Started>>),
    Running { worker: Arc<Worker>, place: Place },
}

type Started = Result<Arc<Worker>, StartFailure>;

/// Why there is no worker.
#[derive(Debug, Clone)]
pub(crate) enum StartFailure {
    Refused(Refusal),
    /// The worker answered `initialize` with an error: the client's to read.
    Declined(Box<Message>),
}

// === impl Seat ===

impl Seat {
    /// `used` if the desk had a worker in an earlier life.
    pub(crate) fn new(
        shop: Arc<Workshop>,
        who: Principal,
        desk: Weak<dyn Desk>,
        first_question: u64,
        used: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            shop,
            desk,
            user: who.user.clone(),
            question_numbers: Arc::new(AtomicU64::new(first_question)),
            closing: CancellationToken::new(),
            login_lost: Arc::default(),
            inner: Mutex::new(Inner { who, slot: Slot::Empty, closed: None, crashes: VecDeque::new(), used }),
        })
    }

    /// A number under which the client can be asked; unique in this session.
    pub(crate) fn question_number(&self) -> u64 {
        self.question_numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The worker, if one is running.
    pub(crate) fn running(&self) -> Option<Arc<Worker>> {
        match &self.inner.lock().slot {
            Slot::Running { worker, .. } if !worker.has_ended() => Some(worker.clone()),
            _ => None,
        }
    }

    /// The worker, started if need be.
    pub(crate) async fn worker(self: &Arc<Self>) -> Started {
        let mut started = match self.running_or_started() {
            Ok(Ok(worker)) => return Ok(worker),
            Ok(Err(started)) => started,
            Err(refusal) => return Err(StartFailure::Refused(refusal)),
        };
        let gone = || {
            StartFailure::Refused(Refusal::unavailable(
                "start_failed",
                1,
                "the worker's start was interrupted; try again",
            ))
        };
        let result = started.wait_for(Option::is_some).await;
        result.ok().and_then(|started| started.clone()).unwrap_or_else(|| Err(gone()))
    }

    fn running_or_started(self: &Arc<Self>) -> Result<Result<Arc<Worker>, watch::Receiver<Option<Started>>>, Refusal> {
        let mut inner = self.inner.lock();
        match &inner.slot {
            Slot::Running { worker, .. } if !worker.has_ended() => return Ok(Ok(worker.clone())),
            Slot::Starting(started) => return Ok(Err(started.clone())),
            _ => {}
        }
        if let Some(refusal) = &inner.closed {
            return Err(refusal.clone());
        }
        inner.pause_after_crashes(Instant::now())?;
        let (tell, started) = watch::channel(None);
        let old = std::mem::replace(&mut inner.slot, Slot::Starting(started.clone()));
        drop(inner);
        drop(old);
        let seat = self.clone();
        self.shop.tasks.spawn(async move {
            let result = seat.start().await;
            let result = seat.take_seat(result);
            let _ = tell.send(Some(result));
        });
        Ok(Err(started))
    }

    fn take_seat(&self, result: Result<(Arc<Worker>, Place), StartFailure>) -> Started {
        let desk = self.desk.upgrade();
        let mut inner = self.inner.lock();
        let (worker, place) = match result {
            Ok(started) => started,
            Err(failure) => {
                inner.slot = Slot::Empty;
                return Err(failure);
            }
        };
        let closed = inner.closed.clone();
        let gone = || Refusal::unavailable("seat_gone", 1, "the session's start was given up");
        let (None, Some(desk)) = (&closed, desk) else {
            inner.slot = Slot::Empty;
            drop(inner);
            let refusal = closed.unwrap_or_else(gone);
            worker.stop(refusal.clone());
            return Err(StartFailure::Refused(refusal));
        };
        let again = std::mem::replace(&mut inner.used, true);
        // The session may have moved to another grant meanwhile.
        worker.access().assign(&inner.who);
        inner.slot = Slot::Running { worker: worker.clone(), place };
        drop(inner);
        desk.opened(&worker, again);
        Ok(worker)
    }

    /// Takes the worker out for a while; calls wait for it to come back by [`Self::sit`].
    fn withdraw(&self) -> Option<(Arc<Worker>, Place, watch::Sender<Option<Started>>)> {
        let mut inner = self.inner.lock();
        if !matches!(inner.slot, Slot::Running { .. }) {
            return None;
        }
        let (tell, started) = watch::channel(None);
        match std::mem::replace(&mut inner.slot, Slot::Starting(started)) {
            Slot::Running { worker, place } => Some((worker, place, tell)),
            _ => None,
        }
    }

    /// The worker is back. One that has ended meanwhile is found so by whoever gives it a call.
    fn sit(&self, worker: Arc<Worker>, place: Place) -> Arc<Worker> {
        let mut inner = self.inner.lock();
        let closed = inner.closed.clone();
        if closed.is_some() || worker.has_ended() {
            inner.slot = Slot::Empty;
            drop(inner);
            if let Some(refusal) = closed {
                worker.stop(refusal);
            }
            return worker;
        }
        worker.access().assign(&inner.who);
        inner.slot = Slot::Running { worker: worker.clone(), place };
        worker
    }

    /// Gives calls to the worker. Each gets its answer, whatever happens.
    pub(crate) fn send(self: &Arc<Self>, calls: Vec<Call>) {
        let mut waiting = calls;
        if let Some(worker) = self.running() {
            waiting = waiting.into_iter().filter_map(|call| self.give(&worker, call)).collect();
        }
        if waiting.is_empty() {
            return;
        }
        let seat = self.clone();
        let login_lost = self.login_lost.clone().notified_owned();
        tokio::spawn(async move {
            tokio::pin!(login_lost);
            while !waiting.is_empty() {
                let started = tokio::select! {
                    started = seat.worker() => started,
                    () = &mut login_lost => {
                        let refusal = Refusal::log_in_again();
                        waiting.drain(..).for_each(|call| call.log_in_again(&refusal));
                        return;
                    }
                };
                match started {
                    Ok(worker) => {
                        waiting = waiting.into_iter().filter_map(|call| seat.give(&worker, call)).collect();
                        // One that has ended but has not left yet must not be found again.
                        if !waiting.is_empty() {
                            seat.clear(&worker);
                        }
                    }
                    Err(failure) => {
                        let refusal = failure.refusal();
                        seat.shop.observer.refused(refusal.label);
                        waiting.drain(..).for_each(|call| call.refuse(&refusal));
                    }
                }
            }
        });
    }

    /// `None` if the call is taken care of.
    fn give(&self, worker: &Worker, mut call: Call) -> Option<Call> {
        if call.is_cancelled() {
            call.cancelled();
            return None;
        }
        call.attempts += 1;
        let attempts = call.attempts;
        if let Some(desk) = self.desk.upgrade() {
            desk.giving(worker, &call);
        }
        let exchange = call.exchange.clone();
        let Err((call, why)) = worker.call(Box::new(call)) else {
            // The client may have left this moment.
            if exchange.log().is_closed() {
                worker.cancel_exchange(&exchange);
            }
            return None;
        };
        let refusal = match why {
            NotTaken::Ended if attempts < MAX_ATTEMPTS => return Some(*call),
            NotTaken::Ended => {
                Refusal::unavailable("worker_ended", 1, "workers end as soon as they are started; try again later")
            }
            NotTaken::TooManyCalls => Refusal::unavailable(
                "worker_calls",
                1,
                "too many calls are open in this session; try again when one has ended",
            ),
            NotTaken::QueueFull => {
                Refusal::unavailable("worker_queue", 1, "the worker does not take calls fast enough; try again")
            }
            NotTaken::ForeignUser => Refusal::no_such_session(),
        };
        self.shop.observer.refused(refusal.label);
        call.refuse(&refusal);
        None
    }

    /// Binds the seat, and the worker in it, to another grant of the same user.
    pub(crate) fn assign(&self, who: &Principal) {
        let worker = {
            let mut inner = self.inner.lock();
            inner.who = who.clone();
            match &inner.slot {
                Slot::Running { worker, .. } => Some(worker.clone()),
                _ => None,
            }
        };
        if let Some(worker) = worker {
            worker.access().assign(who);
        }
    }

    /// Since when its worker has had nothing to do; `None` if it has no worker or one that is busy.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.running()?.idle_since()
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.inner.lock().slot, Slot::Empty)
    }

    /// Whether its desk wants the worker to stay.
    pub(crate) fn needs_worker(&self) -> bool {
        self.desk.upgrade().is_some_and(|desk| desk.needs_worker())
    }

    pub(crate) fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Stops the worker if no call is open. The next call starts another.
    pub(crate) fn hibernate(&self) -> bool {
        let Some(worker) = self.running() else {
            return false;
        };
        let reason = Refusal::in_band(UNAVAILABLE, "hibernated", "the worker was stopped because it was idle");
        if !worker.retire(reason) {
            return false;
        }
        self.clear(&worker);
        self.shop.observer.session_hibernated();
        true
    }

    /// Gives up the calls that are not answered: the user has to log in first.
    pub(crate) fn log_in_again(&self) {
        let refusal = Refusal::log_in_again();
        if let Some(worker) = self.running() {
            worker.give_up_calls(|call| call.log_in_again(&refusal));
        }
        self.login_lost.notify_waiters();
    }

    /// Stops the worker and lets no other in.
    pub(crate) fn close(&self, refusal: Refusal) {
        let old = {
            let mut inner = self.inner.lock();
            inner.closed = Some(refusal.clone());
            match inner.slot {
                // Whoever starts it finds the seat closed.
                Slot::Starting(_) => Slot::Empty,
                _ => std::mem::replace(&mut inner.slot, Slot::Empty),
            }
        };
        self.closing.cancel();
        if let Slot::Running { worker, .. } = &old {
            worker.stop(refusal);
        }
    }

    /// The same, and the worker's way to Forgejo ends before it does.
    pub(crate) fn cut(&self, refusal: Refusal) {
        if let Slot::Running { worker, .. } = &self.inner.lock().slot {
            worker.access().revoke();
        }
        self.close(refusal);
    }

    /// The worker in this seat has ended.
    pub(crate) fn vacated(self: &Arc<Self>, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>) {
        self.clear(worker);
        let closed = {
            let mut inner = self.inner.lock();
            if !end.was_expected() {
                inner.crashes.push_back(Instant::now());
            }
            inner.closed.clone()
        };
        match closed {
            Some(refusal) => unsent.into_iter().for_each(|call| call.refuse(&refusal)),
            None => self.send(unsent),
        }
    }

    fn clear(&self, worker: &Arc<Worker>) {
        // Dropped after the lock: the place gives itself back under a lock of its own.
        let _old = {
            let mut inner = self.inner.lock();
            match &inner.slot {
                Slot::Running { worker: present, .. } if Arc::ptr_eq(present, worker) => {
                    std::mem::replace(&mut inner.slot, Slot::Empty)
                }
                _ => Slot::Empty,
            }
        };
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Slot::Running { worker, .. } = &self.inner.get_mut().slot {
            worker.stop(Refusal::in_band(UNAVAILABLE, "seat_gone", "the session is gone"));
        }
    }
}

// === impl Inner ===

impl Inner {
    fn pause_after_crashes(&mut self, now: Instant) -> Result<(), Refusal> {
        self.crashes.retain(|crash| now.duration_since(*crash) < CRASH_WINDOW);
        if self.crashes.len() < MAX_CRASHES {
            return Ok(());
        }
        let until =
            self.crashes.front().map_or(CRASH_WINDOW, |crash| CRASH_WINDOW.saturating_sub(now.duration_since(*crash)));
        let message = "the session's worker has crashed again and again; try again later";
        Err(Refusal::unavailable("crash_loop", seconds(until), message))
    }
}

/// For `Retry-After`: whole seconds, at least one.
fn seconds(wait: Duration) -> u32 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
}

// === impl StartFailure ===

impl StartFailure {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal.clone(),
            Self::Declined(_) => Refusal::unavailable(
                "initialize_declined",
                5,
                "the worker declined to initialize again; begin a new session",
            ),
        }
    }
}
