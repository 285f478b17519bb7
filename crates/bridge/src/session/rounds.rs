//! Input-required results for a client that knows none: each question becomes a request to the client, and when all are
//! answered the call goes to the worker again, with the answers (mcp.md §3.11).
//!
//! Nothing of it is tied to a worker: a round outlives the worker that asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::Session;
use crate::call::Call;
use crate::envelope::{IdKey, Kind, Message};
use crate::errand::Errand;
use crate::event_log::{EventLog, Pushed, Weight};
use crate::refusal::{GONE, Refusal, UNAVAILABLE};

/// How often one call may ask. A worker that asks on and on would keep the call open for ever.
const MAX_ROUNDS: u8 = 32;
/// Questions of one result.
const MAX_QUESTIONS: usize = 64;

/// The calls that wait for answers of the client.
#[derive(Default)]
pub(super) struct Rounds(Mutex<Vec<Round>>);

struct Round {
    call: Box<Call>,
    /// The worker's `requestState`, raw.
    state: Option<Bytes>,
    open: HashMap<u64, Question>,
    answers: Vec<(String, Bytes)>,
}

struct Question {
    key: String,
    method: String,
    /// Where it waits to be read.
    place: Option<(Arc<EventLog>, u64)>,
}

/// A request in an input-required result.
#[derive(Deserialize)]
struct Asked {
    method: String,
    params: Option<Box<RawValue>>,
}

// === impl Session ===

impl Session {
    /// Whether this answer asks the client for something before there can be a result.
    pub(super) fn asks_for_input(call: &Call, answer: &Message) -> bool {
        matches!(call.errand, Some(Errand::Legacy(_)))
            && answer.kind() == (Kind::Response { error: false })
            && answer.payload_member("resultType").is_some_and(|kind| *kind == b"\"input_required\""[..])
    }

    /// Asks the client what the worker wants to know.
    pub(super) fn begin_round(&self, mut call: Box<Call>, answer: &Message) {
        let refuse = |call: Box<Call>, text: &str| {
            call.refuse(&Refusal::in_band(UNAVAILABLE, "input_required", text));
        };
        if let Some(Errand::Legacy(errand)) = &mut call.errand {
            errand.rounds += 1;
            if errand.rounds > MAX_ROUNDS {
                return refuse(call, "the worker asked for input again and again; the call was given up");
            }
        }
        let asked = answer.payload_member("inputRequests");
        let asked = asked.map_or(Ok(BTreeMap::new()), |raw| serde_json::from_slice::<BTreeMap<String, Asked>>(&raw));
        let Some(asked) = asked.ok().filter(|asked| asked.len() <= MAX_QUESTIONS) else {
            return refuse(call, "the worker asked for input in a way that can't be understood");
        };
        let state = answer.payload_member("requestState");
        if asked.is_empty() {
            return self.retry(call, state.as_deref(), &[]);
        }
        let heard = call.exchange.is_attended() || self.server_stream().is_attached();
        let quick = !heard || asked.values().all(|asked| asked.method == "roots/list");
        let patience = if quick { self.config.question_timeout } else { self.config.now().call_deadline };
        let exchange = call.exchange.clone();
        let mut lines = Vec::with_capacity(asked.len());
        let mut open = HashMap::with_capacity(asked.len());
        for (key, Asked { method, params }) in asked {
            let number = self.seat().question_number();
            lines.push((number, question_line(number, &method, params)));
            open.insert(number, Question { key, method, place: None });
        }
        let numbers: Vec<u64> = open.keys().copied().collect();
        self.rounds.0.lock().push(Round { call, state, open, answers: Vec::new() });
        for (number, line) in lines {
            // The client of the call is there, or the session's other stream has to do.
            let on_post = exchange.is_attended() && exchange.push(Weight::Needed, line.clone()) != Pushed::Closed;
            if !on_post && let Pushed::Kept(event) = self.server_stream().push(Weight::Needed, line) {
                self.rounds.placed(number, self.server_stream(), event);
            }
        }
        self.give_up_later(numbers, patience);
    }

    fn give_up_later(&self, numbers: Vec<u64>, patience: Duration) {
        let session = self.me.clone();
        tokio::spawn(async move {
            sleep(patience).await;
            let Some(session) = session.upgrade() else { return };
            let late = numbers.iter().find_map(|number| session.rounds.take_with(*number));
            if let Some(round) = late {
                round.give_up().refuse(&Refusal::in_band(GONE, "call_timed_out", "the client did not answer in time"));
            }
        });
    }

    /// The client's answer to a question of a round. `false` if there is no such question.
    pub(super) fn take_input(&self, number: u64, message: &Message) -> bool {
        let complete = {
            let mut rounds = self.rounds.0.lock();
            let Some(index) = rounds.iter().position(|round| round.open.contains_key(&number)) else { return false };
            let round = &mut rounds[index];
            let Some(question) = round.open.remove(&number) else { return false };
            let Some(result) = message.result() else {
                let round = rounds.swap_remove(index);
                drop(rounds);
                let said = message.payload_member("message").unwrap_or_default();
                let said: String = serde_json::from_slice(&said).unwrap_or_default();
                let text = format!("the client refused {}: {said}", question.method);
                round.give_up().refuse(&Refusal::in_band(UNAVAILABLE, "input_refused", text));
                return true;
            };
            round.answers.push((question.key, Bytes::copy_from_slice(&result)));
            round.open.is_empty().then(|| rounds.swap_remove(index))
        };
        if let Some(Round { call, state, answers, .. }) = complete {
            self.retry(call, state.as_deref(), &answers);
        }
        true
    }

    /// Sends the call again, with what the client has answered.
    fn retry(&self, mut call: Box<Call>, state: Option<&[u8]>, answers: &[(String, Bytes)]) {
        let mut responses = b"{".to_vec();
        for (index, (key, answer)) in answers.iter().enumerate() {
            responses.extend_from_slice(if index > 0 { b"," } else { b"" });
            responses.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
            responses.push(b':');
            responses.extend_from_slice(answer);
        }
        responses.push(b'}');
        let mut set: Vec<(&'static str, &[u8])> = Vec::new();
        if !answers.is_empty() {
            set.push(("inputResponses", &responses));
        }
        set.extend(state.map(|state| ("requestState", state)));
        let retry = match &call.errand {
            Some(Errand::Legacy(errand)) => Message::of_client(&errand.original.edit().params(&set).made()),
            _ => None,
        };
        if retry.is_none() {
            let text = "the call could not be sent again with the answers";
            return call.refuse(&Refusal::in_band(UNAVAILABLE, "input_required", text));
        }
        call.unsent = retry;
        call.attempts = 0;
        call.deadline = Instant::now() + self.config.now().call_deadline;
        self.seat().send(vec![*call]);
    }

    /// The client cancels a call that waits for its answers. `false` if there is none such.
    pub(super) fn cancel_round(&self, key: &IdKey) -> bool {
        let round = self.rounds.take(|round| round.call.id.key() == *key);
        round.map(|round| round.give_up().cancelled()).is_some()
    }

    /// Gives up all calls that wait for answers of the client.
    pub(crate) fn give_up_rounds(&self, mut answer: impl FnMut(Box<Call>)) {
        let rounds = std::mem::take(&mut *self.rounds.0.lock());
        for round in rounds {
            answer(round.give_up());
        }
    }
}

fn question_line(number: u64, method: &str, params: Option<Box<RawValue>>) -> Bytes {
    let mut line = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":{}"#, json!(method)).into_bytes();
    if let Some(params) = params {
        line.extend_from_slice(br#","params":"#);
        line.extend_from_slice(params.get().as_bytes());
    }
    line.push(b'}');
    let url_mode = |message: &Message| {
        let mode = message.param("mode").is_some_and(|(_, mode)| *mode == b"\"url\""[..]);
        mode && message.param("elicitationId").is_none()
    };
    // 2025-11-25 wants an id that 2026-07-28 no longer has.
    match Message::of_worker(&line.clone().into()) {
        Some(message) if url_mode(&message) => {
            let id = json!(format!("elicitation-{number}")).to_string();
            message.edit().params(&[("elicitationId", id.as_bytes())]).made()
        }
        _ => line.into(),
    }
}

// === impl Rounds ===

impl Rounds {
    fn take(&self, which: impl Fn(&Round) -> bool) -> Option<Round> {
        let mut rounds = self.0.lock();
        let index = rounds.iter().position(which)?;
        Some(rounds.swap_remove(index))
    }

    fn take_with(&self, number: u64) -> Option<Round> {
        self.take(|round| round.open.contains_key(&number))
    }

    fn placed(&self, number: u64, log: &Arc<EventLog>, event: u64) {
        let mut rounds = self.0.lock();
        if let Some(question) = rounds.iter_mut().find_map(|round| round.open.get_mut(&number)) {
            question.place = Some((log.clone(), event));
        }
    }
}

// === impl Round ===

impl Round {
    /// Nobody has to answer any more: what was not read is taken back.
    fn give_up(self) -> Box<Call> {
        for question in self.open.into_values() {
            if let Some((log, event)) = question.place {
                log.retract(event);
            }
        }
        self.call
    }
}
