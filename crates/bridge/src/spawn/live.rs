//! The processes of one spawner that are alive.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::guard::Orders;

pub(super) struct Live {
    inner: Mutex<Inner>,
    count: watch::Sender<usize>,
}

#[derive(Default)]
struct Inner {
    orders: HashMap<u32, Orders>,
    /// Set by [`Live::close`]: the grace for what was being started meanwhile.
    closed: Option<Duration>,
}

// === impl Live ===

impl Live {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::default(), count: watch::Sender::new(0) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.lock().closed.is_some()
    }

    pub(super) fn insert(&self, pid: u32, orders: Orders) {
        let mut inner = self.inner.lock();
        if let Some(grace) = inner.closed {
            orders.give(grace);
        }
        inner.orders.insert(pid, orders);
        self.count.send_replace(inner.orders.len());
    }

    pub(super) fn remove(&self, pid: u32) {
        let mut inner = self.inner.lock();
        inner.orders.remove(&pid);
        self.count.send_replace(inner.orders.len());
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.inner.lock().orders.keys().copied().collect()
    }

    /// Orders the end of one, without grace.
    pub(super) fn end_at_once(&self, pid: u32) {
        if let Some(orders) = self.inner.lock().orders.get(&pid) {
            orders.give(Duration::ZERO);
        }
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Orders the end of all that live and of all that come.
    pub(super) fn close(&self, grace: Duration) {
        let mut inner = self.inner.lock();
        inner.closed = Some(inner.closed.map_or(grace, |earlier| earlier.min(grace)));
        for orders in inner.orders.values() {
            orders.give(grace);
        }
    }

    pub(super) async fn emptied(&self) {
        // The sender is in `self`, so there is always one.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}
