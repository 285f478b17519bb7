//! `subscriptions/listen`: one long event stream (L01 to L08).

use std::sync::Arc;

use futures_util::StreamExt as _;

use super::driver::Driver;
use super::offer::Offer;
use super::request::Request;
use crate::event_log::EventLog;
use crate::exchange::events;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::workshop::Workshop;

/// Opens it. It ends when the client leaves, or by its response.
pub(super) fn open(shop: &Workshop, driver: &dyn Driver, request: &Request, offer: &Offer) -> Result<Reply, Refusal> {
    let guard = shop.tally.stream(&request.who.user, shop.config.max_streams_per_user).ok_or_else(|| {
        Refusal::too_many("user_streams", 5, "too many streams of this user are open; close one and try again")
    })?;
    let log = EventLog::without_ids(shop.config.stream.clone());
    let hold = driver.listen(request, offer, &log)?;
    let first = log.first_frame(false);
    let frames = events(Arc::clone(&log).attach(None), guard, first);
    Ok(Reply::events(Box::pin(frames.map(move |frame| {
        let _ = &hold;
        frame
    }))))
}
