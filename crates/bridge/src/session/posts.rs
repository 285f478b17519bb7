//! The event streams of POSTs that a client may come back to with `Last-Event-ID`.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::event_log::EventLog;

/// Running ones, and the youngest finished ones.
pub(super) struct Posts {
    kept: usize,
    logs: Mutex<VecDeque<Arc<EventLog>>>,
}

// === impl Posts ===

impl Posts {
    pub(super) fn new(kept: usize) -> Self {
        Self { kept, logs: Mutex::default() }
    }

    pub(super) fn keep(&self, log: Arc<EventLog>) {
        let mut logs = self.logs.lock();
        logs.push_back(log);
        let mut finished = logs.iter().filter(|log| log.is_closed()).count();
        logs.retain(|log| {
            let forget = finished > self.kept && log.is_closed();
            finished -= usize::from(forget);
            !forget
        });
    }

    pub(super) fn find(&self, event_id: &str) -> Option<(Arc<EventLog>, u64)> {
        self.logs.lock().iter().find_map(|log| Some((log.clone(), log.number_in(event_id)?)))
    }

    /// Whether one of them is being read or written.
    pub(super) fn are_in_use(&self) -> bool {
        self.logs.lock().iter().any(|log| log.is_attached() || !log.is_closed())
    }
}
