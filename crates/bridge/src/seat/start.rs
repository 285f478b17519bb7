//! Starting a worker and bringing it to where its predecessor was.

use std::sync::Arc;

use serde_json::json;
use tokio::time::Instant;

use super::{Seat, StartFailure, seconds};
use crate::access::WorkerAccess;
use crate::desk::{Desk, Opening, Replay};
use crate::envelope::Kind;
use crate::meta;
use crate::refusal::Refusal;
use crate::speech::Tongue;
use crate::starter::RunningWorker;
use crate::worker::{Parts, Worker};
use crate::workshop::Place;

const RETRY_SECONDS: u32 = 2;
/// A worker that was started ahead has this part of the start timeout for its first answer: it is up already, and if it is not,
/// there has to be time for another.
const WARM_SHARE: u32 = 4;

/// Why a worker could not be opened.
enum Unopened {
    /// It gave no answer to the first request.
    Mute(Refusal),
    Failed(StartFailure),
}

// === impl Seat ===

impl Seat {
    /// Gets a worker within the caps: one that was started ahead, else a new one as far as the breaker lets it.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(Arc<Worker>, Place), StartFailure> {
        let refused = StartFailure::Refused;
        let shop = &self.shop;
        let speech = shop.speech().await.map_err(refused)?;
        let place = shop.place(&self.user, self).map_err(refused)?;
        let desk = self.desk.upgrade().ok_or_else(|| refused(Refusal::draining()))?;
        let tongue = desk.tongue(&speech).ok_or_else(|| {
            let message = "the MCP server behind this broker has been replaced by one of another era; try again";
            refused(Refusal::unavailable("era_changed", RETRY_SECONDS, message))
        })?;
        let warm = shop.warm.take(&shop.starter.program());
        shop.make_room_for_users();
        if let Some(warm) = warm {
            let label = format!("{}-{}", self.user, warm.number).into();
            let worker = self.begin(&desk, tongue, label, warm.access, warm.running);
            let until = Instant::now() + shop.config.start_timeout / WARM_SHARE;
            match self.open(&worker, desk.opening(), until).await {
                Ok(()) => {
                    shop.warm.was_of_use();
                    shop.observer.warm_worker_used();
                    return Ok((worker, place));
                }
                Err(Unopened::Failed(failure)) => {
                    worker.stop(failure.refusal());
                    return Err(failure);
                }
                // It may have been killed, or stopped, while it waited: that says nothing about the next one.
                Err(Unopened::Mute(reason)) => {
                    tracing::warn!(worker.label = %worker.label, reason = %reason.message, "a warm worker was of no use");
                    shop.observer.warm_worker_lost();
                    worker.stop(reason);
                }
            }
        }
        let _permit = shop.starting.acquire().await.map_err(|_| refused(Refusal::draining()))?;
        shop.breaker.admit(Instant::now()).map_err(|wait| {
            let message = "the MCP server behind this broker does not start; the operator's log says why";
            refused(Refusal::unavailable("breaker_open", seconds(wait), message))
        })?;
        let until = Instant::now() + shop.config.start_timeout;
        let access = shop.issuer.open();
        let label: Arc<str> = format!("{}-{}", self.user, shop.next_worker()).into();
        let running = shop.launch(&label, &*access).await.map_err(refused)?;
        let worker = self.begin(&desk, tongue, label, access, running);
        let opening = desk.opening();
        drop(desk);
        match self.open(&worker, opening, until).await {
            Ok(()) => Ok((worker, place)),
            Err(Unopened::Failed(failure)) => {
                worker.stop(failure.refusal());
                Err(failure)
            }
            Err(Unopened::Mute(reason)) => {
                shop.start_failed();
                shop.breaker.failed(Instant::now());
                tracing::warn!(worker.label = %worker.label, reason = %reason.message, "worker did not answer its first request");
                let message = "the MCP server behind this broker did not start in time; try again";
                let refusal = Refusal::unavailable("start_failed", RETRY_SECONDS, message);
                worker.stop(refusal.clone());
                Err(refused(refusal))
            }
        }
    }

    /// Binds a process to this seat and its user, for good.
    fn begin(
        &self,
        desk: &Arc<dyn Desk>,
        tongue: Tongue,
        label: Arc<str>,
        access: Arc<dyn WorkerAccess>,
        running: RunningWorker,
    ) -> Arc<Worker> {
        let shop = &self.shop;
        if desk.is_of_session() {
            access.only_under(shop.config.replica.lease.clone());
        }
        access.assign(&self.inner.lock().who);
        let parts = Parts {
            scrubber: shop.scrubbing.of(&access),
            label,
            user: self.user.clone(),
            access,
            config: shop.config.clone(),
            observer: shop.observer.clone(),
            tools: shop.tools.clone(),
            desk: Arc::downgrade(desk),
            question_numbers: self.question_numbers.clone(),
            tongue,
        };
        Worker::begin(parts, running, &shop.tasks)
    }

    /// The handshake, and what brings the worker to where its predecessor was; given up when the seat is closed.
    async fn open(&self, worker: &Worker, opening: Opening, until: Instant) -> Result<(), Unopened> {
        let opened = self.closing.run_until_cancelled(self.shake_hands(worker, opening, until)).await;
        opened.unwrap_or_else(|| Err(Unopened::Failed(StartFailure::Refused(self.closed_because()))))
    }

    async fn shake_hands(&self, worker: &Worker, opening: Opening, until: Instant) -> Result<(), Unopened> {
        let within = until.saturating_duration_since(Instant::now());
        let Opening { initialize, replay } = opening;
        let (first, params) = match worker.tongue {
            Tongue::Handshake => ("initialize", initialize),
            Tongue::Stateless => ("server/discover", meta::params_of_the_broker(&json!({})).into()),
        };
        let greeting = worker.ask(first, Some(&params), within).await.map_err(Unopened::Mute)?;
        self.shop.start_succeeded();
        if matches!(greeting.kind(), Kind::Response { error: true }) {
            return Err(Unopened::Failed(StartFailure::Declined(Box::new(greeting))));
        }
        let greeting = self.desk.upgrade().map(|desk| desk.greeting(greeting, worker.tongue));
        let gone = || Unopened::Failed(StartFailure::Refused(Refusal::draining()));
        worker.greeted(&greeting.ok_or_else(gone)?);
        if let Some(replay) = replay {
            self.replay(worker, replay, until).await;
        }
        Ok(())
    }

    /// The client has finished the handshake: its worker hears of it, and the profile's calls are made before any of the
    /// client's.
    pub(crate) fn initialized(self: &Arc<Self>) {
        if self.shop.starter.repeat_calls().is_empty() {
            if let Some(worker) = self.running() {
                worker.note_initialized();
            }
            return;
        }
        let Some((worker, place, tell)) = self.withdraw() else { return };
        let seat = self.clone();
        self.shop.tasks.spawn(async move {
            worker.note_initialized();
            seat.repeat_calls(&worker, Instant::now() + seat.shop.config.start_timeout).await;
            let _ = tell.send(Some(Ok(seat.sit(worker, place))));
        });
    }

    /// What the predecessor knew.
    async fn replay(&self, worker: &Worker, replay: Replay, until: Instant) {
        if !replay.initialized {
            return;
        }
        if worker.tongue == Tongue::Stateless {
            // Each request brings the level along, and the desk listens anew.
            self.repeat_calls(worker, until).await;
            return;
        }
        worker.note_initialized();
        if let Some(level) = replay.log_level {
            let params = json!({ "level": level }).to_string();
            restore(worker, "logging/setLevel", &params, until).await;
        }
        for uri in replay.subscriptions {
            let params = json!({ "uri": uri }).to_string();
            restore(worker, "resources/subscribe", &params, until).await;
        }
        self.repeat_calls(worker, until).await;
    }

    async fn repeat_calls(&self, worker: &Worker, until: Instant) {
        for call in self.shop.starter.repeat_calls() {
            let params = match worker.tongue {
                Tongue::Stateless => meta::params_of_the_broker(&call.params),
                Tongue::Handshake if call.params.is_null() => String::new(),
                Tongue::Handshake => call.params.to_string(),
            };
            restore(worker, &call.method, &params, until).await;
        }
    }

    fn closed_because(&self) -> Refusal {
        self.inner.lock().closed.clone().unwrap_or_else(Refusal::draining)
    }
}

/// Anything that fails is logged and left out: the session is worth more than its log level.
async fn restore(worker: &Worker, method: &str, params: &str, until: Instant) {
    let within = until.saturating_duration_since(Instant::now());
    let reason = match worker.ask(method, Some(params.as_bytes()), within).await {
        Ok(answer) if answer.kind() == (Kind::Response { error: false }) => return,
        Ok(_) => "the worker answered with an error".to_owned(),
        Err(refusal) => refusal.message,
    };
    tracing::warn!(worker.label = %worker.label, mcp.method = method, reason = %reason, "a session's state was not restored");
}
