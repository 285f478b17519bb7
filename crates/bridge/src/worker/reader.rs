//! The reader: every line of a worker, to where it belongs. Never waits for anybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::time::Instant;

use super::{LISTEN_ENDED, Worker};
use crate::call::{After, Call};
use crate::envelope::{Incoming, Kind, Message, RawId, read_line, splice};
use crate::event_log::{Pushed, Weight};
use crate::frame::{Line, LineReader};
use crate::observer::{CallTimes, DroppedMessage, SkippedLine};
use crate::pending::{Answered, Waiter};
use crate::refusal::{Refusal, UNAVAILABLE};
use crate::scrub::Scrubber;
use crate::speech::Tongue;
use crate::tools::KnownList;

/// Why there is nothing more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadEnd {
    Closed,
    BadLines,
}

/// Not an async function: that has room for its arguments twice, and this waits in every worker.
pub(super) fn read(
    worker: Arc<Worker>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    scrubber: Scrubber,
) -> impl Future<Output = ReadEnd> + Send {
    let mut lines = LineReader::new(stdout, worker.config.max_line_bytes);
    async move {
        let mut bad_in_a_row = 0_usize;
        let mut known: Option<Arc<KnownList>> = None;
        loop {
            let skipped = match lines.next().await {
                Ok(Line::Whole(line)) => {
                    if let Some((list, number)) = known.as_ref().and_then(|list| Some((list, list.number_of(&line)?))) {
                        worker.take_list(number, list, &line);
                        continue;
                    }
                    let clean = scrubber.scrub(line.clone());
                    match read_line(&clean) {
                        Ok(incoming) => {
                            bad_in_a_row = 0;
                            if !worker.spoken.swap(true, Ordering::Relaxed) {
                                worker.access.ready();
                            }
                            let listed = match incoming {
                                Incoming::One(message) => worker.take(message),
                                Incoming::Batch(messages) => {
                                    for message in messages {
                                        worker.take(message);
                                    }
                                    None
                                }
                            };
                            // What had to be scrubbed has to be every time.
                            if let Some(listed) = listed.filter(|_| clean == line) {
                                known = Some(listed);
                            }
                            continue;
                        }
                        Err(_) => SkippedLine::NotAMessage,
                    }
                }
                Ok(Line::TooLong) => SkippedLine::TooLong,
                Ok(Line::End) | Err(_) => return ReadEnd::Closed,
            };
            worker.observer.line_skipped(skipped);
            tracing::debug!(worker.label = %worker.label, reason = ?skipped, "skipped a line of a worker");
            bad_in_a_row += 1;
            if bad_in_a_row >= worker.config.max_bad_lines {
                return ReadEnd::BadLines;
            }
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Gives back a list that it may print again.
    fn take(self: &Arc<Self>, message: Message) -> Option<Arc<KnownList>> {
        match message.kind() {
            Kind::Response { error } => return self.take_answer(message, error),
            Kind::Request => {
                let id = message.id()?;
                if message.method() == "ping" {
                    let pong = [br#"{"jsonrpc":"2.0","id":"#, id.as_bytes(), br#","result":{}}"#].concat();
                    self.note(pong.into());
                } else if let Some(desk) = self.desk.upgrade() {
                    desk.asked(self, message, id);
                }
            }
            Kind::Notification => match message.method() {
                "notifications/progress" => self.take_progress(&message),
                "notifications/cancelled" => self.take_withdrawal(&message),
                _ => {
                    if let Some(desk) = self.desk.upgrade() {
                        desk.notified(self, message);
                    }
                }
            },
        }
        None
    }

    /// The line is this list, in answer to the request of this number.
    fn take_list(self: &Arc<Self>, number: u64, list: &KnownList, line: &Bytes) {
        let answered = self.pending.lock().answer(number);
        match answered {
            Answered::Open(Waiter::Client(call), opened) if call.takes_list() => {
                self.note_answer(&call, opened);
                if let Some(desk) = self.desk.upgrade() {
                    desk.listed(list.digest());
                }
                let (exchange, id) = call.close();
                exchange.answer_list(&id, list);
            }
            answered => {
                if let Some(message) = Message::of_worker(line) {
                    self.give(answered, message, false);
                }
            }
        }
    }

    fn note_answer(&self, call: &Call, opened: Instant) {
        self.touch();
        let before = call.ticket.as_ref().map(|ticket| opened.duration_since(ticket.since()));
        self.observer.call_answered(CallTimes { before, in_worker: opened.elapsed() });
    }

    fn take_answer(self: &Arc<Self>, message: Message, is_error: bool) -> Option<Arc<KnownList>> {
        let number = match message.id() {
            Some(id) => id.as_number(),
            // A server that has lost the id after an accident in a handler says `null`: mcp-go 0.58 does.
            None if is_error => self.pending.lock().only_open(),
            None => None,
        };
        let answered = match number {
            Some(number) => self.pending.lock().answer(number),
            None => Answered::Unknown,
        };
        self.give(answered, message, is_error)
    }

    fn give(self: &Arc<Self>, answered: Answered, message: Message, is_error: bool) -> Option<Arc<KnownList>> {
        let mut listed = None;
        match answered {
            Answered::Open(Waiter::Client(call), opened) => {
                self.note_answer(&call, opened);
                if !is_error && call.takes_list() {
                    listed = self.tools.know(&message);
                }
                let desk = self.desk.upgrade();
                if !is_error
                    && call.after != After::Nothing
                    && let Some(desk) = &desk
                {
                    desk.answered(&call.after, &message);
                }
                let converted = if let Some(desk) = desk {
                    desk.converted(self, call, message)
                } else {
                    let line = message.with_id(call.id.as_bytes(), None);
                    Some((call, line))
                };
                if let Some((call, line)) = converted {
                    let (exchange, _) = call.close();
                    exchange.answer(line);
                }
            }
            Answered::Open(Waiter::Broker { answer, .. }, _) => {
                let _ = answer.send(Ok(message));
            }
            Answered::Late => self.observer.line_skipped(SkippedLine::Late),
            Answered::Unknown => self.observer.line_skipped(SkippedLine::UnknownId),
        }
        listed
    }

    /// The token that the worker knows is the call's number (trap 4).
    fn take_progress(&self, message: &Message) {
        let found = message.param("progressToken").and_then(|(range, token)| {
            let number: u64 = std::str::from_utf8(&token).ok()?.parse().ok()?;
            let pending = self.pending.lock();
            let call = pending.call(number)?;
            if call.is_parked() {
                return None;
            }
            Some((range, call.token.clone()?, call.exchange.clone()))
        });
        let Some((range, token, exchange)) = found else {
            // After the answer, or for a call that did not ask for it (trap 5).
            self.observer.message_dropped(DroppedMessage::StaleProgress);
            return;
        };
        if exchange.push(Weight::Notification, splice(message.bytes(), vec![(range, &token)])) == Pushed::Dropped {
            self.observer.message_dropped(DroppedMessage::SlowClient);
        }
    }

    /// A worker of 2026-07-28 has no questions: what it cancels is a listen (L06).
    fn take_end_of_listen(&self, message: &Message) {
        let number = message.param("requestId").and_then(|(_, raw)| std::str::from_utf8(&raw).ok()?.parse().ok());
        let listen = number.and_then(|number: u64| self.pending.lock().end_listen(number));
        if let Some(Waiter::Broker { answer, .. }) = listen {
            let _ = answer.send(Err(Refusal::in_band(UNAVAILABLE, LISTEN_ENDED, "the worker ended the subscription")));
        }
    }

    /// The worker cancels a question of its own.
    fn take_withdrawal(self: &Arc<Self>, message: &Message) {
        if self.tongue == Tongue::Stateless {
            self.take_end_of_listen(message);
            return;
        }
        let Some((range, raw)) = message.param("requestId") else {
            return;
        };
        let Some(id) = std::str::from_utf8(&raw).ok().and_then(|raw| RawId::read(raw).ok()) else {
            return;
        };
        let Some(number) = self.questions.lock().withdraw(&id) else {
            return;
        };
        let line = splice(message.bytes(), vec![(range, number.to_string().as_bytes())]);
        if let Ok(Incoming::One(message)) = read_line(&line)
            && let Some(desk) = self.desk.upgrade()
        {
            desk.question_withdrawn(self, message);
        }
    }
}
