//! What one user may take: requests a minute, requests at once, bytes a minute.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{config::GatewayLimits, refusal::Refusal};

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// [`GatewayLimits::requests_per_minute`]
    Requests,
    /// [`GatewayLimits::at_once`]
    AtOnce,
    /// [`GatewayLimits::bytes_per_minute`]
    Bytes,
}

/// The limits of all users.
#[derive(Debug)]
pub(super) struct Limits {
    config: GatewayLimits,
    queue: Duration,
    users: Mutex<HashMap<Arc<str>, Arc<UserLimits>>>,
}

/// A request's place among its user's; moves into the answer's body and ends with it.
#[derive(Debug)]
pub(super) struct Permit {
    user: Arc<UserLimits>,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct UserLimits {
    places: Arc<Semaphore>,
    requests: Mutex<Bucket>,
    bytes: Mutex<Bucket>,
}

/// A token bucket that may go into debt.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    capacity: f64,
    level: f64,
    filled_at: Instant,
}

/// Users without a request are forgotten when this many are known.
const REMEMBERED_USERS: usize = 1024;

// === impl Limits ===

impl Limits {
    pub(super) fn new(config: GatewayLimits, queue: Duration) -> Self {
        Self { config, queue, users: Mutex::new(HashMap::new()) }
    }

    /// Counts one request, whatever becomes of it: a worker that only collects refusals is limited too.
    pub(super) fn count(&self, user: &Arc<str>) -> Result<(), Refusal> {
        let limits = self.of(user);
        if let Err(retry_after) = limits.bytes.lock().check(Instant::now()) {
            return Err(Refusal::Limit { kind: LimitKind::Bytes, retry_after });
        }
        if let Err(retry_after) = limits.requests.lock().take_one(Instant::now()) {
            return Err(Refusal::Limit { kind: LimitKind::Requests, retry_after });
        }
        Ok(())
    }

    /// Takes a place for a request that is forwarded, waiting for one a while.
    pub(super) async fn enter(&self, user: &Arc<str>) -> Result<Permit, Refusal> {
        let limits = self.of(user);
        if let Ok(place) = Arc::clone(&limits.places).try_acquire_owned() {
            return Ok(Permit { user: limits, _place: place });
        }
        match timeout(self.queue, Arc::clone(&limits.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(Permit { user: limits, _place: place }),
            Ok(Err(_)) | Err(_) => Err(Refusal::Limit { kind: LimitKind::AtOnce, retry_after: 1 }),
        }
    }

    fn of(&self, user: &Arc<str>) -> Arc<UserLimits> {
        let mut users = self.users.lock();
        if let Some(known) = users.get(user) {
            return Arc::clone(known);
        }
        if users.len() >= REMEMBERED_USERS {
            let now = Instant::now();
            users.retain(|_, limits| Arc::strong_count(limits) > 1 || !limits.is_rested(now));
        }
        let fresh = Arc::new(UserLimits::new(&self.config));
        users.insert(Arc::clone(user), Arc::clone(&fresh));
        fresh
    }
}

// === impl Permit ===

impl Permit {
    /// Counts bytes that went through, either way.
    pub(super) fn spend(&self, bytes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a limit need not be exact beyond 2^52 bytes")]
        self.user.bytes.lock().take(bytes as f64, Instant::now());
    }
}

// === impl UserLimits ===

impl UserLimits {
    fn new(config: &GatewayLimits) -> Self {
        let now = Instant::now();
        let places = usize::try_from(config.at_once).unwrap_or(Semaphore::MAX_PERMITS).clamp(1, Semaphore::MAX_PERMITS);
        #[expect(clippy::cast_precision_loss, reason = "a limit need not be exact beyond 2^52 bytes")]
        let bytes = Bucket::full(config.bytes_per_minute as f64, now);
        Self {
            places: Arc::new(Semaphore::new(places)),
            requests: Mutex::new(Bucket::full(f64::from(config.requests_per_minute), now)),
            bytes: Mutex::new(bytes),
        }
    }

    fn is_rested(&self, now: Instant) -> bool {
        self.requests.lock().is_full(now) && self.bytes.lock().is_full(now)
    }
}

// === impl Bucket ===

impl Bucket {
    fn full(capacity: f64, now: Instant) -> Self {
        let capacity = capacity.max(1.0);
        Self { capacity, level: capacity, filled_at: now }
    }

    fn refill(&mut self, now: Instant) {
        let minutes = now.saturating_duration_since(self.filled_at).as_secs_f64() / 60.0;
        self.level = (self.level + minutes * self.capacity).min(self.capacity);
        self.filled_at = now;
    }

    fn take(&mut self, amount: f64, now: Instant) {
        self.refill(now);
        self.level -= amount;
    }

    /// Takes one unit, or says in how many seconds one will be there.
    fn take_one(&mut self, now: Instant) -> Result<(), u32> {
        self.refill(now);
        if self.level < 1.0 {
            return Err(self.seconds_until(1.0));
        }
        self.level -= 1.0;
        Ok(())
    }

    /// Whether anything is left, or in how many seconds it will be.
    fn check(&mut self, now: Instant) -> Result<(), u32> {
        self.refill(now);
        if self.level <= 0.0 { Err(self.seconds_until(1.0)) } else { Ok(()) }
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.level >= self.capacity
    }

    fn seconds_until(&self, level: f64) -> u32 {
        let seconds = ((level - self.level) / self.capacity * 60.0).ceil().clamp(1.0, 3600.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=3600 just above")]
        let seconds = seconds as u32;
        seconds
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Requests => "too many requests in one minute",
            Self::AtOnce => "too many requests at once",
            Self::Bytes => "too many bytes in one minute",
        })
    }
}

#[cfg(test)]
mod tests;
