//! Back-off and circuit breaker for a program that does not start.
//!
//! One failure may be chance. From the second one on, each start has to wait longer than the one before, and only one start
//! is let through when the wait is over: it decides for all. Only failures of the program count; the caller leaves out those
//! that the machine or the broker caused. Forgejo can't cause any: the gateway answers a worker's start-up probes itself.
//!
//! A process that is killed from outside during its handshake counts. Mostly that is the kernel's want of memory, and to start one after
//! the other would make it worse; whoever else kills workers costs a start that waits a second or two, until the next one succeeds.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const LONGEST_WAIT: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    not_before: Option<Instant>,
}

// === impl Breaker ===

impl Breaker {
    /// Lets a start through, or says how long to wait.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.0.lock();
        let wait = wait_after(state.failures);
        if wait.is_zero() {
            return Ok(());
        }
        match state.not_before {
            Some(not_before) if not_before > now => Err(not_before - now),
            _ => {
                state.not_before = Some(now + wait);
                Ok(())
            }
        }
    }

    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.0.lock();
        state.failures = state.failures.saturating_add(1);
        state.not_before = Some(now + wait_after(state.failures));
    }

    pub(crate) fn succeeded(&self) {
        *self.0.lock() = State::default();
    }
}

/// 0, 0, 1, 2, 4 … 60 s.
fn wait_after(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => Duration::from_secs(1 << (more - 2).min(6)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_costs_nothing_and_more_cost_more_and_more() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        breaker.failed(now);
        assert_eq!(breaker.admit(now), Ok(()));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            breaker.failed(now);
            assert_eq!(breaker.admit(now), Err(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn when_the_wait_is_over_one_start_decides_for_all() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        (0..3).for_each(|_| breaker.failed(now));
        let later = now + Duration::from_secs(2);
        assert_eq!(breaker.admit(later), Ok(()));
        assert!(breaker.admit(later).is_err());
        breaker.succeeded();
        assert_eq!(breaker.admit(later), Ok(()));
    }
}
