//! The worker that serves all requests of a grant that come without a session.
//!
//! Those of 2026-07-28, which knows no sessions (see [`crate::era::translate`]), and those of older revisions: legal traffic,
//! because claude.ai and ChatGPT do not echo session ids reliably. The broker has initialised the worker itself, with what
//! modern clients can be asked; a question that no modern client's call can have caused is refused at once.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::call::{After, Call};
use crate::desk::{Desk, Opening, Replay};
use crate::envelope::{Kind, Message, RawId};
use crate::era::translate::asking::{Ended, asked};
use crate::era::translate::terms::Terms;
use crate::era::translate::{Translation, deliver, greeting_offer, reconcile, revived};
use crate::event_log::Pushed;
use crate::observer::DroppedMessage;
use crate::refusal::Refusal;
use crate::reply::Principal;
use crate::seat::Seat;
use crate::session::requested_id;
use crate::speech::{Speech, Tongue};
use crate::worker::{End, Worker};
use crate::workshop::Workshop;

/// The newest revision with a handshake.
const PROTOCOL_VERSION: &str = "2025-11-25";

pub(crate) struct Shared {
    who: Principal,
    shop: Arc<Workshop>,
    seat: Arc<Seat>,
    translation: Translation,
    myself: Weak<Self>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(shop: &Arc<Workshop>, who: &Principal) -> Arc<Self> {
        Arc::new_cyclic(|shared: &Weak<Self>| Self {
            who: who.clone(),
            shop: shop.clone(),
            seat: Seat::new(shop.clone(), who.clone(), shared.clone(), 0, false),
            translation: Translation::default(),
            myself: shared.clone(),
        })
    }

    pub(crate) fn who(&self) -> &Principal {
        &self.who
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    pub(crate) fn shop(&self) -> &Arc<Workshop> {
        &self.shop
    }

    pub(crate) fn translation(&self) -> &Translation {
        &self.translation
    }

    pub(crate) fn myself(&self) -> Option<Arc<Self>> {
        self.myself.upgrade()
    }

    pub(crate) fn call_deadline(&self) -> Duration {
        self.shop.config.now().call_deadline
    }

    /// Whether it could be made anew without loss.
    pub(crate) fn is_unused(&self) -> bool {
        self.seat.is_empty() && !self.translation.lists.are_fresh() && !self.translation.awaits_anybody()
    }

    /// The worker ends, listens end in good order, and nothing begins any more.
    pub(crate) fn close(&self, refusal: Refusal) {
        self.translation.listens.end();
        self.seat.close(refusal);
    }

    /// The user has to log in first: calls are given up, listens end.
    pub(crate) fn log_in_again(&self) {
        self.seat.log_in_again();
        self.translation.listens.refuse(&Refusal::log_in_again());
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
        let dropped = if message.method() == "notifications/message" {
            match deliver(worker, &message) {
                Some(Pushed::Kept(_)) => return,
                Some(Pushed::Dropped) => DroppedMessage::SlowClient,
                Some(Pushed::Closed) | None => DroppedMessage::NoStream,
            }
        } else if self.translation.notified(&message) {
            return;
        } else {
            DroppedMessage::NoStream
        };
        worker.observer().message_dropped(dropped);
    }

    fn asked(&self, worker: &Arc<Worker>, message: Message, id: RawId) {
        if let Some(shared) = self.myself() {
            asked(&shared, worker, &message, &id);
        }
    }

    /// The client may answer it all the same; the answer finds no question then.
    fn question_withdrawn(&self, _: &Arc<Worker>, _: Message) {}

    fn giving(&self, worker: &Worker, call: &Call) {
        let wanted = call.terms.as_ref().and_then(|terms| terms.log_level);
        if let Some(wanted) = wanted
            && self.translation.offer().is_some_and(|offer| offer.has(&["logging"]))
        {
            self.translation.level.raise(worker, wanted);
        }
    }

    fn converted(&self, _: &Arc<Worker>, mut call: Box<Call>, answer: Message) -> Option<(Box<Call>, Bytes)> {
        let parked = call.is_parked();
        let Some(terms) = call.terms.take() else {
            let line = answer.with_id(call.id.as_bytes(), None);
            return Some((call, line));
        };
        self.finish(*call, terms, &answer, parked);
        None
    }

    fn answered(&self, _: &After, _: &Message) {}

    fn tongue(&self, speech: &Speech) -> Option<Tongue> {
        speech.handshake.then_some(Tongue::Handshake)
    }

    fn opening(&self) -> Opening {
        let initialize = json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {
                "elicitation": { "form": {}, "url": {} },
                "roots": {},
                "sampling": { "context": {}, "tools": {} },
            },
            "clientInfo": { "name": "fjmcp-broker", "version": self.shop.config.broker_version },
        });
        let uris = self.translation.listens.uris();
        self.translation.subscriptions.begin(uris.clone());
        let replay = Replay { initialized: true, log_level: None, subscriptions: uris.into_iter().collect() };
        Opening { initialize: Bytes::from(initialize.to_string()), replay: Some(replay) }
    }

    fn opened(&self, worker: &Arc<Worker>, again: bool) {
        worker.note_initialized();
        self.translation.level.reset();
        let version = self.shop.starter.program();
        let Some(offer) = worker.greeting().and_then(greeting_offer) else { return };
        let offer = self.shop.programs.learned(&version, offer);
        let replaced = self.translation.greeted(&version, &offer);
        if again && let Some(shared) = self.myself() {
            revived(&shared, worker, replaced);
        }
    }

    fn needs_worker(&self) -> bool {
        !self.translation.listens.uris().is_empty()
    }

    fn ended(&self, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>) {
        self.seat.vacated(worker, end, unsent);
        // Whoever listens to a resource hears of it only while a worker runs.
        if !end.was_expected()
            && self.needs_worker()
            && let Some(shared) = self.myself()
        {
            reconcile(&shared);
        }
    }
}

impl Shared {
    /// A modern client's call is over. Its terms have been taken out of it; `parked` if its client is away.
    fn finish(&self, call: Call, terms: Box<Terms>, answer: &Message, parked: bool) {
        let Call { exchange, id, ticket, .. } = call;
        drop(ticket);
        let dressing = self.dressing();
        let good = answer.kind() == (Kind::Response { error: false });
        if good && let (Some(page), Some(offer)) = (&terms.page, &dressing.offer) {
            self.translation.lists.answered(page, answer, offer);
        }
        match terms.asking.clone() {
            Some(asking) if parked => {
                asking.ended(Ended::Answered { terms, message: answer.detached(), dressing });
            }
            _ => dressing.finish(&exchange, &id, &terms, answer),
        }
    }
}
