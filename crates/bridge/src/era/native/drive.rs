//! The way of a request of 2026-07-28 to a worker of its own era.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Native, answers};
use crate::call::{After, Call, Ticket};
use crate::era::modern::request::Request;
use crate::errand::{Errand, Modern};
use crate::exchange::Exchange;
use crate::refusal::{Refusal, UNAVAILABLE};
use crate::request_state::Binding;

// === impl Native ===

impl Native {
    /// Gives the call to the worker. The exchange gets its answer, whatever happens.
    pub(super) fn start(self: &Arc<Self>, request: Request, exchange: &Arc<Exchange>) {
        let id = request.id.clone();
        match self.prepare(request, exchange) {
            Ok(call) => self.seat.send(vec![call]),
            Err(refusal) => {
                self.shop.observer.refused(refusal.label);
                exchange.refuse(id.as_bytes(), &refusal);
            }
        }
    }

    fn prepare(self: &Arc<Self>, request: Request, exchange: &Arc<Exchange>) -> Result<Call, Refusal> {
        let Request { who, message, id, method, log_level, .. } = request;
        let shop = &self.shop;
        let errand = Modern {
            method,
            log_level,
            binding: Binding::new(&who.grant, &message),
            first_page: method.is_list() && message.param("cursor").is_none(),
            retry: ["inputResponses", "requestState"].into_iter().any(|name| message.param(name).is_some()),
        };
        let message = answers::opened(self, &errand, message)?;
        let counted = shop.tally.call(&who.user, shop.config.max_calls_per_user).ok_or_else(|| {
            Refusal::too_many("user_calls", 1, "too many calls of this user are open; try again when one has ended")
        })?;
        Ok(Call {
            user: who.user,
            exchange: exchange.clone(),
            token: message.progress_token(),
            id,
            unsent: Some(message),
            deadline: Instant::now() + shop.config.call_deadline,
            after: After::Nothing,
            attempts: 0,
            ticket: Ticket::new(counted, None),
            errand: Some(Box::new(Errand::Modern(errand))),
        })
    }

    /// The client has left: its call is cancelled, wherever it is.
    pub(super) fn leave(&self, exchange: &Arc<Exchange>) {
        if exchange.log().is_closed() {
            return;
        }
        // One that no worker has got yet is dropped when its turn comes.
        exchange.cancelled(b"null", &Refusal::in_band(UNAVAILABLE, "cancelled", "the client has left"));
        if let Some(worker) = self.seat.running() {
            worker.cancel_exchange(exchange);
        }
    }
}
