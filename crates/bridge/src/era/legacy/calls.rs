//! The requests of one POST: answered here where the broker can, given to the worker else.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::modern::request::LogLevel;
use super::super::native::Native;
use super::WITH_PRIMING;
use crate::call::{After, Call, Ticket};
use crate::config::BridgeConfig;
use crate::envelope::{Kind, Message, RawId};
use crate::errand::{ClientMeta, Errand};
use crate::event_log::EventLog;
use crate::exchange::Exchange;
use crate::refusal::{INVALID_PARAMS, METHOD_NOT_FOUND, Refusal};
use crate::reply::{Principal, Reply};
use crate::seat::Seat;
use crate::session::Session;
use crate::shared::Shared;
use crate::speech::Tongue;
use crate::workshop::Workshop;

/// On whose behalf a POST is served.
pub(super) enum Caller {
    Session(Arc<Session>),
    /// Without a session id.
    Shared(Arc<Shared>),
    /// Without a session id, on a worker of 2026-07-28.
    Native(Arc<Native>),
}

/// What the broker itself says to a request.
enum OwnAnswer {
    Empty,
    Refused(Refusal),
    /// To a worker that knows no such request.
    Subscription {
        session: Arc<Session>,
        uri: String,
        on: bool,
    },
}

/// Requests that may go on their way.
pub(super) struct Calls {
    user: Arc<str>,
    exchange: Option<Arc<Exchange>>,
    for_worker: Vec<Call>,
    own: Vec<(RawId, OwnAnswer)>,
}

// === impl Calls ===

impl Calls {
    /// Nothing has been done when this fails.
    pub(super) fn prepare(
        shop: &Arc<Workshop>,
        who: &Principal,
        caller: &Caller,
        tongue: Tongue,
        requests: Vec<Message>,
        batch: bool,
    ) -> Result<Self, Refusal> {
        let mut calls = Self { user: who.user.clone(), exchange: None, for_worker: Vec::new(), own: Vec::new() };
        if requests.is_empty() {
            return Ok(calls);
        }
        let exchange = Exchange::new(caller.log(&shop.config), requests.len(), batch);
        for message in requests {
            let Some(id) = message.id() else { continue };
            match shop.tools.judge(who, &message) {
                Ok(watch) => exchange.watch(&id, watch),
                Err(refusal) => {
                    shop.observer.refused(refusal.label);
                    calls.own.push((id, OwnAnswer::Refused(refusal)));
                    continue;
                }
            }
            if let Some(answer) = caller.own_answer(&message, tongue) {
                calls.own.push((id, answer));
                continue;
            }
            let errand = caller.errand(&message, tongue);
            calls.for_worker.push(Call { errand, ..call(shop, who, caller, &exchange, message, id)? });
        }
        calls.exchange = Some(exchange);
        Ok(calls)
    }

    /// Sends them and waits for what becomes of them.
    pub(super) async fn run(self, shop: &Arc<Workshop>, caller: &Caller) -> Reply {
        let Some(exchange) = self.exchange else { return Reply::accepted() };
        for (id, answer) in self.own {
            match answer {
                OwnAnswer::Empty => {
                    exchange.answer(empty_result(&id));
                }
                OwnAnswer::Refused(refusal) => exchange.refuse(id.as_bytes(), &refusal),
                OwnAnswer::Subscription { session, uri, on } => {
                    let exchange = exchange.clone();
                    tokio::spawn(async move {
                        match session.subscribe(uri, on).await {
                            Ok(()) => exchange.answer(empty_result(&id)),
                            Err(refusal) => exchange.refuse(id.as_bytes(), &refusal),
                        }
                    });
                }
            }
        }
        if !self.for_worker.is_empty() {
            caller.seat().send(self.for_worker);
        }
        let user = self.user;
        let streaming = |exchange: &Arc<Exchange>| (shop.tally.unlimited_stream(&user), caller.streams(exchange));
        exchange.reply(shop.config.stream_after, streaming).await
    }
}

fn empty_result(id: &RawId) -> Bytes {
    [br#"{"jsonrpc":"2.0","id":"#, id.as_bytes(), br#","result":{}}"#].concat().into()
}

fn call(
    shop: &Arc<Workshop>,
    who: &Principal,
    caller: &Caller,
    exchange: &Arc<Exchange>,
    message: Message,
    id: RawId,
) -> Result<Call, Refusal> {
    let after = caller.after(&message)?;
    let open_id = match caller {
        Caller::Session(session) => Some(session.open_ids().open(id.key()).ok_or_else(|| {
            Refusal::invalid("a request with this id is open already; ids may be used again only after their answer")
        })?),
        // Without sessions several conversations may use the same ids.
        Caller::Shared(_) | Caller::Native(_) => None,
    };
    let counted = shop.tally.call(&who.user, shop.config.max_calls_per_user).ok_or_else(|| {
        Refusal::too_many("user_calls", 1, "too many calls of this user are open; try again when one has ended")
    })?;
    Ok(Call {
        user: who.user.clone(),
        exchange: exchange.clone(),
        token: message.progress_token(),
        id,
        unsent: Some(message),
        deadline: Instant::now() + shop.config.now().call_deadline,
        after,
        attempts: 0,
        ticket: Some(Ticket::new(counted, open_id)),
        terms: None,
        errand: None,
    })
}

// === impl Caller ===

impl Caller {
    fn seat(&self) -> &Arc<Seat> {
        match self {
            Self::Session(session) => session.seat(),
            Self::Shared(shared) => shared.seat(),
            Self::Native(native) => native.seat(),
        }
    }

    /// A notification, or an answer to a question: without a session nobody was asked.
    pub(super) fn take(&self, message: &Message) {
        match (self, message.kind()) {
            (Self::Session(session), Kind::Response { .. }) => session.take_answer(message),
            (Self::Session(session), _) => session.take_notification(message),
            (Self::Shared(_) | Self::Native(_), Kind::Response { .. }) => {}
            (Self::Shared(shared), _) => shared.take_notification(message),
            (Self::Native(native), _) => native.take_notification(message),
        }
    }

    fn errand(&self, message: &Message, tongue: Tongue) -> Option<Errand> {
        match self {
            Self::Session(session) => session.errand(message, tongue),
            Self::Shared(_) => None,
            Self::Native(_) => Some(Errand::legacy(ClientMeta::of_nobody(), message)),
        }
    }

    fn own_answer(&self, message: &Message, tongue: Tongue) -> Option<OwnAnswer> {
        match (self, message.method()) {
            (Self::Session(session), method) if tongue == Tongue::Stateless => {
                stateless_answer(session, message, method)
            }
            // The broker is the server here, and a ping is no reason to wake a worker (T78). The level is process-wide in a worker that others use too (trap 10).
            (_, "ping") | (Self::Shared(_) | Self::Native(_), "logging/setLevel") => Some(OwnAnswer::Empty),
            // So are subscriptions (trap 12).
            (Self::Shared(_) | Self::Native(_), "resources/subscribe" | "resources/unsubscribe") => {
                let text = "subscriptions need a session; send initialize and then the Mcp-Session-Id that it answers";
                Some(OwnAnswer::Refused(Refusal::in_band(METHOD_NOT_FOUND, "needs_session", text)))
            }
            _ => None,
        }
    }

    fn after(&self, message: &Message) -> Result<After, Refusal> {
        match self {
            Self::Session(session) => session.after(message),
            Self::Shared(_) | Self::Native(_) => Ok(After::Nothing),
        }
    }

    fn log(&self, config: &BridgeConfig) -> Arc<EventLog> {
        match self {
            Self::Session(session) => session.post_log(),
            Self::Shared(_) | Self::Native(_) => EventLog::without_ids(config.stream.clone()),
        }
    }

    /// The exchange becomes a stream. Whether its client knows what to do with an event that has only an id.
    fn streams(&self, exchange: &Arc<Exchange>) -> bool {
        match self {
            Self::Session(session) => {
                session.keep_post(exchange);
                session.protocol_version().as_str() >= WITH_PRIMING
            }
            Self::Shared(_) | Self::Native(_) => false,
        }
    }
}

/// What the broker itself says in a session whose worker knows of no sessions.
fn stateless_answer(session: &Arc<Session>, message: &Message, method: &str) -> Option<OwnAnswer> {
    let text = |name| message.param(name).and_then(|(_, raw)| serde_json::from_slice::<String>(&raw).ok());
    let invalid = |text: &str| Some(OwnAnswer::Refused(Refusal::in_band(INVALID_PARAMS, "invalid_params", text)));
    match method {
        "ping" => Some(OwnAnswer::Empty),
        "logging/setLevel" => {
            let level = message.param("level").and_then(|(_, raw)| LogLevel::read(&raw));
            let Some(level) = level else { return invalid("\"level\" is none of the log levels") };
            session.set_level(level.name().to_owned());
            Some(OwnAnswer::Empty)
        }
        "resources/subscribe" | "resources/unsubscribe" => {
            let Some(uri) = text("uri") else { return invalid("\"uri\" is missing") };
            Some(OwnAnswer::Subscription { session: session.clone(), uri, on: method == "resources/subscribe" })
        }
        _ => None,
    }
}
