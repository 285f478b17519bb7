//! A worker's questions to a modern client: its request ends with what is asked, and its call waits in the worker for the client
//! to come back with the answers (mcp.md §7.5).
//!
//! On stdio nothing links a question to the call that caused it. It is attributed if exactly one call can have caused it, and
//! refused to the worker otherwise. Calls whose client has been sent away do not count: they wait for answers themselves; only
//! if no other call is open, a further question is theirs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::dress::{self, Dressing};
use super::terms::Terms;
use crate::envelope::{Message, Object, RawId};
use crate::exchange::Exchange;
use crate::refusal::{METHOD_NOT_FOUND, MISSING_CAPABILITY, Refusal};
use crate::shared::Shared;
use crate::tally::ParkGuard;
use crate::worker::Worker;

/// A worker that asks several things at once writes them one after the other: they go to the client together.
const GATHER: Duration = Duration::from_millis(20);

/// A call that nobody comes back for is cancelled; if the worker still wants to know after this, it is refused.
const SLACK: Duration = Duration::from_secs(1);

/// What a worker has asked the client of one call.
pub(crate) struct Asking {
    worker: Weak<Worker>,
    /// The call's number in the worker.
    call: u64,
    /// Set from when the client is sent away until it is back.
    parked: AtomicBool,
    state: Mutex<State>,
}

struct State {
    questions: Vec<Question>,
    until: Instant,
    /// How the call ended while its client was away.
    ended: Option<Ended>,
    /// A client that came back in the very moment in which the call ended.
    waiting: Option<(Arc<Exchange>, RawId)>,
    /// Counts the call among those that wait for their clients.
    held: Option<ParkGuard>,
}

struct Question {
    /// Under which the client answers.
    key: String,
    /// The number in the worker's questions.
    number: u64,
    /// `{method, params}` as the client gets it.
    request: String,
}

/// How a call ended while its client was away.
pub(crate) enum Ended {
    Answered { terms: Box<Terms>, message: Message, dressing: Dressing },
    Refused(Refusal),
    LogInAgain(Refusal),
}

/// What a client must be able to do to be asked this.
struct Need {
    /// Where the capability is among the client's.
    path: &'static [&'static str],
    /// As a capabilities object.
    as_object: Value,
}

/// What became of a retry.
pub(super) enum Resumed {
    /// The call goes on; these answers are for the worker.
    GoesOn(Vec<(u64, Bytes)>),
    /// Not everything was answered: these are for the worker, and the client is to be asked again.
    AskAgain(Vec<(u64, Bytes)>),
    /// The call had ended; the exchange has its answer, or gets it in a moment.
    Over,
}

/// Takes a question of the worker.
pub(crate) fn asked(shared: &Arc<Shared>, worker: &Arc<Worker>, message: &Message, id: &RawId) {
    let refuse = |text: &str| worker.refuse_question(id, METHOD_NOT_FOUND, text);
    let Some(need) = Need::of(message) else {
        return refuse("the client of this server can't be asked that");
    };
    let Some((call, able)) = cause(worker, &need) else {
        return refuse("there is not exactly one call open that this can be about");
    };
    if !able {
        refuse("the client does not declare the capability that this needs");
        // Some servers ask for roots whenever a client may have them; that says nothing about the call.
        if message.method() != "roots/list"
            && let Some(call) = worker.give_up(call)
        {
            let text = format!("this needs a client that can be asked {}", message.method());
            let refusal = Refusal::new(400, MISSING_CAPABILITY, "missing_capability", text)
                .with_data(&json!({ "requiredCapabilities": need.as_object }));
            call.refuse(&refusal);
        }
        return;
    }
    let until = Instant::now() + shared.shop().config.input_deadline;
    let Some(number) = worker.register_question(id, until + SLACK) else {
        return refuse("too many requests to the client are open");
    };
    let question = Question::new(number, message);
    let asking = {
        let mut pending = worker.pending().lock();
        let Some(terms) = pending.call_mut(call).and_then(|call| call.terms.as_mut()) else { return };
        if let Some(asking) = &terms.asking {
            asking.state.lock().questions.push(question);
            return;
        }
        terms.asking.insert(Asking::new(worker, call, question, until)).clone()
    };
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        sleep(GATHER).await;
        if let Some(shared) = shared.upgrade() {
            asking.park(&shared);
        }
    });
}

/// The call that a question belongs to, and whether its client can be asked.
fn cause(worker: &Worker, need: &Need) -> Option<(u64, bool)> {
    let pending = worker.pending().lock();
    // A call of a legacy client without a session can be the cause as well, but can't be asked.
    let mut running =
        pending.running().filter(|(_, call)| call.terms.as_ref().is_none_or(|terms| terms.method.may_ask()));
    let (number, call) = match (running.next(), running.next()) {
        (Some(only), None) => only,
        (None, _) => {
            let mut parked = pending.parked();
            parked.next().filter(|_| parked.next().is_none())?
        }
        _ => return None,
    };
    Some((number, need.is_met_by(call.terms.as_ref()?)))
}

// === impl Asking ===

impl Asking {
    fn new(worker: &Arc<Worker>, call: u64, question: Question, until: Instant) -> Arc<Self> {
        let state = State { questions: vec![question], until, ended: None, waiting: None, held: None };
        Arc::new(Self {
            worker: Arc::downgrade(worker),
            call,
            parked: AtomicBool::new(false),
            state: Mutex::new(state),
        })
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    /// Whether nobody needs to come back for it any more.
    pub(crate) fn is_stale(&self) -> bool {
        self.state.lock().until < Instant::now()
    }

    pub(super) fn worker(&self) -> Option<Arc<Worker>> {
        self.worker.upgrade()
    }

    /// Sends the client away with the questions.
    fn park(self: &Arc<Self>, shared: &Shared) {
        let Some(worker) = self.worker.upgrade() else { return };
        let shop = shared.shop();
        let Some(guard) = shop.tally.park(&shared.who().user, shop.config.max_parked_calls_per_user) else {
            if let Some(call) = worker.give_up(self.call) {
                let text = "too many calls of this user wait for answers of their clients; answer some first";
                call.refuse(&Refusal::too_many("user_parked_calls", 5, text));
            }
            return;
        };
        let until = Instant::now() + shop.config.input_deadline;
        let (exchange, id, terms, ticket) = {
            let mut pending = worker.pending().lock();
            // It may have been answered, or cancelled, meanwhile.
            let Some(call) = pending.call_mut(self.call) else { return };
            let Some(terms) = &call.terms else { return };
            let parked = (call.exchange.clone(), call.id.clone(), terms.binding.get(), call.ticket.take());
            let mut state = self.state.lock();
            state.until = until;
            state.held = Some(guard);
            drop(state);
            self.parked.store(true, Ordering::Relaxed);
            pending.postpone(self.call, until);
            parked
        };
        worker.deadlines_changed();
        drop(ticket);
        let state = shared.translation().remember(self);
        match shop.vault.seal(&terms, &state.to_be_bytes()) {
            Some(state) => exchange.answer(self.input_required(&id, &state, shared)),
            None => exchange.refuse(id.as_bytes(), &Refusal::unavailable("no_random", 5, "no random numbers")),
        }
    }

    /// The client gets all the time once more.
    pub(super) fn begin_again(&self, shared: &Shared) {
        let Some(worker) = self.worker.upgrade() else { return };
        let until = Instant::now() + shared.shop().config.input_deadline;
        worker.pending().lock().postpone(self.call, until);
        let mut state = self.state.lock();
        state.until = until;
        let mut questions = worker.questions().lock();
        state.questions.iter().for_each(|question| questions.postpone(question.number, until + SLACK));
    }

    /// The result that asks the client (R02).
    pub(super) fn input_required(&self, id: &RawId, state: &str, shared: &Shared) -> Bytes {
        let questions = self.state.lock();
        let requests: Vec<String> = questions
            .questions
            .iter()
            .map(|question| format!("{}:{}", json!(question.key), question.request))
            .collect();
        dress::input_required(id, &requests.join(","), Some(state), shared.translation().offer().as_deref())
    }

    /// The call has ended and its client is not there.
    pub(crate) fn ended(&self, ended: Ended) {
        let mut state = self.state.lock();
        let Some((exchange, id)) = state.waiting.take() else {
            state.ended = Some(ended);
            state.held = None;
            return;
        };
        drop(state);
        ended.deliver(&exchange, &id);
    }

    /// The client is back. `answers` holds what it brings; `resume` puts it in the call's place and tells whether the call is
    /// still there.
    pub(super) fn back(
        &self,
        answers: Option<&Object<'_>>,
        exchange: &Arc<Exchange>,
        id: &RawId,
        resume: impl FnOnce(&Worker, u64) -> bool,
    ) -> Resumed {
        let mut given = Vec::new();
        let missing = {
            let mut state = self.state.lock();
            if let Some(ended) = state.ended.take() {
                drop(state);
                ended.deliver(exchange, id);
                return Resumed::Over;
            }
            state.questions.retain(|question| match answers.and_then(|answers| answers.get(&question.key)) {
                Some(answer) => {
                    given.push((question.number, Bytes::copy_from_slice(answer.as_bytes())));
                    false
                }
                None => true,
            });
            !state.questions.is_empty()
        };
        if missing {
            return Resumed::AskAgain(given);
        }
        if self.worker.upgrade().is_some_and(|worker| resume(&worker, self.call)) {
            return Resumed::GoesOn(given);
        }
        let mut state = self.state.lock();
        match state.ended.take() {
            Some(ended) => {
                drop(state);
                ended.deliver(exchange, id);
            }
            None => state.waiting = Some((exchange.clone(), id.clone())),
        }
        Resumed::Over
    }

    /// The client is in the call's place again.
    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
        self.state.lock().held = None;
    }
}

// === impl Question ===

impl Question {
    fn new(number: u64, message: &Message) -> Self {
        let method = message.method();
        let key = format!("{}-{number}", method.split('/').next().unwrap_or(method));
        let params = message.params().map(|params| String::from_utf8_lossy(&params).into_owned());
        let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
        Self { key, number, request: format!(r#"{{"method":{}{params}}}"#, json!(method)) }
    }
}

// === impl Ended ===

impl Ended {
    fn deliver(self, exchange: &Arc<Exchange>, id: &RawId) {
        match self {
            Self::Answered { terms, message, dressing } => dressing.finish(exchange, id, &terms, &message),
            Self::Refused(refusal) => exchange.refuse(id.as_bytes(), &refusal),
            Self::LogInAgain(refusal) => exchange.log_in_again(id.as_bytes(), &refusal),
        }
    }
}

// === impl Need ===

impl Need {
    fn of(message: &Message) -> Option<Self> {
        let (path, as_object): (&[&str], Value) = match message.method() {
            "elicitation/create" => match message.param("mode") {
                Some((_, mode)) if &*mode == br#""url""# => {
                    (&["elicitation", "url"], json!({"elicitation":{"url":{}}}))
                }
                _ => (&["elicitation", "form"], json!({"elicitation":{"form":{}}})),
            },
            "sampling/createMessage" if message.param("tools").is_some() => {
                (&["sampling", "tools"], json!({"sampling":{"tools":{}}}))
            }
            "sampling/createMessage" => (&["sampling"], json!({"sampling":{}})),
            "roots/list" => (&["roots"], json!({"roots":{}})),
            _ => return None,
        };
        Some(Self { path, as_object })
    }

    fn is_met_by(&self, terms: &Terms) -> bool {
        // An empty elicitation object means forms.
        terms.capabilities.has(self.path)
            || (self.path == ["elicitation", "form"]
                && terms.capabilities.has(&["elicitation"])
                && !terms.capabilities.has(&["elicitation", "url"]))
    }
}
