//! What is known of one user, and since when.

use std::time::Duration;

use oauth::clock::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turns, MutexGuard};

use super::{NotAdmitted, Refusal};

/// What was found out about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Admitted,
    Refused(Refusal),
}

/// What is known of one user.
#[derive(Debug, Default)]
pub(super) struct Standing {
    known: Mutex<Option<Known>>,
    turns: Turns<()>,
}

#[derive(Debug, Clone)]
struct Known {
    verdict: Verdict,
    asked_at: Timestamp,
    /// Forgejo could not be asked, and is not asked before this.
    held_until: Option<Timestamp>,
}

// === impl Verdict ===

impl Verdict {
    pub(super) fn outcome(self) -> Result<(), NotAdmitted> {
        match self {
            Self::Admitted => Ok(()),
            Self::Refused(refusal) => Err(refusal.into()),
        }
    }
}

// === impl Standing ===

impl Standing {
    /// The verdict, unless it is older than `most` and could be renewed.
    pub(super) fn fresh(&self, now: Timestamp, most: Duration) -> Option<Verdict> {
        let known = self.known.lock();
        let known = known.as_ref()?;
        let counts = now < known.asked_at.plus(most) || known.held_until.is_some_and(|until| now < until);
        counts.then(|| known.verdict.clone())
    }

    /// The verdict of a question that was asked at `moment` or later.
    pub(super) fn since(&self, moment: Timestamp) -> Option<Verdict> {
        let known = self.known.lock();
        known.as_ref().filter(|known| known.asked_at >= moment).map(|known| known.verdict.clone())
    }

    /// Whether he was refused when Forgejo was last asked.
    pub(super) fn is_refused(&self) -> bool {
        self.known.lock().as_ref().is_some_and(|known| matches!(known.verdict, Verdict::Refused(_)))
    }

    /// Whoever has the turn asks Forgejo.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().await
    }

    /// Notes what was found out by a question asked at `asked_at`. Gives the verdict before.
    pub(super) fn settle(&self, verdict: Verdict, asked_at: Timestamp) -> Option<Verdict> {
        let known = Known { verdict, asked_at, held_until: None };
        self.known.lock().replace(known).map(|before| before.verdict)
    }

    /// Forgejo could not be asked: what is known counts on for a moment.
    pub(super) fn hold(&self, until: Timestamp) -> Option<Verdict> {
        let mut known = self.known.lock();
        let known = known.as_mut()?;
        known.held_until = Some(until);
        Some(known.verdict.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_verdict_counts_for_its_time_and_no_longer() {
        let standing = Standing::default();
        assert_eq!(standing.fresh(Timestamp(0), MINUTE), None);
        standing.settle(Verdict::Admitted, Timestamp(0));
        assert_eq!(standing.fresh(Timestamp(59_999), MINUTE), Some(Verdict::Admitted));
        assert_eq!(standing.fresh(Timestamp(60_000), MINUTE), None);
        assert_eq!(standing.fresh(Timestamp(0), Duration::ZERO), None, "asked now means asked now");
    }

    #[test]
    fn while_forgejo_cannot_be_asked_the_last_verdict_counts_on() {
        let standing = Standing::default();
        assert_eq!(standing.hold(Timestamp(70_000)), None, "nothing is known");
        standing.settle(Verdict::Admitted, Timestamp(0));
        assert_eq!(standing.hold(Timestamp(75_000)), Some(Verdict::Admitted));
        assert_eq!(standing.fresh(Timestamp(74_999), MINUTE), Some(Verdict::Admitted));
        assert_eq!(standing.fresh(Timestamp(75_000), MINUTE), None);
    }
}
