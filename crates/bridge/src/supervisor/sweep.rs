//! What happens without being asked: idle workers stop, sessions that nobody uses leave the memory, records are written.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::Supervisor;
use crate::seat::Seat;
use crate::workshop::Workshop;

/// How long an ended grant is remembered: longer than any request that was let in before its end takes to begin its work.
const REMEMBER_ENDED: Duration = Duration::from_mins(10);

/// How long sessions that gave up their workers wait for others before all of them leave the memory.
const TOGETHER: Duration = Duration::from_millis(250);

// === impl Supervisor ===

impl Supervisor {
    pub(super) fn begin_sweeping(self: &Arc<Self>) {
        let (ledger, stop) = (self.ledger.clone(), self.background.clone());
        tokio::spawn(async move { stop.run_until_cancelled(ledger.keep()).await });
        let (pool, stop) = (self.shop().clone(), self.background.clone());
        tokio::spawn(async move { stop.run_until_cancelled(pool.keep_warm()).await });
        let (supervisor, stop) = (Arc::downgrade(self), self.background.clone());
        let every = self.shop().config.sweep_interval;
        let workshop = self.shop().clone();
        tokio::spawn(async move { stop.run_until_cancelled(sweep_on(supervisor, workshop, every)).await });
    }

    /// One sweep.
    pub(super) fn sweep(self: &Arc<Self>) {
        let now = Instant::now();
        self.stop_idle_workers(now);
        // A client that holds a stream uses the session, even if it asks nothing.
        self.each_session(|session| {
            if session.server_stream().is_attached() {
                session.touch();
            }
        });
        self.let_go();
        let unused: Vec<_> = {
            let mut shared = self.shared.lock();
            shared.extract_if(|_, shared| Arc::strong_count(shared) == 1 && shared.is_unused()).collect()
        };
        drop(unused);
        let unused: Vec<_> = {
            let mut native = self.native.lock();
            native.extract_if(|_, native| Arc::strong_count(native) == 1 && native.seat().is_empty()).collect()
        };
        drop(unused);
        self.ended_grants.lock().retain(|_, ended| now.duration_since(*ended) < REMEMBER_ENDED);
    }

    fn stop_idle_workers(&self, now: Instant) {
        let config = &self.shop().config;
        let left: Vec<_> = {
            let sessions = self.sessions.lock();
            sessions.values().filter(|session| session.was_left()).map(|session| session.seat().clone()).collect()
        };
        for seat in left {
            seat.hibernate();
        }
        let mut kept: HashMap<Arc<str>, usize> = HashMap::new();
        let idle = |seat: Arc<Seat>| Some((seat.idle_since()?, seat));
        let mut idle: Vec<(Instant, Arc<Seat>)> = self.shop().seats().into_iter().filter_map(idle).collect();
        idle.retain(|(since, _)| now.duration_since(*since) >= config.now().session_idle_timeout);
        // Those idle for the shortest time keep their workers first.
        idle.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
        for (_, seat) in idle {
            if seat.needs_worker() {
                let kept = kept.entry(seat.user().clone()).or_default();
                *kept += 1;
                if *kept <= config.max_kept_workers_per_user {
                    continue;
                }
            }
            seat.hibernate();
        }
    }
}

async fn sweep_on(supervisor: Weak<Supervisor>, shop: Arc<Workshop>, every: Duration) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let Some(supervisor) = supervisor.upgrade() else { return };
                supervisor.sweep();
            }
            // Where sessions come faster than sweeps, those that gave up their workers would pile up.
            () = shop.room_made.notified() => {
                sleep(TOGETHER).await;
                let Some(supervisor) = supervisor.upgrade() else { return };
                supervisor.let_go();
            }
        }
    }
}
