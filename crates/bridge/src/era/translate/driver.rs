//! The grant's shared worker as a modern client's driver.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::dress::Dressing;
use super::listens::Filter;
use super::terms::Terms;
use super::{outbound, retry, subscribing};
use crate::call::{After, Call, Ticket};
use crate::era::modern::driver::{Driver, ListenHold};
use crate::era::modern::offer::Offer;
use crate::era::modern::param_headers::ParamHeader;
use crate::era::modern::request::Request;
use crate::event_log::EventLog;
use crate::exchange::Exchange;
use crate::refusal::{INTERNAL_ERROR, INVALID_PARAMS, Refusal};
use crate::shared::Shared;

/// The client of a listen is there.
struct Listening {
    shared: Arc<Shared>,
    number: u64,
}

// === impl Shared ===

impl Driver for Shared {
    fn offer(&self) -> BoxFuture<'_, Result<Arc<Offer>, Refusal>> {
        Box::pin(async move {
            // What a running worker has said holds for it, even if another version has been installed since.
            if self.seat().running().is_some()
                && let Some(offer) = self.translation().offer()
            {
                return Ok(offer);
            }
            let version = self.shop().starter.program();
            if let Some(offer) = self.shop().programs.offer(&version) {
                return Ok(offer);
            }
            self.seat().worker().await.map_err(|failure| failure.refusal())?;
            self.translation().offer().ok_or_else(|| {
                let text = "the MCP server behind this broker answered initialize without capabilities";
                Refusal::unavailable("bad_greeting", 5, text)
            })
        })
    }

    fn param_headers(&self, tool: &str) -> Option<Arc<[ParamHeader]>> {
        self.translation().lists.headers(tool)
    }

    fn call(&self, request: Request, exchange: &Arc<Exchange>) {
        let (shop, translation) = (self.shop(), self.translation());
        if let Some((_, state)) = request.message.param("requestState") {
            return retry::retry(self, &request, &state, exchange);
        }
        let page = translation.lists.page(&request);
        let terms = Terms::of(&request, page);
        if let Some(answer) = terms.page.as_ref().and_then(|page| translation.lists.find(page)) {
            return self.dressing().finish(exchange, &request.id, &terms, &answer);
        }
        let refuse = |refusal: &Refusal| {
            shop.observer.refused(refusal.label);
            exchange.refuse(request.id.as_bytes(), refusal);
        };
        let Some(message) = outbound::for_worker(&request.message) else {
            return refuse(&Refusal::in_band(INTERNAL_ERROR, "not_translated", "the request could not be translated"));
        };
        let Some(counted) = shop.tally.call(&request.who.user, shop.config.max_calls_per_user) else {
            let text = "too many calls of this user are open; try again when one has ended";
            return refuse(&Refusal::too_many("user_calls", 1, text));
        };
        self.seat().send(vec![Call {
            user: request.who.user.clone(),
            exchange: exchange.clone(),
            id: request.id,
            token: message.progress_token(),
            unsent: Some(message),
            deadline: Instant::now() + shop.config.now().call_deadline,
            after: After::Nothing,
            attempts: 0,
            ticket: Some(Ticket::new(counted, None)),
            errand: None,
            terms: Some(Box::new(terms)),
        }]);
    }

    fn hang_up(&self, exchange: &Arc<Exchange>) {
        if let Some(worker) = self.seat().running() {
            worker.cancel_exchange(exchange);
        }
        // One that no worker has yet is found cancelled by whoever is about to give it to one.
        exchange.log().close();
    }

    fn listen(&self, request: &Request, offer: &Offer, log: &Arc<EventLog>) -> Result<ListenHold, Refusal> {
        let malformed = |text: String| Refusal::new(200, INVALID_PARAMS, "bad_filter", text);
        let raw = request.message.param("notifications").map(|(_, raw)| raw);
        let raw = raw.ok_or_else(|| malformed("\"notifications\" has to say what to listen to".to_owned()))?;
        let filter = Filter::read(&raw).ok_or_else(|| malformed("\"notifications\" is not a filter".to_owned()))?;
        let limit = self.shop().config.max_subscriptions;
        if filter.len() > limit {
            return Err(malformed(format!("one listen may subscribe to {limit} resources")));
        }
        let shared = self.myself().ok_or_else(Refusal::draining)?;
        let number = self.translation().listens.open(&request.id, filter.within(offer), log);
        let listening = Listening { shared, number };
        if !self.translation().listens.uris().is_empty() {
            subscribing::reconcile(&listening.shared);
        }
        Ok(Box::new(listening))
    }
}

impl Shared {
    pub(crate) fn dressing(&self) -> Dressing {
        Dressing { offer: self.translation().offer() }
    }
}

// === impl Listening ===

impl Drop for Listening {
    fn drop(&mut self) {
        let translation = self.shared.translation();
        let watched = !translation.listens.uris().is_empty();
        translation.listens.close(self.number);
        if watched {
            subscribing::reconcile(&self.shared);
        }
    }
}
