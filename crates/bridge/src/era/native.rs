//! Driving a worker that speaks 2026-07-28 itself: its era's clients are passed through, legacy requests without a session are
//! put into its terms. All of a grant share the worker, because it keeps nothing of any of them (M07).
//!
//! What changes on the way: ids, progress tokens and subscription ids, which would collide; `requestState`, which is sealed;
//! `cacheScope`, because what a user sees is his own; and the error codes that 2026-07-28 has taken away. All else is as the
//! other side wrote it.

mod answers;
mod drive;
mod listens;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use self::listens::Listens;
use crate::call::{After, Call};
use crate::desk::{Desk, Opening, Replay};
use crate::envelope::{Message, RawId};
use crate::event_log::{Pushed, Weight};
use crate::observer::DroppedMessage;
use crate::refusal::{METHOD_NOT_FOUND, Refusal};
use crate::reply::Principal;
use crate::seat::Seat;
use crate::session::{requested_id, subscription_number};
use crate::speech::{Speech, Tongue};
use crate::worker::{End, Worker};
use crate::workshop::Workshop;

use super::modern::param_headers::{self, ParamHeader};
use super::modern::request::LogLevel;

/// One grant's worker of 2026-07-28.
pub(crate) struct Native {
    who: Principal,
    shop: Arc<Workshop>,
    seat: Arc<Seat>,
    listens: Listens,
    /// The headers that the tools of the last `tools/list` want (H05).
    param_headers: Mutex<HashMap<String, Arc<[ParamHeader]>>>,
    me: Weak<Self>,
}

// === impl Native ===

impl Native {
    pub(crate) fn new(shop: &Arc<Workshop>, who: &Principal) -> Arc<Self> {
        Arc::new_cyclic(|native: &Weak<Self>| Self {
            who: who.clone(),
            shop: shop.clone(),
            seat: Seat::new(shop.clone(), who.clone(), native.clone(), 0, false),
            listens: Listens::default(),
            param_headers: Mutex::default(),
            me: native.clone(),
        })
    }

    pub(crate) fn who(&self) -> &Principal {
        &self.who
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// A client has been given tools.
    fn saw_tools(&self, list: &Bytes, first_page: bool) {
        let seen = param_headers::of_tools(list);
        let mut known = self.param_headers.lock();
        if first_page {
            known.clear();
        }
        known.extend(seen);
    }

    /// A notification of a legacy client without a session. Only a cancellation means anything, and only if it is clear whose.
    pub(crate) fn take_notification(&self, message: &Message) {
        if message.method() == "notifications/cancelled"
            && let Some(id) = requested_id(message)
            && let Some(worker) = self.seat.running()
        {
            let reason = message.param("reason").map(|(_, raw)| raw);
            worker.cancel(&id.key(), reason.as_deref());
        }
    }

    /// Calls are refused, listens are told and end, the worker stops.
    pub(crate) fn end(&self, refusal: &Refusal) {
        self.seat.close(refusal.clone());
        self.listens.end(refusal);
    }

    /// The same, but the grant lives on: its user has to log in first.
    pub(crate) fn log_in_again(&self) {
        self.seat.log_in_again();
        self.listens.end(&Refusal::log_in_again());
    }

    /// Everybody who listens is told that the lists have changed.
    pub(crate) fn lists_changed(&self) {
        self.listens.have_changed();
    }

    /// Listens end in good order (L05); their clients listen again elsewhere.
    pub(crate) fn close_listens(&self) {
        self.listens.close();
    }
}

impl Desk for Native {
    fn notified(&self, worker: &Arc<Worker>, message: Message) {
        if let Some(number) = subscription_number(&message) {
            self.listens.take(worker, number, &message);
            return;
        }
        let level = message.param("level").and_then(|(_, raw)| LogLevel::read(&raw));
        let exchange =
            level.filter(|_| message.method() == "notifications/message").and_then(|level| worker.only_listener(level));
        let line = Bytes::copy_from_slice(message.bytes());
        let dropped = match exchange.map(|exchange| exchange.push(Weight::Notification, line)) {
            Some(Pushed::Kept(_)) => return,
            Some(Pushed::Dropped) => DroppedMessage::SlowClient,
            Some(Pushed::Closed) | None => DroppedMessage::NoStream,
        };
        worker.observer().message_dropped(dropped);
    }

    fn asked(&self, worker: &Arc<Worker>, _: Message, id: RawId) {
        worker.refuse_question(&id, METHOD_NOT_FOUND, "a server of 2026-07-28 asks nothing; answer with inputRequests");
    }

    fn question_withdrawn(&self, _: &Arc<Worker>, _: Message) {}

    fn answered(&self, _: &After, _: &Message) {}

    fn tongue(&self, speech: &Speech) -> Option<Tongue> {
        speech.discovered.as_ref().map(|_| Tongue::Stateless)
    }

    fn opening(&self) -> Opening {
        let replay = Replay { initialized: true, log_level: None, subscriptions: Vec::new() };
        Opening { initialize: Bytes::new(), replay: Some(replay) }
    }

    fn converted(&self, _: &Arc<Worker>, call: Box<Call>, answer: Message) -> Option<(Box<Call>, Bytes)> {
        answers::converted(self, call, &answer)
    }

    fn opened(&self, worker: &Arc<Worker>, again: bool) {
        let Some(native) = self.me.upgrade() else { return };
        native.listen_again(worker);
        if again {
            tokio::spawn({
                let worker = worker.clone();
                async move { native.compare_lists(&worker).await }
            });
        }
    }

    fn needs_worker(&self) -> bool {
        self.listens.want_resources()
    }

    fn ended(&self, worker: &Arc<Worker>, end: &End, unsent: Vec<Call>) {
        self.seat.vacated(worker, end, unsent);
    }
}
