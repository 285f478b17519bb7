//! A live worker: one reader task, one writer task, one task that watches deadlines and the end.
//!
//! The handle takes calls and notes; nothing here waits for a worker. Dropping all handles does not end it: [`Worker::stop`]
//! does, or its own end.

mod queue;
mod reader;
#[cfg(test)]
mod tests;
mod warden;
mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::queue::{NoRoom, Queue};
use crate::access::WorkerAccess;
use crate::call::Call;
use crate::config::BridgeConfig;
use crate::desk::Desk;
use crate::envelope::{IdKey, Message, RawId};
use crate::era::modern::request::LogLevel;
use crate::exchange::Exchange;
use crate::observer::Observer;
use crate::pending::{Pending, Waiter};
use crate::process::ExitReport;
use crate::questions::Questions;
use crate::refusal::{Refusal, UNAVAILABLE, error_body};
use crate::scrub::Scrubber;
use crate::speech::Tongue;
use crate::starter::RunningWorker;
use crate::tools::ToolDesk;

/// The one request of 2026-07-28 that stays open.
pub(crate) const LISTEN: &str = "subscriptions/listen";
/// Marks the refusal of a listen that the worker has ended.
pub(crate) const LISTEN_ENDED: &str = "listen_ended";
/// No deadline, as far as a clock can say it.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 10);

pub(crate) struct Worker {
    /// Tells workers apart in the log.
    pub(crate) label: Arc<str>,
    pub(crate) tongue: Tongue,
    /// The one user it ever works for.
    user: Arc<str>,
    access: Arc<dyn WorkerAccess>,
    config: Arc<BridgeConfig>,
    observer: Arc<dyn Observer>,
    tools: Arc<ToolDesk>,
    desk: Weak<dyn Desk>,
    outgoing: Queue,
    /// Bytes in `outgoing`.
    queued: AtomicUsize,
    pending: Mutex<Pending>,
    questions: Mutex<Questions>,
    last_used: Mutex<Instant>,
    /// For the warden: a deadline came in that may be nearer than the one it sleeps for, or the worker is stopped.
    sooner: Notify,
    /// The broker wants its end, for this reason.
    stopped: OnceLock<Box<Refusal>>,
    /// Whether a message has come from it.
    spoken: AtomicBool,
    /// Whether it knows that initialization is over.
    initialized: AtomicBool,
    /// Its answer to `initialize`.
    greeting: OnceLock<Message>,
}

/// What a worker needs to begin.
pub(crate) struct Parts {
    pub(crate) label: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) access: Arc<dyn WorkerAccess>,
    pub(crate) config: Arc<BridgeConfig>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) tools: Arc<ToolDesk>,
    pub(crate) desk: Weak<dyn Desk>,
    /// The numbers under which the client is asked; the session's, so that they outlive a worker.
    pub(crate) question_numbers: Arc<AtomicU64>,
    /// How the process is spoken to.
    pub(crate) tongue: Tongue,
    /// What is replaced in its lines.
    pub(crate) scrubber: Scrubber,
}

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The broker wanted it.
    Stopped(Refusal),
    /// The process ended by itself.
    Exited(ExitReport),
    /// It closed its stdout.
    OutputClosed,
    /// It takes no more input.
    InputClosed,
    /// It printed too much that was no message.
    BadLines,
    /// It answered no `ping` any more.
    Wedged,
}

/// Why a worker did not take a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    Ended,
    TooManyCalls,
    QueueFull,
    ForeignUser,
}

struct Outgoing {
    line: Bytes,
    /// The call that counts as sent with it.
    call: Option<u64>,
}

// === impl Worker ===

impl Worker {
    /// Begins to speak with a process that has been started.
    pub(crate) fn begin(parts: Parts, running: RunningWorker, tasks: &TaskTracker) -> Arc<Self> {
        let outgoing = Queue::new(parts.config.worker_queue);
        let worker = Arc::new(Self {
            label: parts.label,
            tongue: parts.tongue,
            user: parts.user,
            access: parts.access,
            config: parts.config,
            observer: parts.observer,
            tools: parts.tools,
            desk: parts.desk,
            outgoing,
            queued: AtomicUsize::new(0),
            pending: Mutex::default(),
            questions: Mutex::new(Questions::new(parts.question_numbers)),
            last_used: Mutex::new(Instant::now()),
            sooner: Notify::new(),
            stopped: OnceLock::new(),
            spoken: AtomicBool::new(false),
            initialized: AtomicBool::new(false),
            greeting: OnceLock::new(),
        });
        let RunningWorker { stdin, stdout, exit, pid, handle } = running;
        tracing::debug!(worker.label = %worker.label, worker.pid = pid, "worker process started");
        let reading = tasks.spawn(reader::read(worker.clone(), stdout, parts.scrubber));
        let writing = tasks.spawn(writer::write(worker.clone(), stdin));
        tasks.spawn(warden::watch(worker.clone(), reading, writing, exit, handle));
        worker
    }

    /// Gives the worker a call. One that it does not take comes back.
    pub(crate) fn call(&self, call: Box<Call>) -> Result<(), (Box<Call>, NotTaken)> {
        if call.user != self.user {
            tracing::error!(worker.label = %self.label, "a call of another user was about to reach this worker");
            return Err((call, NotTaken::ForeignUser));
        }
        let Some(length) = call.unsent.as_ref().map(|message| message.bytes().len()) else {
            return Err((call, NotTaken::Ended));
        };
        if !self.has_room_for(length) {
            return Err((call, NotTaken::QueueFull));
        }
        let room = match self.outgoing.try_reserve() {
            Ok(room) => room,
            Err(NoRoom::Full) => return Err((call, NotTaken::QueueFull)),
            Err(NoRoom::Closed) => return Err((call, NotTaken::Ended)),
        };
        let deadline = call.deadline;
        let (id, line, sooner) = {
            let mut pending = self.pending.lock();
            if pending.calls() >= self.config.max_calls_per_worker {
                return Err((call, NotTaken::TooManyCalls));
            }
            let id = match pending.open(Waiter::Client(call), deadline) {
                Ok(id) => id,
                Err(Waiter::Client(call)) => return Err((call, NotTaken::Ended)),
                Err(Waiter::Broker { .. }) => return Ok(()),
            };
            let line = pending.call(id).and_then(|call| call.line(id, self.tongue));
            (id, line.unwrap_or_default(), pending.is_sooner(deadline))
        };
        self.touch();
        if sooner {
            self.sooner.notify_one();
        }
        self.queued.fetch_add(line.len(), Ordering::Relaxed);
        room.send(Outgoing { line, call: Some(id) });
        Ok(())
    }

    /// A request of the broker's own.
    pub(crate) async fn ask(&self, method: &str, params: Option<&[u8]>, within: Duration) -> Result<Message, Refusal> {
        let ended = || Refusal::in_band(UNAVAILABLE, "worker_ended", "the worker has ended");
        let Some((id, mut answered)) = self.await_answer(method, Instant::now() + within) else { return Err(ended()) };
        let line = request_line(id, method, params);
        self.queued.fetch_add(line.len(), Ordering::Relaxed);
        tokio::select! {
            sent = self.outgoing.send(Outgoing { line, call: None }) => if sent.is_err() {
                self.pending.lock().withdraw(id);
                return Err(ended());
            },
            // A worker that takes no input is late all the same.
            answer = &mut answered => return answer.unwrap_or_else(|_| Err(ended())),
        }
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// A request of 2026-07-28 that stays open, under a number of the broker's. `None` if the worker takes none.
    pub(crate) fn open_listen(&self, request: &Message) -> Option<(u64, oneshot::Receiver<Result<Message, Refusal>>)> {
        let room = self.outgoing.try_reserve().ok()?;
        let (id, answered) = self.await_answer(LISTEN, Instant::now() + FOREVER)?;
        let number = id.to_string();
        let line = request.with_id(number.as_bytes(), Some(number.as_bytes()));
        self.queued.fetch_add(line.len(), Ordering::Relaxed);
        room.send(Outgoing { line, call: None });
        Some((id, answered))
    }

    /// Ends a listen from the broker's side.
    pub(crate) fn close_listen(&self, id: u64) {
        if self.pending.lock().bury(id).is_some() {
            self.note(cancellation_line(id, None));
        }
    }

    fn await_answer(
        &self,
        method: &str,
        deadline: Instant,
    ) -> Option<(u64, oneshot::Receiver<Result<Message, Refusal>>)> {
        let (answer, answered) = oneshot::channel();
        let id = self.pending.lock().open(Waiter::Broker { answer, method: method.into() }, deadline).ok()?;
        self.sooner.notify_one();
        Some((id, answered))
    }

    /// A request of the broker's own whose answer is of no interest; in its place among what is written now.
    pub(crate) fn tell(&self, method: &str, params: &[u8]) {
        let (answer, _) = oneshot::channel();
        let deadline = Instant::now() + self.config.now().call_deadline;
        let opened = self.pending.lock().open(Waiter::Broker { answer, method: method.into() }, deadline);
        if let Ok(id) = opened
            && !self.note(request_line(id, method, Some(params)))
        {
            self.pending.lock().withdraw(id);
        }
    }

    /// A notification, or an answer to a question. `false` if the worker has ended or takes nothing more.
    pub(crate) fn note(&self, line: Bytes) -> bool {
        let length = line.len();
        if !self.has_room_for(length) {
            return false;
        }
        self.queued.fetch_add(length, Ordering::Relaxed);
        let taken = self.outgoing.try_send(Outgoing { line, call: None }).is_ok();
        if !taken {
            self.queued.fetch_sub(length, Ordering::Relaxed);
        }
        taken
    }

    fn has_room_for(&self, length: usize) -> bool {
        let queued = self.queued.load(Ordering::Relaxed);
        queued == 0 || queued + length <= self.config.worker_queue_bytes
    }

    /// Tells the worker once that initialization is over.
    pub(crate) fn note_initialized(&self) {
        if self.tongue == Tongue::Handshake && !self.initialized.swap(true, Ordering::Relaxed) {
            self.note(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#));
        }
    }

    /// Cancels the call that a client knows under `key`, if there is exactly one such (trap 6). `reason` is a raw JSON value.
    pub(crate) fn cancel(&self, key: &IdKey, reason: Option<&[u8]>) -> bool {
        let cancelled = {
            let mut pending = self.pending.lock();
            let &[id] = pending.known_as(key).as_slice() else {
                return false;
            };
            pending.bury(id).map(|waiter| (id, waiter))
        };
        if let Some((id, Waiter::Client(call))) = cancelled {
            // One that still waits in the queue is written too; the cancellation follows it.
            self.note(cancellation_line(id, reason));
            call.cancelled();
        }
        true
    }

    /// The client of this exchange has left: its call is cancelled.
    pub(crate) fn cancel_exchange(&self, exchange: &Arc<Exchange>) {
        let found = self.pending.lock().of_exchange(exchange);
        if let Some(call) = found.and_then(|id| self.give_up(id)) {
            call.cancelled();
        }
    }

    /// The one call that a log message of this level can have come from.
    pub(crate) fn only_listener(&self, level: LogLevel) -> Option<Arc<Exchange>> {
        self.pending.lock().only_listener(level)
    }

    /// Gives up one call and cancels it in the worker. Whoever takes it owes its client an answer.
    pub(crate) fn give_up(&self, id: u64) -> Option<Box<Call>> {
        let buried = self.pending.lock().bury(id);
        let Some(Waiter::Client(call)) = buried else { return None };
        self.note(cancellation_line(id, None));
        Some(call)
    }

    /// Gives up all calls whose answer has not come, and cancels them in the worker.
    pub(crate) fn give_up_calls(&self, mut answer: impl FnMut(Box<Call>)) {
        let given_up: Vec<(u64, Box<Call>)> = {
            let mut pending = self.pending.lock();
            let ids = pending.call_ids();
            ids.into_iter()
                .filter_map(|id| match pending.bury(id) {
                    Some(Waiter::Client(call)) => Some((id, call)),
                    _ => None,
                })
                .collect()
        };
        for (id, call) in given_up {
            self.note(cancellation_line(id, None));
            answer(call);
        }
    }

    /// The client's answer to a question goes back under the worker's own id. `false` if there is no such question.
    pub(crate) fn answer_question(&self, number: u64, message: &Message) -> bool {
        let Some(id) = self.questions.lock().answer(number) else {
            return false;
        };
        self.touch();
        self.note(message.with_id(id.as_bytes(), None))
    }

    /// The same with the result alone.
    pub(crate) fn answer_question_with(&self, number: u64, result: &[u8]) -> bool {
        let Some(id) = self.questions.lock().answer(number) else {
            return false;
        };
        self.touch();
        let head = br#"{"jsonrpc":"2.0","id":"#;
        self.note([&head[..], id.as_bytes(), br#","result":"#, result, b"}"].concat().into())
    }

    /// Refuses a question.
    pub(crate) fn refuse_question(&self, id: &RawId, code: i32, message: &str) {
        self.note(error_body(Some(id.as_bytes()), code, message));
    }

    /// The number under which the client is to be asked.
    pub(crate) fn register_question(&self, id: &RawId, deadline: Instant) -> Option<u64> {
        let number = self.questions.lock().ask(id.detached(), deadline);
        self.sooner.notify_one();
        number
    }

    pub(crate) fn pending(&self) -> &Mutex<Pending> {
        &self.pending
    }

    /// A deadline has changed.
    pub(crate) fn deadlines_changed(&self) {
        self.sooner.notify_one();
    }

    pub(crate) fn questions(&self) -> &Mutex<Questions> {
        &self.questions
    }

    pub(crate) fn newest_attended(&self) -> Option<Arc<Exchange>> {
        self.pending.lock().newest_attended()
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    pub(crate) fn access(&self) -> &Arc<dyn WorkerAccess> {
        &self.access
    }

    pub(crate) fn greeting(&self) -> Option<&Message> {
        self.greeting.get()
    }

    pub(crate) fn greeted(&self, greeting: &Message) {
        let _ = self.greeting.set(greeting.detached());
    }

    /// Since when it has had nothing to do; `None` while a call is open.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.pending.lock().calls() == 0).then(|| *self.last_used.lock())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.outgoing.is_closed() || self.pending.lock().is_closed()
    }

    /// Ends it if no call is open, and takes none from then on. `false` if one is.
    pub(crate) fn retire(&self, reason: Refusal) -> bool {
        let idle = self.pending.lock().close_if_idle();
        if idle {
            self.stop(reason);
        }
        idle
    }

    /// Ends it. Calls still open are answered with `reason`. Returns at once.
    pub(crate) fn stop(&self, reason: Refusal) {
        let _ = self.stopped.set(Box::new(reason));
        // The writer writes nothing more: which calls the worker has is settled from here on.
        self.outgoing.close();
        self.sooner.notify_one();
    }

    fn touch(&self) {
        *self.last_used.lock() = Instant::now();
    }
}

fn request_line(id: u64, method: &str, params: Option<&[u8]>) -> Bytes {
    let mut line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}""#).into_bytes();
    if let Some(params) = params.filter(|params| !params.is_empty()) {
        line.extend_from_slice(br#","params":"#);
        line.extend_from_slice(params);
    }
    line.push(b'}');
    Bytes::from(line)
}

fn cancellation_line(id: u64, reason: Option<&[u8]>) -> Bytes {
    let mut line =
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}"#).into_bytes();
    if let Some(reason) = reason {
        line.extend_from_slice(br#","reason":"#);
        line.extend_from_slice(reason);
    }
    line.extend_from_slice(b"}}");
    Bytes::from(line)
}

// === impl End ===

impl End {
    /// What the calls get that the worker had and did not answer.
    pub(crate) fn refusal(&self) -> Refusal {
        let unsure = "; the call may or may not have been carried out";
        let message = match self {
            Self::Stopped(refusal) => return refusal.clone().for_sent_call(),
            Self::Exited(ExitReport { signal: Some(signal), .. }) => {
                format!("the worker was ended by signal {signal}{unsure}")
            }
            Self::Exited(ExitReport { code: Some(code), .. }) => {
                format!("the worker ended with exit code {code}{unsure}")
            }
            Self::Exited(_) | Self::OutputClosed | Self::InputClosed => {
                format!("the worker ended{unsure}")
            }
            Self::BadLines => format!("the worker printed what is no MCP and was ended{unsure}"),
            Self::Wedged => format!("the worker did not respond any more and was ended{unsure}"),
        };
        Refusal::in_band(UNAVAILABLE, "worker_ended", message)
    }

    pub(crate) fn was_expected(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }
}
