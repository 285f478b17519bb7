//! The grants that are in use in this process, so that their end is known to every room at once without asking the store.
//!
//! A bearer token, a worker's access and the gateway all look at the same [`LiveGrant`]; revoking or changing it is one store and is seen by
//! the next request of any of them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use forgejo::gateway::{ChosenRepositories, GrantAccess, GrantLookup, GrantTerms};
use oauth::clock::Timestamp;
use oauth::grant::{Grant, GrantLimits};
use oauth::id::{ClientId, GrantId, UserId};
use oauth::scope::{Access, ScopeSet};
use parking_lot::{Mutex, RwLock};

use crate::rate_limit::{GrantLimit, Rate, TooMany};
use crate::tombstones::Tombstones;

/// A grant in use.
#[derive(Debug)]
pub(crate) struct LiveGrant {
    /// What of it never changes.
    pub(crate) grant: Parties,
    access: RwLock<Arc<LiveAccess>>,
    ended: AtomicBool,
    /// How often it may ask; `None` is as often as it likes.
    limit: RwLock<Option<GrantLimit>>,
    last_used_at: AtomicI64,
}

/// Who granted, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parties {
    pub(crate) id: GrantId,
    pub(crate) user: UserId,
    pub(crate) client: ClientId,
}

/// What a grant allows at this moment. To be asked for at every request, never kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LiveAccess {
    pub(crate) scope: ScopeSet,
    pub(crate) limits: GrantLimits,
    chosen: Option<Arc<ChosenRepositories>>,
}

/// All grants in use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveGrants(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    live: HashMap<Arc<str>, Weak<LiveGrant>>,
    rate: Option<Rate>,
    /// A request may have read a grant from the store just before it was revoked and enter it just after.
    ended: Tombstones<Arc<str>>,
    /// The same with one that was changed.
    changed: Tombstones<Arc<str>, Arc<LiveAccess>>,
    /// Users who may not enter at present.
    suspended: HashSet<Arc<str>>,
}

// === impl LiveAccess ===

impl LiveAccess {
    fn new(scope: ScopeSet, limits: GrantLimits) -> Arc<Self> {
        let chosen = limits.repositories.as_ref().map(|ids| Arc::new(ids.iter().copied().collect()));
        Arc::new(Self { scope, limits, chosen })
    }

    fn terms(&self) -> GrantTerms {
        let access = match self.scope.access() {
            Access::Read => GrantAccess::ReadOnly,
            Access::Write => GrantAccess::ReadWrite,
        };
        GrantTerms { access, repositories: self.chosen.clone() }
    }
}

// === impl LiveGrant ===

impl LiveGrant {
    /// Its scope and limits as they are now.
    pub(crate) fn access(&self) -> Arc<LiveAccess> {
        Arc::clone(&self.access.read())
    }

    /// Whether it has been revoked since it came into use.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Takes one request to `/mcp` into account.
    pub(crate) fn charge(&self) -> Result<(), TooMany> {
        self.limit.read().as_ref().map_or(Ok(()), GrantLimit::charge)
    }

    /// Notes a use; true if the last one that was noted is at least a minute old, and so worth writing down.
    pub(crate) fn used(&self, now: Timestamp) -> bool {
        let last = self.last_used_at.load(Ordering::Relaxed);
        now.0 - last >= 60_000
            && self.last_used_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

// === impl LiveGrants ===

impl LiveGrants {
    /// No grants yet; each of them may ask as often as `rate`.
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self(Arc::new(Mutex::new(Known { rate, ..Known::default() })))
    }

    /// Every grant may ask as often as `rate` from now on. Those in use begin with a full allowance, unless that is what they had.
    pub(crate) fn set_rate(&self, rate: Option<Rate>) {
        let mut known = self.0.lock();
        if known.rate == rate {
            return;
        }
        known.rate = rate;
        for live in known.live.values().filter_map(Weak::upgrade) {
            *live.limit.write() = rate.and_then(GrantLimit::new);
        }
    }

    /// The shared object of a grant that was read from the store.
    pub(crate) fn enter(&self, grant: Grant) -> Arc<LiveGrant> {
        let mut known = self.0.lock();
        if let Some(live) = known.live.get(grant.id.as_str()).and_then(Weak::upgrade) {
            return live;
        }
        let id = grant.id.to_shared();
        let ended = AtomicBool::new(!grant.is_live() || known.ended.has(&id));
        let last = grant.last_used_at.map_or(0, |at| at.0);
        let limit = RwLock::new(known.rate.and_then(GrantLimit::new));
        let access = known.changed.get(&id).cloned();
        let access = RwLock::new(access.unwrap_or_else(|| LiveAccess::new(grant.scope, grant.limits)));
        let grant = Parties { id: grant.id, user: grant.user, client: grant.client };
        let entered = Arc::new(LiveGrant { grant, access, ended, limit, last_used_at: AtomicI64::new(last) });
        known.live.insert(id, Arc::downgrade(&entered));
        entered
    }

    /// The grant, if it is in use here.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<LiveGrant>> {
        self.0.lock().live.get(id).and_then(Weak::upgrade)
    }

    /// Ends a grant for every room of this process.
    pub(crate) fn end(&self, id: &GrantId) {
        let mut known = self.0.lock();
        known.ended.bury(id.to_shared(), ());
        if let Some(live) = known.live.get(id.as_str()).and_then(Weak::upgrade) {
            live.ended.store(true, Ordering::Release);
        }
    }

    /// Gives a grant another scope and other limits, for every room of this process.
    pub(crate) fn change(&self, id: &GrantId, scope: ScopeSet, limits: GrantLimits) {
        let access = LiveAccess::new(scope, limits);
        let mut known = self.0.lock();
        known.changed.bury(id.to_shared(), Arc::clone(&access));
        if let Some(live) = known.live.get(id.as_str()).and_then(Weak::upgrade) {
            *live.access.write() = access;
        }
    }

    /// Suspends all grants of a user, or lets them count again. Whether that changed anything.
    pub(crate) fn suspend(&self, user: &Arc<str>, suspended: bool) -> bool {
        let mut known = self.0.lock();
        if suspended { known.suspended.insert(Arc::clone(user)) } else { known.suspended.remove(user) }
    }

    /// Nobody's grants are suspended any more.
    pub(crate) fn resume_all(&self) {
        self.0.lock().suspended.clear();
    }

    /// The users whose grants are in use.
    pub(crate) fn users(&self) -> Vec<Arc<str>> {
        let live: Vec<Arc<LiveGrant>> = self.0.lock().live.values().filter_map(Weak::upgrade).collect();
        let users: HashSet<Arc<str>> = live.iter().map(|live| live.grant.user.to_shared()).collect();
        users.into_iter().collect()
    }

    fn is_suspended(&self, live: &LiveGrant) -> bool {
        self.0.lock().suspended.contains(live.grant.user.as_str())
    }

    /// Forgets the entries that nobody uses any more. To be called less often than a request may take.
    pub(crate) fn prune(&self) {
        let mut known = self.0.lock();
        known.live.retain(|_, live| live.strong_count() > 0);
        known.ended.age();
        known.changed.age();
    }
}

impl GrantLookup for LiveGrants {
    fn terms(&self, grant: &str) -> GrantTerms {
        match self.get(grant) {
            Some(live) if !live.has_ended() && !self.is_suspended(&live) => live.access().terms(),
            _ => GrantTerms::ENDED,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use oauth::grant::GrantLimits;
    use oauth::scope::ScopeSet;

    use super::*;

    fn grant(scope: ScopeSet) -> Grant {
        Grant {
            id: "g".into(),
            user: "u".into(),
            client: "c".into(),
            scope,
            limits: GrantLimits::default(),
            resource: "https://b.example/mcp".into(),
            created_at: Timestamp(0),
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn the_end_of_a_grant_is_seen_by_everyone_who_holds_it() {
        let grants = LiveGrants::default();
        let held = grants.enter(grant(ScopeSet::READ_WRITE));
        assert_eq!(grants.terms("g").access, GrantAccess::ReadWrite);
        grants.end(&"g".into());
        assert!(held.has_ended());
        assert_eq!(grants.terms("g").access, GrantAccess::Ended);
    }

    #[test]
    fn the_grants_of_a_suspended_user_allow_nothing_until_he_is_let_in_again() {
        let grants = LiveGrants::default();
        let _held = grants.enter(grant(ScopeSet::READ_WRITE));
        assert_eq!(grants.users(), [Arc::from("u")]);
        assert!(grants.suspend(&"u".into(), true) && !grants.suspend(&"u".into(), true));
        assert_eq!(grants.terms("g").access, GrantAccess::Ended);
        assert!(grants.suspend(&"u".into(), false));
        assert_eq!(grants.terms("g").access, GrantAccess::ReadWrite);
    }

    #[test]
    fn a_read_only_grant_is_read_only_at_the_gateway() {
        let grants = LiveGrants::default();
        let _held = grants.enter(grant(ScopeSet::READ));
        assert_eq!(grants.terms("g").access, GrantAccess::ReadOnly);
    }

    #[test]
    fn a_grant_that_nobody_holds_allows_nothing_and_is_forgotten() {
        let grants = LiveGrants::default();
        drop(grants.enter(grant(ScopeSet::READ)));
        assert_eq!(grants.terms("g").access, GrantAccess::Ended);
        grants.prune();
        assert!(grants.0.lock().live.is_empty());
    }

    #[test]
    fn a_grant_read_before_its_end_and_entered_after_it_is_ended() {
        let grants = LiveGrants::default();
        let read_before = grant(ScopeSet::READ);
        grants.end(&read_before.id);
        assert!(grants.enter(read_before).has_ended());
    }

    fn limited_to(repositories: &[i64]) -> GrantLimits {
        GrantLimits { repositories: Some(repositories.to_vec()) }
    }

    #[test]
    fn a_change_of_scope_and_limits_is_seen_by_everyone_who_holds_the_grant() {
        let grants = LiveGrants::default();
        let held = grants.enter(grant(ScopeSet::READ_WRITE));
        assert_eq!(grants.terms("g").repositories, None);
        grants.change(&"g".into(), ScopeSet::READ, limited_to(&[7]));
        assert_eq!((held.access().scope, &held.access().limits), (ScopeSet::READ, &limited_to(&[7])));
        let terms = grants.terms("g");
        assert_eq!(terms.access, GrantAccess::ReadOnly);
        assert!(terms.repositories.is_some_and(|chosen| chosen.contains(7) && !chosen.contains(8)));
        grants.change(&"g".into(), ScopeSet::READ_WRITE, GrantLimits::default());
        assert_eq!(grants.terms("g"), GrantTerms { access: GrantAccess::ReadWrite, repositories: None });
    }

    #[test]
    fn a_grant_read_before_a_change_and_entered_after_it_is_changed() {
        let grants = LiveGrants::default();
        let read_before = grant(ScopeSet::READ_WRITE);
        grants.change(&read_before.id, ScopeSet::READ, limited_to(&[]));
        let held = grants.enter(read_before);
        assert_eq!((held.access().scope, &held.access().limits), (ScopeSet::READ, &limited_to(&[])));
    }

    #[test]
    fn another_rate_holds_for_grants_that_are_in_use_already() {
        let rate = |requests| Rate { requests: NonZeroU32::new(requests).unwrap(), per: Duration::from_hours(1) };
        let grants = LiveGrants::new(Some(rate(1)));
        let held = grants.enter(grant(ScopeSet::READ));
        let admitted = || (0..10).filter(|_| held.charge().is_ok()).count();
        assert_eq!(admitted(), 1);
        grants.set_rate(Some(rate(1)));
        assert_eq!(admitted(), 0, "a reload that changes nothing gives no new allowance");
        grants.set_rate(Some(rate(3)));
        assert_eq!(admitted(), 3);
        grants.set_rate(None);
        assert_eq!(admitted(), 10);
    }

    #[test]
    fn uses_are_written_down_at_most_once_a_minute() {
        let grants = LiveGrants::default();
        let held = grants.enter(grant(ScopeSet::READ));
        assert!(held.used(Timestamp(60_000)));
        assert!(!held.used(Timestamp(119_999)));
        assert!(held.used(Timestamp(120_000)));
    }
}
