//! What a worker has asked its client: requests in the other direction, with an id space of their own (mcp.md, trap 3).
//!
//! The client sees numbers that are unique within the session, not the worker's ids: a fresh worker begins to count anew, and
//! an answer to a question of its predecessor must not be taken for one of its own (trap 16).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::envelope::RawId;
use crate::event_log::EventLog;

/// Questions that one worker may have open; more are refused to it.
const MAX_OPEN: usize = 64;

pub(crate) struct Questions {
    numbers: Arc<AtomicU64>,
    open: HashMap<u64, Question>,
    closed: bool,
}

pub(crate) struct Question {
    /// The worker's own id.
    pub(crate) id: RawId,
    deadline: Instant,
    /// Where it waits to be read.
    place: Option<(Arc<EventLog>, u64)>,
}

// === impl Questions ===

impl Questions {
    pub(crate) fn new(numbers: Arc<AtomicU64>) -> Self {
        Self { numbers, open: HashMap::new(), closed: false }
    }

    /// The number under which the client is asked. `None` if too many are open.
    pub(crate) fn ask(&mut self, id: RawId, deadline: Instant) -> Option<u64> {
        if self.closed || self.open.len() >= MAX_OPEN {
            return None;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.open.insert(number, Question { id, deadline, place: None });
        Some(number)
    }

    /// Remembers where the question can be taken back from.
    pub(crate) fn placed(&mut self, number: u64, log: Arc<EventLog>, event: u64) {
        if let Some(question) = self.open.get_mut(&number) {
            question.place = Some((log, event));
        }
    }

    /// Gives the client more time.
    pub(crate) fn postpone(&mut self, number: u64, deadline: Instant) {
        if let Some(question) = self.open.get_mut(&number) {
            question.deadline = deadline;
        }
    }

    /// The client has answered.
    pub(crate) fn answer(&mut self, number: u64) -> Option<RawId> {
        self.open.remove(&number).map(|question| question.id)
    }

    /// The worker no longer wants to know.
    pub(crate) fn withdraw(&mut self, id: &RawId) -> Option<u64> {
        let number = self.open.iter().find(|(_, question)| question.id.key() == id.key()).map(|(number, _)| *number)?;
        self.open.remove(&number);
        Some(number)
    }

    /// The ids of those that nobody answered in time.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<RawId> {
        let due: Vec<u64> =
            self.open.iter().filter(|(_, question)| question.deadline <= now).map(|(id, _)| *id).collect();
        due.into_iter().filter_map(|number| self.open.remove(&number)).map(Question::forget).collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.open.values().map(|question| question.deadline).min()
    }

    /// The worker has ended: what it asked and was not read yet is taken back.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        for (_, question) in self.open.drain() {
            question.forget();
        }
    }
}

// === impl Question ===

impl Question {
    fn forget(self) -> RawId {
        if let Some((log, event)) = self.place {
            log.retract(event);
        }
        self.id
    }
}
