//! The worker that serves all requests of a grant that come without a session.
//!
//! Such requests are legal traffic: claude.ai and ChatGPT do not echo session ids reliably. The broker has initialised the
//! worker itself and declared no capability of a client, so a conforming worker asks nothing; one that asks all the same is
//! refused at once, because nobody can tell whom it means.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use serde_json::json;

use crate::call::{After, Call};
use crate::desk::{Desk, Opening, Replay};
use crate::envelope::{Message, RawId};
use crate::event_log::{Pushed, Weight};
use crate::observer::DroppedMessage;
use crate::refusal::METHOD_NOT_FOUND;
use crate::reply::Principal;
use crate::seat::Seat;
use crate::session::requested_id;
use crate::worker::{End, Worker};
use crate::workshop::Workshop;

/// The newest revision with a handshake.
const PROTOCOL_VERSION: &str = "2025-11-25";

pub(crate) struct Shared {
    who: Principal,
    broker_version: String,
    seat: Arc<Seat>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(shop: &Arc<Workshop>, who: &Principal) -> Arc<Self> {
        Arc::new_cyclic(|shared: &Weak<Self>| Self {
            who: who.clone(),
            broker_version: shop.config.broker_version.clone(),
            seat: Seat::new(shop.clone(), who.clone(), shared.clone(), 0, false),
        })
    }

    pub(crate) fn who(&self) -> &Principal {
        &self.who
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// A notification of some caller. Only a cancellation means anything without a session; if several callers use the id at
    /// the moment, it can't be told whose call is meant, and none is cancelled.
    pub(crate) fn take_notification(&self, message: &Message) {
        if message.method() == "notifications/cancelled"
            && let Some(id) = requested_id(message)
            && let Some(worker) = self.seat.running()
        {
            let reason = message.param("reason").map(|(_, raw)| raw);
            worker.cancel(&id.key(), reason.as_deref());
        }
    }
}

impl Desk for Shared {
    fn notified(&self, worker: &Arc<Worker>, message: Message) {
        let exchange = if message.method() == "notifications/message" { worker.only_attended() } else { None };
        let dropped = match exchange.map(|exchange| exchange.push(Weight::Notification, message.bytes().clone())) {
            Some(Pushed::Kept(_)) => return,
            Some(Pushed::Dropped) => DroppedMessage::SlowClient,
            Some(Pushed::Closed) | None => DroppedMessage::NoStream,
        };
        worker.observer().message_dropped(dropped);
    }

    fn asked(&self, worker: &Arc<Worker>, message: Message, id: RawId) {
        let reason = format!("{} needs a session, and this call has none", message.method());
        worker.refuse_question(&id, METHOD_NOT_FOUND, &reason);
    }

    fn question_withdrawn(&self, _: &Arc<Worker>, _: Message) {}

    fn answered(&self, _: &After, _: &Message) {}

    fn opening(&self) -> Opening {
        let initialize = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "fjmcp-broker", "version": self.broker_version },
        });
        let replay = Replay { initialized: true, log_level: None, subscriptions: Vec::new() };
        Opening { initialize: Bytes::from(initialize.to_string()), replay: Some(replay) }
    }

    fn opened(&self, worker: &Arc<Worker>, _: bool) {
        worker.note_initialized();
    }

    fn needs_worker(&self) -> bool {
        false
    }

    fn ended(&self, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>) {
        self.seat.vacated(worker, end, unsent);
    }
}
