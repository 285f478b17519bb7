//! Who a worker works for: a session, or all session-less callers of a grant. It decides where a message goes that belongs to
//! no call.

use std::sync::Arc;

use bytes::Bytes;

use crate::call::{After, Call};
use crate::envelope::{Message, RawId};
use crate::speech::{Speech, Tongue};
use crate::worker::{End, Worker};

/// What a fresh worker is told before its first call.
pub(crate) struct Opening {
    /// The `params` of `initialize`; may be empty, and mean nothing to a worker without handshake.
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
    /// The first page of the tools has been answered with a result that has this SHA-256.
    fn listed(&self, digest: [u8; 32]) {
        let _ = digest;
    }
    /// How its worker is to be spoken to, of what the program knows. `None` if it knows nothing that would do.
    fn tongue(&self, speech: &Speech) -> Option<Tongue>;
    /// A call is about to be given to the worker.
    fn giving(&self, worker: &Worker, call: &Call) {
        let _ = (worker, call);
    }
    /// A call's answer as the client is to see it. `None` if the call goes on, or has got its answer another way.
    fn converted(&self, worker: &Arc<Worker>, call: Box<Call>, answer: Message) -> Option<(Box<Call>, Bytes)> {
        let _ = worker;
        let line = answer.with_id(call.id.as_bytes(), None);
        Some((call, line))
    }
    /// How a worker is brought to where the last one was.
    fn opening(&self) -> Opening;
    /// What the worker's answer to the first request is to the client.
    fn greeting(&self, answer: Message, tongue: Tongue) -> Message {
        let _ = tongue;
        answer
    }
    /// A worker is ready for calls. `again` if it is not the first one.
    fn opened(&self, worker: &Arc<Worker>, again: bool);
    /// Whether its worker is a session's, which only its owner may serve.
    fn is_of_session(&self) -> bool {
        false
    }
    /// Whether the worker has to be there even without calls.
    fn needs_worker(&self) -> bool;
    /// The worker has ended. `unsent` never reached it.
    fn ended(&self, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>);
}
