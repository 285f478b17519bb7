//! A legacy session: its record, its seat with a worker of its own, its server stream.
//!
//! The session is the record in the store. What is here is its waking half, made anew from the record whenever its id comes
//! back after a hibernation, a crash or a restart of the broker. Bound to user and client, not to a token (T54); a newer grant
//! of the same user and client takes it along.

mod desk;
mod posts;
mod rounds;
mod stateless;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::time::Instant;

use self::posts::Posts;
use self::rounds::Rounds;
use self::stateless::Listening;
pub(crate) use self::stateless::{ACKNOWLEDGED, subscription_number};
use crate::call::{After, OpenIds};
use crate::config::BridgeConfig;
use crate::envelope::{Message, RawId};
use crate::event_log::EventLog;
use crate::exchange::Exchange;
use crate::ledger::Ledger;
use crate::refusal::Refusal;
use crate::reply::Principal;
use crate::seat::Seat;
use crate::session_id::SessionKey;
use crate::session_store::SessionRecord;
use crate::speech::Tongue;
use crate::workshop::Workshop;

/// The number of a session's server stream. POSTs count from 1.
const SERVER_STREAM: u64 = 0;

pub(crate) struct Session {
    key: SessionKey,
    user: Arc<str>,
    client: Arc<str>,
    config: Arc<BridgeConfig>,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
    seat: Arc<Seat>,
    open_ids: Arc<OpenIds>,
    server_stream: Arc<EventLog>,
    posts: Posts,
    /// Begins the event ids of this life of the session.
    life: Box<str>,
    streams: AtomicU64,
    me: Weak<Self>,
    listening: Listening,
    rounds: Rounds,
}

struct State {
    record: SessionRecord,
    /// Whether the id has come back after `initialize`.
    returned: bool,
    born: Instant,
    last_noted: Instant,
    /// SHA-256 of the first page of the tools that the client has seen.
    tools: Option<[u8; 32]>,
}

/// What a principal is to a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Owner,
    /// The owner under another grant: the record has to be written.
    Moved(Box<SessionRecord>),
    Stranger,
}

/// What a session is made of.
pub(crate) struct Seed {
    pub(crate) record: SessionRecord,
    /// Whether it is made again from its record.
    pub(crate) again: bool,
    /// A random number: makes this life's event ids and question numbers unlike those of another.
    pub(crate) nonce: u32,
}

// === impl Session ===

impl Session {
    pub(crate) fn new(shop: &Arc<Workshop>, ledger: &Arc<Ledger>, seed: Seed) -> Arc<Self> {
        let Seed { record, again, nonce } = seed;
        let who = Principal { user: record.user.clone(), client: record.client.clone(), grant: record.grant.clone() };
        let life: Box<str> = format!("{nonce:x}").into();
        let limits = shop.config.stream.clone();
        let now = Instant::now();
        Arc::new_cyclic(|session: &Weak<Self>| Self {
            key: record.id_hash,
            user: record.user.clone(),
            client: record.client.clone(),
            config: shop.config.clone(),
            ledger: ledger.clone(),
            seat: Seat::new(shop.clone(), who, session.clone(), u64::from(nonce) << 20, again),
            open_ids: Arc::default(),
            server_stream: EventLog::new(&life, SERVER_STREAM, limits.clone()),
            posts: Posts::new(limits.kept_posts),
            life,
            streams: AtomicU64::new(SERVER_STREAM + 1),
            me: session.clone(),
            listening: Listening::default(),
            rounds: Rounds::default(),
            state: Mutex::new(State { record, returned: again, born: now, last_noted: now, tools: None }),
        })
    }

    pub(crate) fn key(&self) -> SessionKey {
        self.key
    }

    pub(crate) fn user(&self) -> &Arc<str> {
        &self.user
    }

    pub(crate) fn grant(&self) -> Arc<str> {
        self.state.lock().record.grant.clone()
    }

    pub(crate) fn protocol_version(&self) -> String {
        self.state.lock().record.protocol_version.clone()
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    pub(crate) fn open_ids(&self) -> &Arc<OpenIds> {
        &self.open_ids
    }

    pub(crate) fn server_stream(&self) -> &Arc<EventLog> {
        &self.server_stream
    }

    /// Whether this is the session's owner. A newer grant of his takes the session along.
    pub(crate) fn admit(&self, who: &Principal) -> Admission {
        if who.user != self.user || who.client != self.client {
            return Admission::Stranger;
        }
        let moved = {
            let mut state = self.state.lock();
            if state.record.grant == who.grant {
                return Admission::Owner;
            }
            state.record.grant = who.grant.clone();
            state.record.clone()
        };
        self.seat.assign(who);
        Admission::Moved(Box::new(moved))
    }

    /// The worker has answered `initialize`: from now on the session exists.
    pub(crate) fn negotiated(&self, protocol_version: String) -> SessionRecord {
        let mut state = self.state.lock();
        state.record.protocol_version = protocol_version;
        state.record.clone()
    }

    /// The id has been seen.
    pub(crate) fn touch(&self) {
        let mut state = self.state.lock();
        state.returned = true;
        if state.last_noted.elapsed() >= self.config.last_seen_interval {
            state.last_noted = Instant::now();
            state.record.last_seen = self.ledger.now();
            self.ledger.mark(state.record.clone());
        }
    }

    /// Whether its id has not come back in time after `initialize`.
    pub(crate) fn was_left(&self) -> bool {
        let state = self.state.lock();
        !state.returned && state.born.elapsed() >= self.config.first_return_timeout
    }

    /// Whether the record in the store is all there is to it at the moment.
    pub(crate) fn is_dormant(&self) -> bool {
        self.seat.is_empty() && !self.is_in_use()
    }

    /// Whether somebody waits for an answer here, or reads a stream.
    pub(crate) fn is_in_use(&self) -> bool {
        !self.open_ids.is_empty() || self.server_stream.is_attached() || self.posts.are_in_use()
    }

    /// Whether somebody would hear about a change of a subscribed resource.
    pub(crate) fn has_live_subscriptions(&self) -> bool {
        self.server_stream.is_attached() && !self.state.lock().record.subscriptions.is_empty()
    }

    /// A log for a POST that may become a stream.
    pub(crate) fn post_log(&self) -> Arc<EventLog> {
        EventLog::new(&self.life, self.streams.fetch_add(1, Ordering::Relaxed), self.config.stream.clone())
    }

    /// The exchange has become a stream, from which the client may want to resume.
    pub(crate) fn keep_post(&self, exchange: &Arc<Exchange>) {
        self.posts.keep(exchange.log().clone());
    }

    /// The log that an event id belongs to, and the number in it. `None` for one of another life.
    pub(crate) fn find_event(&self, event_id: &str) -> Option<(Arc<EventLog>, u64)> {
        if let Some(number) = self.server_stream.number_in(event_id) {
            return Some((self.server_stream.clone(), number));
        }
        self.posts.find(event_id)
    }

    /// Whether an event id, of whatever life, is one of the server stream.
    pub(crate) fn is_of_server_stream(event_id: &str) -> bool {
        event_id.split('-').nth(1) == Some("0")
    }

    /// What a good answer to this request will mean. The error says why the request can't be taken.
    pub(crate) fn after(&self, message: &Message) -> Result<After, Refusal> {
        let text = |name| message.param(name).and_then(|(_, raw)| serde_json::from_slice::<String>(&raw).ok());
        let after = match message.method() {
            "logging/setLevel" => text("level").map(After::LevelSet),
            "resources/subscribe" => {
                let uri = text("uri");
                let state = self.state.lock();
                let known = uri.as_ref().is_some_and(|uri| state.record.subscriptions.contains(uri));
                if !known && state.record.subscriptions.len() >= self.config.max_subscriptions {
                    return Err(Refusal::in_band(
                        crate::refusal::UNAVAILABLE,
                        "subscription_limit",
                        "the session has as many subscriptions as it may have; unsubscribe from some first",
                    ));
                }
                uri.map(After::Subscribed)
            }
            "resources/unsubscribe" => text("uri").map(After::Unsubscribed),
            "tools/list" if message.param("cursor").is_none() => Some(After::ToolsListed),
            _ => None,
        };
        Ok(after.unwrap_or(After::Nothing))
    }

    /// A notification of the client.
    pub(crate) fn take_notification(&self, message: &Message) {
        match message.method() {
            "notifications/initialized" => {
                {
                    let mut state = self.state.lock();
                    if state.record.initialized {
                        return;
                    }
                    state.record.initialized = true;
                    self.ledger.mark(state.record.clone());
                }
                // A worker that is not there, or is starting, hears it when it is ready.
                let stateless = self.seat.running().is_some_and(|worker| worker.tongue == Tongue::Stateless);
                self.seat.initialized();
                if stateless {
                    self.begin_listening();
                }
            }
            "notifications/cancelled" => {
                let Some(id) = requested_id(message) else {
                    return;
                };
                let reason = message.param("reason").map(|(_, raw)| raw);
                let known = self.seat.running().is_some_and(|worker| worker.cancel(&id.key(), reason.as_deref()));
                if !known && !self.cancel_round(&id.key()) {
                    self.open_ids.cancel(&id.key());
                }
            }
            // What else a client notifies of concerns the worker of this moment, or none.
            _ => {
                let worker = self.seat.running();
                if let Some(worker) = worker.filter(|worker| worker.tongue == Tongue::Handshake) {
                    worker.note(message.bytes().clone());
                }
            }
        }
    }

    /// The client's answer to a question of the worker. One that nobody waits for is ignored (trap 16).
    pub(crate) fn take_answer(&self, message: &Message) {
        if let Some(number) = message.id().as_ref().and_then(RawId::as_number)
            && !self.take_input(number, message)
            && let Some(worker) = self.seat.running()
        {
            worker.answer_question(number, message);
        }
    }

    /// How often it has been taken over.
    pub(crate) fn epoch(&self) -> i64 {
        self.state.lock().record.epoch
    }

    /// The session is another replica's, or may be: as if it ended, but its worker can do nothing from this moment on.
    pub(crate) fn lose(&self, refusal: &Refusal) {
        self.seat.cut(refusal.clone());
        self.end(refusal.clone());
    }

    /// The session is over: calls get the refusal, streams end.
    pub(crate) fn end(&self, refusal: Refusal) {
        self.give_up_rounds(|call| call.refuse(&refusal));
        self.seat.close(refusal);
        self.server_stream.close();
    }
}

/// The id of the request that a `notifications/cancelled` is about.
pub(crate) fn requested_id(message: &Message) -> Option<RawId> {
    let (_, raw) = message.param("requestId")?;
    RawId::read(std::str::from_utf8(&raw).ok()?).ok()
}
