//! One call of a client on its way to a worker, with everything that is needed to answer it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::envelope::{IdKey, Message, RawId};
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::tally::CallGuard;

/// A call. Whoever holds it owes its exchange an answer.
pub(crate) struct Call {
    /// Whose call it is. A worker takes calls of its own user only (mcp.md, trap 28).
    pub(crate) user: Arc<str>,
    pub(crate) exchange: Arc<Exchange>,
    /// The client's id, which the answer gets.
    pub(crate) id: RawId,
    /// The client's progress token.
    pub(crate) token: Option<Bytes>,
    /// The message, until it has been written to a worker. A call that still has it can be given to another worker.
    pub(crate) unsent: Option<Message>,
    pub(crate) deadline: Instant,
    /// What a good answer means for the session.
    pub(crate) after: After,
    /// How many workers it has been given to.
    pub(crate) attempts: u8,
    pub(crate) ticket: Ticket,
}

/// What a good answer to a call changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum After {
    Nothing,
    LevelSet(String),
    Subscribed(String),
    Unsubscribed(String),
    /// The client has seen the first page of the tools.
    ToolsListed,
}

/// What a call occupies as long as it is open.
pub(crate) struct Ticket {
    _counted: CallGuard,
    open_id: Option<OpenId>,
}

/// The ids that a session's client has open.
#[derive(Default)]
pub(crate) struct OpenIds(Mutex<HashMap<IdKey, Arc<AtomicBool>>>);

/// One of them. Free again when dropped.
pub(crate) struct OpenId {
    ids: Arc<OpenIds>,
    key: IdKey,
    cancelled: Arc<AtomicBool>,
}

// === impl Call ===

impl Call {
    /// Answers the call with the bridge's own words.
    pub(crate) fn refuse(self, refusal: &Refusal) {
        let (exchange, id) = self.close();
        exchange.refuse(id.as_bytes(), refusal);
    }

    /// The user's credential has died before there was an answer.
    pub(crate) fn log_in_again(self, refusal: &Refusal) {
        let (exchange, id) = self.close();
        exchange.log_in_again(id.as_bytes(), refusal);
    }

    /// The client has cancelled it.
    pub(crate) fn cancelled(self) {
        let refusal =
            Refusal::in_band(crate::refusal::UNAVAILABLE, "cancelled", "the call was cancelled by the client");
        let (exchange, id) = self.close();
        exchange.cancelled(id.as_bytes(), &refusal);
    }

    /// Gives back what the call occupies. Done before it is answered: the client may use the id again as soon as it has read
    /// the answer.
    pub(crate) fn close(self) -> (Arc<Exchange>, RawId) {
        (self.exchange, self.id)
    }

    /// Whether the client has cancelled it before a worker had it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.ticket.open_id.as_ref().is_some_and(|open| open.cancelled.load(Ordering::Relaxed))
    }
}

// === impl Ticket ===

impl Ticket {
    pub(crate) fn new(counted: CallGuard, open_id: Option<OpenId>) -> Self {
        Self { _counted: counted, open_id }
    }
}

// === impl OpenIds ===

impl OpenIds {
    /// `None` if the id is open already (mcp.md, trap 24).
    pub(crate) fn open(self: &Arc<Self>, key: IdKey) -> Option<OpenId> {
        let mut ids = self.0.lock();
        if ids.contains_key(&key) {
            return None;
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        ids.insert(key.clone(), cancelled.clone());
        Some(OpenId { ids: self.clone(), key, cancelled })
    }

    /// Marks a call that no worker has got yet.
    pub(crate) fn cancel(&self, key: &IdKey) {
        if let Some(cancelled) = self.0.lock().get(key) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

// === impl OpenId ===

impl Drop for OpenId {
    fn drop(&mut self) {
        self.ids.0.lock().remove(&self.key);
    }
}
