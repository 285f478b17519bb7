//! Who has how much: per user and in total, counted by guards that give back what they took when they are dropped.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::replica::Usage;

/// Counts of one user.
#[derive(Default)]
struct Counts {
    calls: AtomicUsize,
    streams: AtomicUsize,
    parked: AtomicUsize,
}

/// The counts of all users. Cheap to share.
#[derive(Default)]
pub(crate) struct Tally {
    users: Mutex<HashMap<Arc<str>, Weak<Counts>>>,
    total: Arc<Total>,
    /// What users have open at other replicas, as those last said.
    elsewhere: RwLock<HashMap<Arc<str>, Usage>>,
}

#[derive(Default)]
struct Total {
    counts: Counts,
    /// No call is open any more.
    quiet: Notify,
}

/// One open call.
pub(crate) struct CallGuard(Guard);

/// One stream that a client reads.
pub(crate) struct StreamGuard(Guard);

/// One call whose client has been sent away to answer a question.
pub(crate) struct ParkGuard(Guard);

struct Guard {
    of_user: Arc<Counts>,
    total: Arc<Total>,
}

// === impl Tally ===

impl Tally {
    /// `None` if the user has `limit` calls open already.
    pub(crate) fn call(&self, user: &Arc<str>, limit: usize) -> Option<CallGuard> {
        let guard = self.guard(user);
        let open = guard.of_user.calls.fetch_add(1, Ordering::Relaxed);
        guard.total.counts.calls.fetch_add(1, Ordering::Relaxed);
        let guard = CallGuard(guard);
        (open + self.elsewhere(user).calls < limit).then_some(guard)
    }

    /// `None` if the user has `limit` streams open already.
    pub(crate) fn stream(&self, user: &Arc<str>, limit: usize) -> Option<StreamGuard> {
        let guard = self.guard(user);
        let open = guard.of_user.streams.fetch_add(1, Ordering::Relaxed);
        guard.total.counts.streams.fetch_add(1, Ordering::Relaxed);
        let guard = StreamGuard(guard);
        (open + self.elsewhere(user).streams < limit).then_some(guard)
    }

    /// `None` if as many calls of the user wait for answers of their clients as may.
    pub(crate) fn park(&self, user: &Arc<str>, limit: usize) -> Option<ParkGuard> {
        let guard = self.guard(user);
        let parked = guard.of_user.parked.fetch_add(1, Ordering::Relaxed);
        let guard = ParkGuard(guard);
        (parked + self.elsewhere(user).parked < limit).then_some(guard)
    }

    /// A stream that is bounded elsewhere: that of a POST, by its call.
    pub(crate) fn unlimited_stream(&self, user: &Arc<str>) -> StreamGuard {
        let guard = self.guard(user);
        guard.of_user.streams.fetch_add(1, Ordering::Relaxed);
        guard.total.counts.streams.fetch_add(1, Ordering::Relaxed);
        StreamGuard(guard)
    }

    /// What the user has open at other replicas.
    pub(crate) fn elsewhere(&self, user: &Arc<str>) -> Usage {
        self.elsewhere.read().get(user).copied().unwrap_or_default()
    }

    pub(crate) fn set_elsewhere(&self, usage: HashMap<Arc<str>, Usage>) {
        *self.elsewhere.write() = usage;
    }

    /// What users have open here, workers not included.
    pub(crate) fn usage(&self) -> HashMap<Arc<str>, Usage> {
        let users = self.users.lock();
        let of = |counts: &Counts| Usage {
            calls: counts.calls.load(Ordering::Relaxed),
            streams: counts.streams.load(Ordering::Relaxed),
            parked: counts.parked.load(Ordering::Relaxed),
            ..Usage::default()
        };
        let usage = users.iter().filter_map(|(user, counts)| Some((user.clone(), of(&*counts.upgrade()?))));
        usage.filter(|(_, usage)| *usage != Usage::default()).collect()
    }

    pub(crate) fn calls(&self) -> usize {
        self.total.counts.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn streams(&self) -> usize {
        self.total.counts.streams.load(Ordering::Relaxed)
    }

    /// Returns when no call is open.
    pub(crate) async fn quiet(&self) {
        loop {
            let quiet = self.total.quiet.notified();
            tokio::pin!(quiet);
            quiet.as_mut().enable();
            if self.calls() == 0 {
                return;
            }
            quiet.await;
        }
    }

    fn guard(&self, user: &Arc<str>) -> Guard {
        let mut users = self.users.lock();
        let known = users.get(user).and_then(Weak::upgrade);
        let of_user = known.unwrap_or_else(|| {
            // Users who have nothing open any more leave when the map would grow.
            if users.len() == users.capacity() {
                users.retain(|_, counts| counts.strong_count() > 0);
            }
            let counts = Arc::new(Counts::default());
            users.insert(user.clone(), Arc::downgrade(&counts));
            counts
        });
        Guard { of_user, total: self.total.clone() }
    }
}

// === impl CallGuard ===

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.0.of_user.calls.fetch_sub(1, Ordering::Relaxed);
        if self.0.total.counts.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.total.quiet.notify_waiters();
        }
    }
}

// === impl ParkGuard ===

impl Drop for ParkGuard {
    fn drop(&mut self) {
        self.0.of_user.parked.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl StreamGuard ===

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.of_user.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.total.counts.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_at_the_limit_is_refused_and_others_are_not() {
        let tally = Tally::default();
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let held = tally.call(&alice, 1);
        assert!(held.is_some() && tally.call(&alice, 1).is_none());
        assert!(tally.call(&bob, 1).is_some());
        drop(held);
        assert!(tally.call(&alice, 1).is_some());
        assert_eq!(tally.calls(), 0);
    }

    #[test]
    fn what_a_user_has_open_at_other_replicas_counts_against_his_limits() {
        let tally = Tally::default();
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        tally.set_elsewhere(HashMap::from([(
            alice.clone(),
            Usage { calls: 2, streams: 1, parked: 3, ..Usage::default() },
        )]));
        assert!(tally.call(&alice, 2).is_none() && tally.call(&alice, 3).is_some() && tally.call(&bob, 1).is_some());
        assert!(tally.stream(&alice, 1).is_none() && tally.park(&alice, 3).is_none());
        let _held = (tally.call(&bob, 5), tally.unlimited_stream(&bob));
        assert_eq!(tally.usage(), HashMap::from([(bob, Usage { calls: 1, streams: 1, ..Usage::default() })]));
    }

    #[test]
    fn users_with_nothing_open_take_no_room() {
        let tally = Tally::default();
        for user in 0..10_000 {
            drop(tally.stream(&format!("user {user}").into(), 5));
        }
        assert!(tally.users.lock().len() < 100);
    }
}
