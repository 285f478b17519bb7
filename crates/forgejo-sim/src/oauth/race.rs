//! Races made certain: a number of requests meet between check and change, then all go on.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Barrier;

/// The meetings that tests have ordered at the token endpoint.
#[derive(Default)]
pub(crate) struct Races {
    pub(crate) refresh: Meeting,
    pub(crate) code: Meeting,
}

/// A place where the next requests wait for each other.
#[derive(Default)]
pub(crate) struct Meeting(Mutex<Option<(usize, Arc<Barrier>)>>);

// === impl Meeting ===

impl Meeting {
    /// The next `count` requests that come here wait until all have come.
    pub(crate) fn order(&self, count: usize) {
        *self.0.lock() = (count > 1).then(|| (count, Arc::new(Barrier::new(count))));
    }

    pub(crate) async fn wait(&self) {
        let barrier = {
            let mut meeting = self.0.lock();
            let Some((left, barrier)) = meeting.as_mut() else {
                return;
            };
            let barrier = Arc::clone(barrier);
            *left -= 1;
            if *left == 0 {
                *meeting = None;
            }
            barrier
        };
        barrier.wait().await;
    }
}
