//! Where workers come from: the starter, the accesses, the caps and the counters, shared by all seats.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use crate::access::{AccessIssuer, WorkerAccess};
use crate::breaker::Breaker;
use crate::config::{Adjustment, BridgeConfig};
use crate::observer::Observer;
use crate::process::{ProcessRequest, SpawnError};
use crate::program::Programs;
use crate::refusal::Refusal;
use crate::replica::Usage;
use crate::request_state::StateVault;
use crate::scrub::Scrubbing;
use crate::seat::Seat;
use crate::speech::Verdicts;
use crate::starter::{RunningWorker, StartWorker};
use crate::tally::Tally;
use crate::tools::ToolDesk;
use crate::warm::WarmPool;

/// How often room is looked for before a start is refused.
const ATTEMPTS: usize = 4;

pub(crate) struct Workshop {
    pub(crate) config: Arc<BridgeConfig>,
    pub(crate) starter: Box<dyn StartWorker>,
    pub(crate) issuer: Arc<dyn AccessIssuer>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) tally: Tally,
    pub(crate) breaker: Breaker,
    pub(crate) verdicts: Verdicts,
    pub(crate) programs: Programs,
    pub(crate) vault: StateVault,
    pub(crate) warm: WarmPool,
    pub(crate) tools: Arc<ToolDesk>,
    pub(crate) scrubbing: Scrubbing,
    /// Bounds how many are starting at one time.
    pub(crate) starting: Semaphore,
    /// All tasks that hold a process.
    pub(crate) tasks: TaskTracker,
    pub(crate) starts: AtomicU64,
    pub(crate) failed_starts: AtomicU64,
    /// Told when a worker was stopped to make room: its session may be nothing but its record now.
    pub(crate) room_made: Notify,
    numbers: AtomicU64,
    roster: Mutex<Roster>,
}

/// The seats that have a worker, or are getting one. No seat is looked into or dropped while this is locked.
#[derive(Default)]
struct Roster {
    closed: bool,
    last: u64,
    places: HashMap<u64, (Arc<str>, Weak<Seat>)>,
}

/// A worker's place within the caps. Given back when dropped.
pub(crate) struct Place {
    number: u64,
    shop: Arc<Workshop>,
}

// === impl Workshop ===

impl Workshop {
    pub(crate) fn new(
        config: Arc<BridgeConfig>,
        starter: Box<dyn StartWorker>,
        issuer: Arc<dyn AccessIssuer>,
        observer: Arc<dyn Observer>,
    ) -> Arc<Self> {
        Arc::new(Self {
            tools: ToolDesk::new(config.tools.clone()),
            vault: StateVault::new(config.replica.clone()),
            starting: Semaphore::new(config.max_starts),
            config,
            starter,
            issuer,
            observer,
            scrubbing: Scrubbing::default(),
            tally: Tally::default(),
            breaker: Breaker::default(),
            verdicts: Verdicts::default(),
            programs: Programs::default(),
            warm: WarmPool::default(),
            tasks: TaskTracker::new(),
            starts: AtomicU64::new(0),
            failed_starts: AtomicU64::new(0),
            room_made: Notify::new(),
            numbers: AtomicU64::new(1),
            roster: Mutex::default(),
        })
    }

    /// A place for a seat's worker. Over a cap, the longest idle worker (first the user's own) is sent to sleep for it.
    pub(crate) fn place(self: &Arc<Self>, user: &Arc<str>, seat: &Arc<Seat>) -> Result<Place, Refusal> {
        for _ in 0..ATTEMPTS {
            let caps = self.config.now();
            let (own, seats) = {
                let mut roster = self.roster.lock();
                if roster.closed {
                    return Err(Refusal::draining());
                }
                let of_user = roster.places.values().filter(|(owner, _)| owner == user).count();
                // An idle one elsewhere makes room as soon as it is heard of this one.
                let of_user = of_user + self.tally.elsewhere(user).busy;
                let own = of_user >= caps.max_sessions_per_user;
                if !own && roster.places.len() < caps.max_sessions {
                    roster.last += 1;
                    let number = roster.last;
                    roster.places.insert(number, (user.clone(), Arc::downgrade(seat)));
                    return Ok(Place { number, shop: self.clone() });
                }
                (own, roster.places.values().cloned().collect::<Vec<_>>())
            };
            let mine = longest_idle(&seats, |owner| owner == user);
            let rival = mine.or_else(|| if own { None } else { longest_idle(&seats, |_| true) });
            match rival {
                Some(rival) => {
                    rival.hibernate();
                    self.room_made.notify_one();
                }
                None if own => {
                    let message = "all workers that one user may have are busy; try again when a call has ended";
                    return Err(Refusal::too_many("user_worker_limit", 5, message));
                }
                None => {
                    return Err(Refusal::unavailable(
                        "worker_limit",
                        5,
                        "all workers are busy; try again in a few seconds",
                    ));
                }
            }
        }
        Err(Refusal::unavailable("worker_limit", 1, "all workers are busy; try again in a few seconds"))
    }

    /// What users have open here.
    pub(crate) fn usage(&self) -> HashMap<Arc<str>, Usage> {
        let mut usage = self.tally.usage();
        let places: Vec<_> = self.roster.lock().places.values().cloned().collect();
        for (user, seat) in places {
            let of_user = usage.entry(user).or_default();
            of_user.workers += 1;
            of_user.busy += usize::from(seat.upgrade().is_some_and(|seat| seat.idle_since().is_none()));
        }
        usage
    }

    /// Takes what users have open at other replicas. Where a user has too many workers in all, idle ones here make room.
    pub(crate) fn set_usage_elsewhere(&self, elsewhere: HashMap<Arc<str>, Usage>) {
        let cap = self.config.now().max_sessions_per_user;
        let over: Vec<(Arc<str>, usize)> = {
            let here = self.usage();
            let total = |(user, usage): (&Arc<str>, &Usage)| {
                let total = usage.workers + here.get(user).map_or(0, |here| here.workers);
                (total > cap).then(|| (user.clone(), total - cap))
            };
            elsewhere.iter().filter_map(total).collect()
        };
        self.tally.set_elsewhere(elsewhere);
        for (user, surplus) in over {
            for _ in 0..surplus {
                let seats: Vec<_> = self.roster.lock().places.values().cloned().collect();
                let Some(idle) = longest_idle(&seats, |owner| *owner == user) else { break };
                idle.hibernate();
            }
        }
    }

    /// Takes other limits and times.
    pub(crate) fn adjust(&self, adjustment: Adjustment) {
        self.config.adjusted.set(adjustment);
        self.warm.look();
    }

    /// No worker is started any more.
    pub(crate) fn close(&self) {
        self.roster.lock().closed = true;
        self.end_warm_workers();
    }

    /// All seats that have a worker.
    pub(crate) fn seats(&self) -> Vec<Arc<Seat>> {
        let roster = self.roster.lock();
        roster.places.values().filter_map(|(_, seat)| seat.upgrade()).collect()
    }

    pub(crate) fn workers(&self) -> usize {
        self.roster.lock().places.len()
    }

    /// Starts a process with this access. A failure is counted, and held against the program if the program caused it.
    pub(crate) async fn launch(&self, label: &str, access: &dyn WorkerAccess) -> Result<RunningWorker, Refusal> {
        let request =
            ProcessRequest { url: access.url().to_owned(), token: access.token().to_owned(), label: label.to_owned() };
        match timeout(self.config.start_timeout, self.starter.start(request)).await {
            Ok(Ok(running)) => return Ok(running),
            Ok(Err(error)) => {
                // A machine that is out of processes, or a broker that stops, says nothing about the program.
                if matches!(error, SpawnError::Program { .. }) {
                    self.breaker.failed(Instant::now());
                }
                tracing::warn!(worker.label = %label, error = %error, "worker could not be started");
            }
            Err(_) => tracing::warn!(worker.label = %label, "starting a worker process took too long"),
        }
        self.start_failed();
        let message = "the MCP server behind this broker could not be started; try again later";
        Err(Refusal::unavailable("start_failed", 2, message))
    }

    /// Counts a request that is not answered, unless another replica answers it.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        if refusal.elsewhere.is_none() {
            self.observer.refused(refusal.label);
        }
    }

    /// Tells workers apart in the log.
    pub(crate) fn next_worker(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn start_succeeded(&self) {
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.breaker.succeeded();
        self.observer.worker_started();
    }

    pub(crate) fn start_failed(&self) {
        self.failed_starts.fetch_add(1, Ordering::Relaxed);
        self.observer.worker_start_failed();
    }
}

fn longest_idle(seats: &[(Arc<str>, Weak<Seat>)], of: impl Fn(&Arc<str>) -> bool) -> Option<Arc<Seat>> {
    let idle = |seat: Arc<Seat>| Some((seat.idle_since()?, seat));
    let seats = seats.iter().filter(|(owner, _)| of(owner)).filter_map(|(_, seat)| idle(seat.upgrade()?));
    seats.min_by_key(|(since, _)| *since).map(|(_, seat)| seat)
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.shop.roster.lock().places.remove(&self.number);
        self.shop.warm.look();
    }
}
