//! The warden: deadlines, and the end of a worker in good order.
//!
//! Order at the end: what the process had still printed is read; the writer stops, so that it is settled which calls it had;
//! those are answered with an error that names the reason, the others go to the desk, which may give them to a new worker;
//! then the process goes down the stop ladder.

use std::future::{self, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::reader::ReadEnd;
use super::{End, Worker, cancellation_line};
use crate::call::Call;
use crate::meta;
use crate::pending::Waiter;
use crate::process::{Exit, ExitReport};
use crate::refusal::{GONE, Refusal};
use crate::speech::Tongue;
use crate::starter::StopWorker;

/// For the lines that a process printed right before its end. Somebody it left behind may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// As long as the worker lives.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function has room for its arguments twice; this waits in every worker"
)]
pub(super) fn watch(
    worker: Arc<Worker>,
    mut reading: JoinHandle<ReadEnd>,
    mut writing: JoinHandle<()>,
    exit: Exit,
    handle: Box<dyn StopWorker>,
) -> impl Future<Output = ()> + Send {
    async move {
        let end = watch_for_end(&worker, &mut reading, &mut writing, &exit).await;
        // What comes at the end of a life is boxed, here and below: it would make the task larger all the life long.
        Box::pin(see_off(worker, end, reading, writing, handle)).await;
    }
}

async fn see_off(
    worker: Arc<Worker>,
    end: End,
    reading: JoinHandle<ReadEnd>,
    writing: JoinHandle<()>,
    handle: Box<dyn StopWorker>,
) {
    worker.outgoing.close();
    // The writer has dropped stdin when it is done: the first rung of the ladder.
    if !writing.is_finished() {
        let _ = writing.await;
    }
    worker.settle(&end);
    reading.abort();
    let report = handle.stop(worker.config.stop_grace).await;
    worker.observer.worker_ended(&report, end.was_expected());
    if end.was_expected() && report.signal == Some(Signal::KILL.as_raw()) {
        worker.observer.worker_killed();
    }
    if end.was_expected() {
        tracing::debug!(worker.label = %worker.label, "worker stopped");
    } else {
        tracing::warn!(
            worker.label = %worker.label,
            worker.end = ?end,
            worker.exit_code = report.code,
            worker.signal = report.signal,
            worker.last_stderr_line = report.last_stderr_line.as_deref(),
            "worker ended unexpectedly"
        );
    }
}

#[expect(clippy::manual_async_fn, reason = "as above")]
fn watch_for_end(
    worker: &Arc<Worker>,
    reading: &mut JoinHandle<ReadEnd>,
    writing: &mut JoinHandle<()>,
    exit: &Exit,
) -> impl Future<Output = End> + Send {
    async move {
        let mut pinging = None;
        let mut alarm = None;
        loop {
            alarm = set(alarm, worker.next_deadline());
            let pinged = async {
                match &mut pinging {
                    Some(answer) => answer.await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // Whoever sets it wakes this task by the last branch.
                refusal = poll_fn(|_| worker.stopped.get().map_or(Poll::Pending, Poll::Ready)) => {
                    return End::Stopped(Refusal::clone(refusal));
                }
                ended = &mut *reading => {
                    if ended.is_ok_and(|ended| ended == ReadEnd::BadLines) {
                        return End::BadLines;
                    }
                    return Box::pin(exit_code_or(End::OutputClosed, exit)).await;
                }
                report = exit.ended() => {
                    let _ = Box::pin(timeout(LAST_WORDS, &mut *reading)).await;
                    return End::Exited(report.cloned().unwrap_or(UNKNOWN_END));
                }
                _ = &mut *writing => {
                    let _ = Box::pin(timeout(LAST_WORDS, &mut *reading)).await;
                    return Box::pin(exit_code_or(End::InputClosed, exit)).await;
                }
                answer = pinged => {
                    pinging = None;
                    if let Ok(Err(())) = answer {
                        return End::Wedged;
                    }
                }
                () = rung(&mut alarm) => {
                    if worker.expire() && pinging.is_none() {
                        pinging = Some(tokio::spawn(ping(worker.clone())));
                    }
                }
                () = worker.sooner.notified() => {}
            }
        }
    }
}

/// One that waits for this deadline. An idle worker has none.
fn set(alarm: Option<Pin<Box<Sleep>>>, deadline: Option<Instant>) -> Option<Pin<Box<Sleep>>> {
    let deadline = deadline?;
    let Some(mut alarm) = alarm else { return Some(Box::pin(sleep_until(deadline))) };
    alarm.as_mut().reset(deadline);
    Some(alarm)
}

async fn rung(alarm: &mut Option<Pin<Box<Sleep>>>) {
    match alarm {
        Some(alarm) => alarm.await,
        None => future::pending().await,
    }
}

/// A process that closes a pipe is mostly about to exit, and its exit code says more.
async fn exit_code_or(end: End, exit: &Exit) -> End {
    let report = timeout(LAST_WORDS, exit.ended()).await.ok().flatten();
    report.map_or(end, |report| End::Exited(report.clone()))
}

const UNKNOWN_END: ExitReport = ExitReport { code: None, signal: None, last_stderr_line: None };

/// Any answer will do: an error shows a living worker too.
async fn ping(worker: Arc<Worker>) -> Result<(), ()> {
    let within = worker.config.ping_timeout;
    let asked = match worker.tongue {
        Tongue::Handshake => worker.ask("ping", None, within).await,
        Tongue::Stateless => {
            let params = meta::params_of_the_broker(&serde_json::Value::Null);
            worker.ask("server/discover", Some(params.as_bytes()), within).await
        }
    };
    match asked {
        Err(refusal) if refusal.code == GONE => Err(()),
        _ => Ok(()),
    }
}

// === impl Worker ===

impl Worker {
    fn next_deadline(&self) -> Option<Instant> {
        let calls = self.pending.lock().watch_deadline();
        let questions = self.questions.lock().next_deadline();
        calls.into_iter().chain(questions).min()
    }

    /// Gives up what has taken too long (T74). `true` if a client's call was among it.
    fn expire(&self) -> bool {
        let now = Instant::now();
        let calls = self.pending.lock().expire(now);
        let mut any_call = false;
        for (id, waiter) in calls {
            match waiter {
                Waiter::Client(call) => {
                    any_call = true;
                    self.note(cancellation_line(id, Some(br#""deadline exceeded""#)));
                    let seconds = self.config.now().call_deadline.as_secs();
                    let message = format!("no answer within {seconds} s; the call was cancelled");
                    call.refuse(&Refusal::in_band(GONE, "call_timed_out", message));
                }
                Waiter::Broker { answer, method } => {
                    // `initialize` must not be cancelled (T75).
                    if &*method != "initialize" {
                        self.note(cancellation_line(id, None));
                    }
                    let _ = answer.send(Err(Refusal::in_band(
                        GONE,
                        "worker_mute",
                        format!("the worker did not answer {method}"),
                    )));
                }
            }
        }
        let questions = self.questions.lock().expire(now);
        for id in questions {
            self.refuse_question(&id, GONE, "the client did not answer in time");
        }
        any_call
    }

    /// The worker is no more: answers what it had, gives back what it had not.
    fn settle(self: &Arc<Self>, end: &End) {
        let waiters = self.pending.lock().close();
        self.questions.lock().close();
        let refusal = end.refusal();
        let mut unsent: Vec<Call> = Vec::new();
        for waiter in waiters {
            match waiter {
                Waiter::Client(call) if call.unsent.is_some() && !call.is_cancelled() => unsent.push(*call),
                Waiter::Client(call) => call.refuse(&refusal),
                Waiter::Broker { answer, .. } => {
                    let _ = answer.send(Err(refusal.clone()));
                }
            }
        }
        match self.desk.upgrade() {
            Some(desk) => desk.ended(self, end, unsent),
            None => unsent.into_iter().for_each(|call| call.refuse(&refusal)),
        }
    }
}
