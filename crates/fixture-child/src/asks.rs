//! Requests that the server makes to its client, and the cancellations that reach it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Requests of ours that wait for the client's answer. Ids count from 1, so they collide with the client's own.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    last: AtomicI64,
    waiting: Mutex<HashMap<i64, oneshot::Sender<String>>>,
}

/// Calls of the client that want to know when they are cancelled.
#[derive(Debug, Default)]
pub(crate) struct Cancellations {
    waiting: Mutex<HashMap<String, oneshot::Sender<()>>>,
}

// === impl Asks ===

impl Asks {
    /// Takes an id; the receiver yields the client's whole message.
    pub(crate) fn open(&self) -> (i64, oneshot::Receiver<String>) {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(id, sender);
        (id, receiver)
    }

    /// Hands an answer to the one who asked. False if nobody did.
    pub(crate) fn settle(&self, id: i64, message: &str) -> bool {
        lock(&self.waiting).remove(&id).is_some_and(|sender| sender.send(message.to_owned()).is_ok())
    }

    /// Forgets an id whose answer is no longer wanted.
    pub(crate) fn forget(&self, id: i64) {
        lock(&self.waiting).remove(&id);
    }
}

// === impl Cancellations ===

impl Cancellations {
    /// Yields when the request of this id (as JSON text) is cancelled.
    pub(crate) fn watch(&self, id: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(id.to_owned(), sender);
        receiver
    }

    /// Cancels the request of this id, if it is watched.
    pub(crate) fn cancel(&self, id: &str) {
        if let Some(sender) = lock(&self.waiting).remove(id) {
            // The call may have ended in between; nobody is left to tell.
            let _ = sender.send(());
        }
    }

    /// Forgets the id.
    pub(crate) fn forget(&self, id: &str) {
        lock(&self.waiting).remove(id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
