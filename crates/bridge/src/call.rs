//! One call of a client on its way to a worker, with everything that is needed to answer it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::envelope::{IdKey, Message, RawId};
use crate::era::translate::asking::{Asking, Ended};
use crate::era::translate::terms::Terms;
use crate::errand::Errand;
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::speech::Tongue;
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
    /// `None` while its client has been sent away to answer a question.
    pub(crate) ticket: Option<Ticket>,
    /// What it needs as the call of a modern client on a worker with a handshake.
    pub(crate) terms: Option<Box<Terms>>,
    /// What it needs on a worker of 2026-07-28.
    pub(crate) errand: Option<Errand>,
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
    since: Instant,
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
        if let Some(asking) = self.parked() {
            asking.ended(Ended::Refused(refusal.clone()));
            return;
        }
        let (exchange, id) = self.close();
        exchange.refuse(id.as_bytes(), refusal);
    }

    /// The user's credential has died before there was an answer.
    pub(crate) fn log_in_again(self, refusal: &Refusal) {
        if let Some(asking) = self.parked() {
            asking.ended(Ended::LogInAgain(refusal.clone()));
            return;
        }
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
        let open_id = self.ticket.as_ref().and_then(|ticket| ticket.open_id.as_ref());
        self.exchange.log().is_closed() || open_id.is_some_and(|open| open.cancelled.load(Ordering::Relaxed))
    }

    /// Whether it asks for the first page of the tools and gets what the worker says, under another id.
    pub(crate) fn takes_list(&self) -> bool {
        self.after == After::ToolsListed && self.terms.is_none() && self.errand.is_none()
    }

    /// Whether its client has been sent away to answer a question: then it has no exchange.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked().is_some()
    }

    fn parked(&self) -> Option<&Asking> {
        self.terms.as_ref()?.asking.as_deref().filter(|asking| asking.is_parked())
    }

    /// The line for a worker that knows the call under this number; `None` if it has been written already.
    pub(crate) fn line(&self, number: u64, tongue: Tongue) -> Option<Bytes> {
        let message = self.unsent.as_ref()?;
        let number = number.to_string();
        Some(match &self.errand {
            Some(Errand::Legacy(errand)) if tongue == Tongue::Stateless => {
                let id = number.as_bytes();
                message.edit().id(id, Some(id)).meta(&errand.meta.members()).made()
            }
            _ => message.with_id(number.as_bytes(), Some(number.as_bytes())),
        })
    }
}

// === impl Ticket ===

impl Ticket {
    pub(crate) fn new(counted: CallGuard, open_id: Option<OpenId>) -> Self {
        Self { since: Instant::now(), _counted: counted, open_id }
    }

    /// When the call was counted.
    pub(crate) fn since(&self) -> Instant {
        self.since
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
