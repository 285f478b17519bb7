//! The way of a request of 2026-07-28 to a worker of its own era.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Native, answers};
use crate::call::{After, Call, Ticket};
use crate::envelope::Message;
use crate::era::modern::driver::{Driver, ListenHold};
use crate::era::modern::offer::Offer;
use crate::era::modern::param_headers::ParamHeader;
use crate::era::modern::request::Request;
use crate::errand::{Errand, Modern};
use crate::event_log::EventLog;
use crate::exchange::Exchange;
use crate::meta;
use crate::refusal::{Refusal, UNAVAILABLE};
use crate::request_state::LazyBinding;

// === impl Native ===

impl Driver for Native {
    fn offer(&self) -> BoxFuture<'_, Result<Arc<Offer>, Refusal>> {
        Box::pin(async {
            let speech = self.shop.speech_at_hand().await?;
            let changed =
                || Refusal::unavailable("era_changed", 2, "the MCP server behind this broker has been replaced");
            speech.discovered.as_ref().map(|discovered| Arc::new(offered(discovered))).ok_or_else(changed)
        })
    }

    fn param_headers(&self, tool: &str) -> Option<Arc<[ParamHeader]>> {
        self.param_headers.lock().get(tool).cloned()
    }

    fn call(&self, request: Request, exchange: &Arc<Exchange>) {
        let id = request.id.clone();
        match self.prepare(request, exchange) {
            Ok(call) => self.seat.send(vec![call]),
            Err(refusal) => {
                self.shop.observer.refused(refusal.label);
                exchange.refuse(id.as_bytes(), &refusal);
            }
        }
    }

    fn hang_up(&self, exchange: &Arc<Exchange>) {
        if exchange.log().is_closed() {
            return;
        }
        // One that no worker has got yet is dropped when its turn comes.
        exchange.cancelled(b"null", &Refusal::in_band(UNAVAILABLE, "cancelled", "the client has left"));
        if let Some(worker) = self.seat.running() {
            worker.cancel_exchange(exchange);
        }
    }

    fn listen(&self, request: &Request, _: &Offer, log: &Arc<EventLog>) -> Result<ListenHold, Refusal> {
        let native = self.me.upgrade().ok_or_else(Refusal::draining)?;
        Ok(Box::new(native.open_listen(request.id.clone(), request.message.clone(), log)))
    }
}

impl Native {
    fn prepare(&self, request: Request, exchange: &Arc<Exchange>) -> Result<Call, Refusal> {
        let Request { who, message, id, method, log_level, .. } = request;
        let shop = &self.shop;
        let errand = Modern {
            method,
            log_level,
            binding: LazyBinding::new(&who.grant, &message),
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
            deadline: Instant::now() + shop.config.now().call_deadline,
            after: After::Nothing,
            attempts: 0,
            ticket: Some(Ticket::new(counted, None)),
            terms: None,
            errand: Some(Errand::Modern(Box::new(errand))),
        })
    }
}

/// What a program says of itself in its answer to `server/discover`.
fn offered(discovered: &Message) -> Offer {
    let info = discovered.in_payload(&["_meta", meta::SERVER_INFO]).map(|(_, raw)| raw);
    Offer {
        capabilities: discovered.payload_member("capabilities").unwrap_or(Bytes::from_static(b"{}")),
        instructions: discovered.payload_member("instructions"),
        server_info: info.or_else(|| discovered.payload_member("serverInfo")),
    }
}
