//! One POST that waits for answers: how many are missing, and whether it becomes plain JSON or an event stream.
//!
//! The choice is made late (mcp.md, trap 17): plain JSON if all answers are there before anything else and before
//! `stream_after`; an event stream otherwise. The exchange lives on when its client has gone: in the legacy era a lost
//! connection is not a cancellation (T25, trap 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant, timeout_at};

use crate::envelope::{IdKey, Message, RawId};
use crate::event_log::{EventLog, Pushed, Tail, Weight};
use crate::refusal::Refusal;
use crate::reply::{EventStream, Reply, ReplyBody};
use crate::tally::StreamGuard;
use crate::tools::{CallOutcome, KnownList, Watch};

pub(crate) struct Exchange {
    log: Arc<EventLog>,
    state: Mutex<State>,
    batch: bool,
    /// The client went away before it was told anything: nothing that is sent here can be read.
    abandoned: AtomicBool,
    streaming: AtomicBool,
}

struct State {
    missing: usize,
    /// Set as long as nothing but answers has come.
    plain: bool,
    outcome: Outcome,
    /// What has to be done with the answers that concern tools.
    watches: Vec<(IdKey, Watch)>,
}

/// How a single call ended, for the status line of a plain answer.
enum Outcome {
    Answered,
    Refused {
        status: u16,
        retry_after: Option<u32>,
    },
    /// The caller may only read.
    MayNotWrite,
    LogInAgain,
    /// Cancelled by the client, which then wants no answer (T76).
    Silent,
}

/// Forgets an exchange whose client went away before anything was decided.
struct Waiting<'a>(&'a Exchange);

// === impl Exchange ===

impl Exchange {
    /// Waits for `calls` answers. `batch` if they go out as an array.
    pub(crate) fn new(log: Arc<EventLog>, calls: usize, batch: bool) -> Arc<Self> {
        Arc::new(Self {
            log,
            state: Mutex::new(State { missing: calls, plain: true, outcome: Outcome::Answered, watches: Vec::new() }),
            batch,
            abandoned: AtomicBool::new(false),
            streaming: AtomicBool::new(false),
        })
    }

    pub(crate) fn log(&self) -> &Arc<EventLog> {
        &self.log
    }

    /// The answer to the request with this id passes by the watch.
    pub(crate) fn watch(&self, id: &RawId, watch: Option<Watch>) {
        self.state.lock().watches.extend(watch.map(|watch| (id.key(), watch)));
    }

    /// Whether the client is there: waiting for the answer, or reading the stream.
    pub(crate) fn is_attended(&self) -> bool {
        !self.abandoned.load(Ordering::Relaxed) && (!self.streaming.load(Ordering::Relaxed) || self.log.is_attached())
    }

    /// The client has gone.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Something that goes before the answer.
    pub(crate) fn push(&self, weight: Weight, data: Bytes) -> Pushed {
        let mut state = self.state.lock();
        let pushed = self.log.push(weight, data);
        state.plain &= pushed == Pushed::Closed;
        pushed
    }

    /// One of the answers.
    pub(crate) fn answer(&self, data: Bytes) {
        let data = self.shown(data);
        self.finish_one(Outcome::Answered, Some(data));
    }

    /// The answer to `tools/list` is a list that is known.
    pub(crate) fn answer_list(&self, id: &RawId, list: &KnownList) {
        let watch = self.state.lock().take(&id.key());
        let data = watch.map_or_else(|| list.whole(id), |(_, watch)| watch.listed(id, list));
        self.finish_one(Outcome::Answered, Some(data));
    }

    /// The bridge's own answer to one call.
    pub(crate) fn refuse(&self, id: &[u8], refusal: &Refusal) {
        self.unwatch(id, CallOutcome::Refused(refusal.label));
        let outcome = if refusal.label == Refusal::MAY_NOT_WRITE {
            Outcome::MayNotWrite
        } else {
            Outcome::Refused { status: refusal.status, retry_after: refusal.retry_after }
        };
        self.finish_one(outcome, Some(refusal.body(Some(id))));
    }

    /// The worker's answer, under another status than 200 if no stream has begun.
    pub(crate) fn answer_with_status(&self, status: u16, data: Bytes) {
        let data = self.shown(data);
        self.finish_one(Outcome::Refused { status, retry_after: None }, Some(data));
    }

    /// The user's credential has died. In a stream that has begun it is an error like others.
    pub(crate) fn log_in_again(&self, id: &[u8], refusal: &Refusal) {
        self.unwatch(id, CallOutcome::LogInAgain);
        self.finish_one(Outcome::LogInAgain, Some(refusal.body(Some(id))));
    }

    /// The client has cancelled the call. It wants no answer (T76); one is sent all the same where event ids have gone out,
    /// because a client that can resume would come back for it again and again.
    pub(crate) fn cancelled(&self, id: &[u8], refusal: &Refusal) {
        self.unwatch(id, CallOutcome::Cancelled);
        let resumable = self.batch || (self.log.has_ids() && !self.state.lock().plain);
        self.finish_one(Outcome::Silent, resumable.then(|| refusal.body(Some(id))));
    }

    /// What the client gets to see of a worker's answer.
    fn shown(&self, data: Bytes) -> Bytes {
        let watch = {
            let mut state = self.state.lock();
            match state.watches.len() {
                0 => None,
                // The usual case: one request.
                1 if !self.batch => state.watches.pop(),
                _ => {
                    let id = Message::of_worker(&data).and_then(|message| message.id());
                    id.and_then(|id| state.take(&id.key()))
                }
            }
        };
        match watch {
            Some((_, watch)) => watch.answered(data),
            None => data,
        }
    }

    fn unwatch(&self, id: &[u8], outcome: CallOutcome) {
        let watch = {
            let mut state = self.state.lock();
            let id = std::str::from_utf8(id).ok().and_then(|id| RawId::read(id).ok());
            match id {
                Some(id) => state.take(&id.key()),
                None if self.batch => None,
                None => state.watches.pop(),
            }
        };
        if let Some((_, watch)) = watch {
            watch.ended(outcome);
        }
    }

    fn finish_one(&self, outcome: Outcome, data: Option<Bytes>) {
        // Held throughout: the last answer must not close the log before the one before it is in.
        let mut state = self.state.lock();
        if !matches!(state.outcome, Outcome::LogInAgain) {
            state.outcome = outcome;
        }
        state.missing = state.missing.saturating_sub(1);
        match (data, state.missing == 0) {
            (Some(data), true) => self.log.finish(data),
            (Some(data), false) => drop(self.log.push(Weight::Needed, data)),
            (None, true) => self.log.close(),
            (None, false) => {}
        }
    }

    /// The HTTP answer. `streaming` is called if it becomes an event stream; it counts it and says whether the client knows what
    /// to do with an event that has only an id (T44).
    pub(crate) async fn reply(
        self: &Arc<Self>,
        wait: Duration,
        streaming: impl FnOnce(&Arc<Self>) -> (StreamGuard, bool),
    ) -> Reply {
        let waiting = Waiting(self);
        let until = Instant::now() + wait;
        loop {
            if self.log.is_closed() {
                if let Some(reply) = self.plain_reply() {
                    return reply;
                }
                break;
            }
            let seen = self.log.len();
            if !self.state.lock().plain || timeout_at(until, self.log.changed(seen)).await.is_err() {
                break;
            }
        }
        self.state.lock().plain = false;
        let (guard, primed) = streaming(self);
        let first = self.log.first_frame(primed);
        let tail = self.log.attach(None);
        // The reader is there, so from here on it tells whether the client is.
        self.streaming.store(true, Ordering::Relaxed);
        std::mem::forget(waiting);
        Reply::events(events(tail, guard, first))
    }

    /// The answer without a stream, if nothing but answers has come.
    fn plain_reply(&self) -> Option<Reply> {
        let state = self.state.lock();
        if !state.plain {
            return None;
        }
        let mut answers = self.log.contents();
        if self.batch && !matches!(state.outcome, Outcome::LogInAgain) {
            return Some(Reply::json(array(&answers)));
        }
        match (&state.outcome, answers.pop()) {
            (Outcome::LogInAgain, _) => Some(Reply::log_in_again()),
            (Outcome::MayNotWrite, Some(body)) => Some(Reply::may_not_write(body)),
            (Outcome::Refused { status, retry_after }, Some(body)) => Some(Reply {
                status: *status,
                session_id: None,
                retry_after: *retry_after,
                body: ReplyBody::Json(body),
            }),
            (_, Some(body)) => Some(Reply::json(body)),
            // A request is answered with JSON or with a stream (T12); this stream is empty.
            (_, None) => Some(Reply::events(Box::pin(stream::empty()))),
        }
    }
}

/// The bytes of an event stream: `first`, then what the log has.
pub(crate) fn events(tail: Tail, guard: StreamGuard, first: Bytes) -> EventStream {
    let rest = stream::unfold((tail, guard), |(mut tail, guard)| async move {
        let frame = tail.next().await?;
        Some((frame, (tail, guard)))
    });
    Box::pin(stream::iter([first]).chain(rest))
}

fn array(answers: &[Bytes]) -> Bytes {
    let mut out = BytesMut::with_capacity(answers.iter().map(|answer| answer.len() + 1).sum::<usize>() + 2);
    out.extend_from_slice(b"[");
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b",");
        }
        out.extend_from_slice(answer);
    }
    out.extend_from_slice(b"]");
    out.freeze()
}

// === impl State ===

impl State {
    fn take(&mut self, id: &IdKey) -> Option<(IdKey, Watch)> {
        let index = self.watches.iter().position(|(key, _)| key == id)?;
        Some(self.watches.swap_remove(index))
    }
}

// === impl Waiting ===

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}
