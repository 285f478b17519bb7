//! Who a worker works for: a session, or all session-less callers of a grant. It decides where a message goes that belongs to
//! no call.

use std::sync::Arc;

use bytes::Bytes;

use crate::call::{After, Call};
use crate::envelope::{Message, RawId};
use crate::worker::{End, Worker};

/// What a fresh worker is told before its first call.
pub(crate) struct Opening {
    /// The `params` of `initialize`; may be empty.
    pub(crate) initialize: Bytes,
    /// What follows, if it is not the client itself that goes on from there.
    pub(crate) replay: Option<Replay>,
}

/// The state that a session's worker had.
pub(crate) struct Replay {
    pub(crate) initialized: bool,
    pub(crate) log_level: Option<String>,
    pub(crate) subscriptions: Vec<String>,
}

/// What a worker tells the one it works for. Called by its reader: never blocks.
pub(crate) trait Desk: Send + Sync {
    /// A notification other than progress and cancellation.
    fn notified(&self, worker: &Arc<Worker>, message: Message);
    /// A request other than `ping`.
    fn asked(&self, worker: &Arc<Worker>, message: Message, id: RawId);
    /// The worker no longer wants an answer to a question; `message` says so in the client's terms.
    fn question_withdrawn(&self, worker: &Arc<Worker>, message: Message);
    /// A call has been answered with a result.
    fn answered(&self, after: &After, result: &Message);
    /// How a worker is brought to where the last one was.
    fn opening(&self) -> Opening;
    /// A worker is ready for calls. `again` if it is not the first one.
    fn opened(&self, worker: &Arc<Worker>, again: bool);
    /// Whether the worker has to be there even without calls.
    fn needs_worker(&self) -> bool;
    /// The worker has ended. `unsent` never reached it.
    fn ended(&self, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>);
}
