//! How often somebody may ask: by address before there is a token, by grant after it.
//!
//! Buckets are governor's (GCRA: one number per bucket). Addresses live in a table of fixed size, in which those that were seen least give way,
//! so that a flood of addresses costs no memory; whoever has that many gets no further by it, because what is behind the limits has limits
//! of its own. A grant's bucket lives and dies with the grant in memory. The clock is monotonic and a type parameter, because a step of the
//! machine's clock must not lock everybody out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{NotUntil, Quota, RateLimiter};
use ipnet::IpNet;
use parking_lot::Mutex;
use quick_cache::unsync::Cache;

/// Buckets that one limit keeps.
const BUCKETS: usize = 20_000;
/// How many times the usual a network is allowed from which many users come.
const SHARED_FACTOR: u32 = 100;

/// A number of requests per span of time; all of them may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub requests: NonZeroU32,
    /// In what time; not zero.
    pub per: Duration,
}

/// Somebody asks too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; try again in {retry_after} s")]
pub(crate) struct TooMany {
    /// Seconds, at least one.
    pub(crate) retry_after: u32,
}

/// One limit for all addresses, each with its own bucket.
pub(crate) struct AddressLimit<C: Clock = MonotonicClock> {
    usual: Limiter<Source, Buckets, C>,
    wide: Limiter<Source, Buckets, C>,
    shared: Arc<[IpNet]>,
}

/// The limit of one grant.
pub(crate) struct GrantLimit(Limiter<NotKeyed, InMemoryState, MonotonicClock>);

type Limiter<K, S, C> = RateLimiter<K, S, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Who shares a bucket. An IPv6 user has at least a /64 for himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4(Ipv4Addr),
    V6Network(u64),
    Shared(usize),
}

struct Buckets(Mutex<Cache<Source, Nanos>>);

// === impl Rate ===

impl Rate {
    fn quota(self, factor: u32) -> Option<Quota> {
        let burst = self.requests.saturating_mul(NonZeroU32::new(factor)?);
        Some(Quota::with_period(self.per / burst.get())?.allow_burst(burst))
    }
}

// === impl TooMany ===

impl TooMany {
    fn of<C: Clock>(until: &NotUntil<C::Instant>, clock: &C) -> Self {
        let wait = until.wait_time_from(clock.now());
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: u32::try_from(seconds).unwrap_or(u32::MAX).max(1) }
    }
}

// === impl AddressLimit ===

impl<C: Clock + Clone> AddressLimit<C> {
    /// A limit of `rate`, and of a hundred times that for each network in `shared`. `None` for a rate without time.
    pub(crate) fn new(rate: Rate, shared: Arc<[IpNet]>, clock: &C) -> Option<Self> {
        let limiter = |factor| Some(RateLimiter::new(rate.quota(factor)?, Buckets::new(), clock.clone()));
        Some(Self { usual: limiter(1)?, wide: limiter(SHARED_FACTOR)?, shared })
    }

    /// Takes one request of `address` into account.
    pub(crate) fn charge(&self, address: IpAddr) -> Result<(), TooMany> {
        let address = address.to_canonical();
        let shared = self.shared.iter().position(|network| network.contains(&address));
        let (limiter, source) = match (shared, address) {
            (Some(index), _) => (&self.wide, Source::Shared(index)),
            (None, IpAddr::V4(v4)) => (&self.usual, Source::V4(v4)),
            (None, IpAddr::V6(v6)) => (&self.usual, Source::V6Network((v6.to_bits() >> 64) as u64)),
        };
        limiter.check_key(&source).map_err(|until| TooMany::of(&until, limiter.clock()))
    }
}

// === impl GrantLimit ===

impl GrantLimit {
    /// A limit of `rate`. `None` for a rate without time.
    pub(crate) fn new(rate: Rate) -> Option<Self> {
        Some(Self(RateLimiter::new(rate.quota(1)?, InMemoryState::default(), MonotonicClock)))
    }

    /// Takes one request into account.
    pub(crate) fn charge(&self) -> Result<(), TooMany> {
        self.0.check().map_err(|until| TooMany::of(&until, self.0.clock()))
    }
}

impl fmt::Debug for GrantLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantLimit")
    }
}

// === impl Buckets ===

impl Buckets {
    fn new() -> Self {
        Self(Mutex::new(Cache::new(BUCKETS)))
    }
}

impl StateStore for Buckets {
    type Key = Source;

    fn measure_and_replace<T, F, E>(&self, key: &Source, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut buckets = self.0.lock();
        let (outcome, state) = decide(buckets.get(key).copied())?;
        buckets.insert(*key, state);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn rate(requests: u32, seconds: u64) -> Rate {
        Rate { requests: NonZeroU32::new(requests).unwrap(), per: Duration::from_secs(seconds) }
    }

    fn limit(requests: u32, seconds: u64) -> (AddressLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let shared: Arc<[IpNet]> = ["160.79.104.0/21".parse().unwrap(), "2001:db8::/32".parse().unwrap()].into();
        (AddressLimit::new(rate(requests, seconds), shared, &clock).unwrap(), clock)
    }

    fn admitted(limit: &AddressLimit<FakeRelativeClock>, address: &str, tries: usize) -> usize {
        let address = address.parse().unwrap();
        (0..tries).filter(|_| limit.charge(address).is_ok()).count()
    }

    #[test]
    fn an_address_has_its_burst_and_then_its_rate() {
        let (limit, clock) = limit(6, 60);
        assert_eq!(admitted(&limit, "203.0.113.1", 10), 6);
        assert_eq!(limit.charge("203.0.113.1".parse().unwrap()), Err(TooMany { retry_after: 10 }));
        clock.advance(Duration::from_secs(10));
        assert_eq!(admitted(&limit, "203.0.113.1", 10), 1);
        clock.advance(Duration::from_mins(10));
        assert_eq!(admitted(&limit, "203.0.113.1", 10), 6, "no more is saved up than a burst");
    }

    #[test]
    fn addresses_do_not_disturb_each_other_but_a_v6_network_is_one() {
        let (limit, _clock) = limit(2, 60);
        assert_eq!(admitted(&limit, "203.0.113.1", 5), 2);
        assert_eq!(admitted(&limit, "203.0.113.2", 5), 2);
        assert_eq!(admitted(&limit, "::ffff:203.0.113.2", 5), 0, "the same in the dress of v6");
        let network: usize = ["2a00::1", "2a00::2", "2a00::ffff:3"].iter().map(|one| admitted(&limit, one, 1)).sum();
        assert_eq!(network, 2);
        assert_eq!(admitted(&limit, "2a00:0:0:1::1", 5), 2);
    }

    #[test]
    fn a_network_of_many_users_has_a_wide_bucket_of_its_own() {
        // clients.md pain 15
        let (limit, _clock) = limit(2, 60);
        assert_eq!(admitted(&limit, "160.79.104.10", 150) + admitted(&limit, "160.79.111.9", 150), 200);
        assert_eq!(admitted(&limit, "2001:db8::1", 300), 200);
        assert_eq!(admitted(&limit, "160.79.112.1", 5), 2, "the next network is a stranger's");
    }

    #[test]
    fn a_flood_of_addresses_costs_no_more_than_the_table() {
        let (limit, _clock) = limit(1, 60);
        for bits in 0..200_000 {
            let _ = limit.charge(Ipv4Addr::from_bits(bits).into());
        }
        assert!(limit.usual.into_state_store().0.lock().len() <= BUCKETS);
    }

    #[test]
    fn a_grant_has_a_bucket_of_its_own() {
        let limit = GrantLimit::new(rate(3, 3600)).unwrap();
        assert_eq!((0..10).filter(|_| limit.charge().is_ok()).count(), 3);
        assert!(limit.charge().unwrap_err().retry_after > 1000);
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate(requests in 1u32..50, steps in proptest::collection::vec(0u64..5_000, 1..200)) {
            let (limit, clock) = limit(requests, 10);
            let (mut passed, mut elapsed) = (0u64, 0);
            for step in steps {
                clock.advance(Duration::from_millis(step));
                elapsed += step;
                passed += u64::from(limit.charge(IpAddr::V4(Ipv4Addr::LOCALHOST)).is_ok());
                prop_assert!(passed <= u64::from(requests) + elapsed * u64::from(requests) / 10_000 + 1);
            }
        }
    }
}
