//! Starting a worker and bringing it to where its predecessor was.

use std::sync::Arc;

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{Seat, StartFailure, seconds};
use crate::desk::{Desk, Opening, Replay};
use crate::envelope::Kind;
use crate::process::{ProcessRequest, SpawnError};
use crate::refusal::Refusal;
use crate::worker::{Parts, Worker};
use crate::workshop::Place;

const RETRY_SECONDS: u32 = 2;

// === impl Seat ===

impl Seat {
    /// Starts a worker within the caps, the breaker's will and the start timeout.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(Arc<Worker>, Place), StartFailure> {
        let refused = StartFailure::Refused;
        let shop = &self.shop;
        let place = shop.place(&self.user, self).map_err(refused)?;
        let _permit = shop.starting.acquire().await.map_err(|_| refused(Refusal::draining()))?;
        shop.breaker.admit(Instant::now()).map_err(|wait| {
            let message = "the MCP server behind this broker does not start; the operator's log says why";
            refused(Refusal::unavailable("breaker_open", seconds(wait), message))
        })?;
        let desk = self.desk.upgrade().ok_or_else(|| refused(Refusal::draining()))?;
        let until = Instant::now() + shop.config.start_timeout;
        let worker = self.start_process(&desk, until).await.map_err(refused)?;
        let opening = desk.opening();
        drop(desk);
        let opened = self.closing.run_until_cancelled(self.open(&worker, opening, until)).await;
        match opened.unwrap_or_else(|| Err(refused(self.closed_because()))) {
            Ok(()) => Ok((worker, place)),
            Err(failure) => {
                worker.stop(failure.refusal());
                Err(failure)
            }
        }
    }

    /// The handshake, and what brings the worker to where its predecessor was.
    async fn open(&self, worker: &Worker, opening: Opening, until: Instant) -> Result<(), StartFailure> {
        let shop = &self.shop;
        let within = until.saturating_duration_since(Instant::now());
        let Opening { initialize, replay } = opening;
        let greeting = match worker.ask("initialize", Some(&initialize), within).await {
            Ok(greeting) => greeting,
            Err(reason) => {
                shop.start_failed();
                shop.breaker.failed(Instant::now());
                tracing::warn!(worker.label = %worker.label, reason = %reason.message, "worker did not answer initialize");
                let message = "the MCP server behind this broker did not start in time; try again";
                return Err(StartFailure::Refused(Refusal::unavailable("start_failed", RETRY_SECONDS, message)));
            }
        };
        shop.start_succeeded();
        if matches!(greeting.kind(), Kind::Response { error: true }) {
            return Err(StartFailure::Declined(Box::new(greeting)));
        }
        worker.greeted(greeting);
        if let Some(replay) = replay {
            self.replay(worker, replay, until).await;
        }
        Ok(())
    }

    async fn start_process(self: &Arc<Self>, desk: &Arc<dyn Desk>, until: Instant) -> Result<Arc<Worker>, Refusal> {
        let shop = &self.shop;
        let access = shop.issuer.open();
        access.assign(&self.inner.lock().who);
        let label: Arc<str> = format!("{}-{}", self.user, shop.next_worker()).into();
        let request =
            ProcessRequest { url: access.url().to_owned(), token: access.token().to_owned(), label: label.to_string() };
        let message = "the MCP server behind this broker could not be started; try again later";
        let running = match timeout_at(until, shop.starter.start(request)).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => {
                shop.start_failed();
                // A machine that is out of processes, or a broker that stops, says nothing about the program.
                if matches!(error, SpawnError::Program { .. }) {
                    shop.breaker.failed(Instant::now());
                }
                tracing::warn!(worker.label = %label, error = %error, "worker could not be started");
                return Err(Refusal::unavailable("start_failed", RETRY_SECONDS, message));
            }
            Err(_) => {
                shop.start_failed();
                tracing::warn!(worker.label = %label, "starting a worker process took too long");
                return Err(Refusal::unavailable("start_failed", RETRY_SECONDS, message));
            }
        };
        let parts = Parts {
            label,
            user: self.user.clone(),
            access,
            config: shop.config.clone(),
            observer: shop.observer.clone(),
            desk: Arc::downgrade(desk),
            question_numbers: self.question_numbers.clone(),
        };
        Ok(Worker::begin(parts, running, &shop.tasks))
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
            let params = if call.params.is_null() { String::new() } else { call.params.to_string() };
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
