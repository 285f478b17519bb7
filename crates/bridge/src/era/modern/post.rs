//! POST: one request, or a notification, which means nothing here: a request is cancelled by closing its connection.

use std::sync::Arc;

use futures_util::StreamExt as _;

use super::driver::Driver;
use super::request::Method;
use super::{discover, ladder, listen};
use crate::envelope::{Kind, Message, RawId};
use crate::event_log::EventLog;
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::reply::{PostHead, Principal, Reply, ReplyBody};
use crate::supervisor::Supervisor;

/// Cancels the request when the client goes before its answer.
struct HangUp {
    driver: Arc<dyn Driver>,
    exchange: Arc<Exchange>,
}

pub(crate) async fn post(supervisor: &Arc<Supervisor>, who: &Principal, head: PostHead, message: Message) -> Reply {
    let id = match message.kind() {
        Kind::Request => message.id(),
        _ => None,
    };
    match handle(supervisor, who, &head, message, id.clone()).await {
        Ok(reply) => reply,
        Err(refusal) => {
            supervisor.shop().refused(&refusal);
            refusal.reply(id.as_ref().map(RawId::as_bytes))
        }
    }
}

async fn handle(
    supervisor: &Arc<Supervisor>,
    who: &Principal,
    head: &PostHead,
    message: Message,
    id: Option<RawId>,
) -> Result<Reply, Refusal> {
    let Some(id) = id else {
        supervisor.admit(who)?;
        return Ok(Reply::accepted());
    };
    let request = ladder::check(who, head, message, id)?;
    supervisor.check_origin(&request, head.via).await?;
    let driver = supervisor.driver(who).await?;
    let offer = driver.offer().await?;
    ladder::check_against(&request, head, &offer, &*driver)?;
    let shop = supervisor.shop();
    match request.method {
        Method::Discover => return Ok(Reply::json(discover::answer(&request, &offer))),
        Method::Listen => return listen::open(shop, &*driver, &request, &offer),
        _ => {}
    }
    let watch = match shop.tools.judge(who, &request.message) {
        Ok(watch) => watch,
        Err(refusal) if refusal.label == Refusal::MAY_NOT_WRITE => {
            shop.observer.refused(refusal.label);
            return Ok(Reply::may_not_write(refusal.body(Some(request.id.as_bytes()))));
        }
        Err(refusal) => return Err(refusal),
    };
    let exchange = Exchange::new(EventLog::without_ids(shop.config.stream.clone()), 1, false);
    exchange.watch(&request.id, watch);
    let hang_up = HangUp { driver: driver.clone(), exchange: exchange.clone() };
    driver.call(request, &exchange);
    let streaming = |_: &Arc<Exchange>| (shop.tally.unlimited_stream(&who.user), false);
    let mut reply = exchange.reply(shop.config.stream_after, streaming).await;
    if let ReplyBody::Events(events) = reply.body {
        reply.body = ReplyBody::Events(Box::pin(events.map(move |frame| {
            let _ = &hang_up;
            frame
        })));
    }
    Ok(reply)
}

// === impl HangUp ===

impl Drop for HangUp {
    fn drop(&mut self) {
        if !self.exchange.log().is_closed() {
            self.exchange.abandon();
            self.driver.hang_up(&self.exchange);
        }
    }
}
