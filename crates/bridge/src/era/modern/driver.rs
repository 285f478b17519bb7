//! The seam between the modern client's side and the worker's: whoever brings a validated request to a worker, whatever era the
//! worker speaks. `era::translate` drives workers that want a handshake, `era::native` those of 2026-07-28.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::offer::Offer;
use super::param_headers::ParamHeader;
use super::request::Request;
use crate::event_log::EventLog;
use crate::exchange::Exchange;
use crate::refusal::Refusal;

/// One grant's way to its worker.
pub(crate) trait Driver: Send + Sync {
    /// What the program offers: from the record of this program version; if there is none, a worker is started to learn it.
    fn offer(&self) -> BoxFuture<'_, Result<Arc<Offer>, Refusal>>;

    /// The headers that a tool of the last `tools/list` wants to see (H05). `None` if the tool has not been seen.
    fn param_headers(&self, tool: &str) -> Option<Arc<[ParamHeader]>>;

    /// Carries a call out. The exchange gets exactly one answer, and before it what belongs on its stream. Returns at once.
    fn call(&self, request: Request, exchange: &Arc<Exchange>);

    /// The client of this exchange has gone without an answer, which cancels its call.
    fn hang_up(&self, exchange: &Arc<Exchange>);

    /// Opens a `subscriptions/listen` on `log`: the acknowledgement first, then what the filter lets through, each tagged, and
    /// at the end the listen's response. The client has left when the hold is dropped.
    fn listen(&self, request: &Request, offer: &Offer, log: &Arc<EventLog>) -> Result<ListenHold, Refusal>;
}

/// Keeps a listen open.
pub(crate) type ListenHold = Box<dyn Send>;
