//! How much work is queued and running, so that the end of the process can wait for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Counts calls between arrival and answer.
#[derive(Debug, Default)]
pub(crate) struct Load {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queued: usize,
    running: usize,
    stopping: bool,
}

// === impl Load ===

impl Load {
    /// A call enters the queue.
    pub(crate) fn queued(&self) {
        self.lock().queued += 1;
    }

    /// A call leaves the queue for a worker. False: the process is stopping and the call is dropped.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.queued -= 1;
        let wanted = !state.stopping;
        if wanted {
            state.running += 1;
        }
        drop(state);
        self.changed.notify_all();
        wanted
    }

    /// A running call was answered.
    pub(crate) fn end(&self) {
        self.lock().running -= 1;
        self.changed.notify_all();
    }

    /// From now on nothing leaves the queue; returns when what runs has ended. SIGTERM does this.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        while state.running > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns when everything that was queued is answered. The end of stdin does this.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        while state.queued + state.running > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
