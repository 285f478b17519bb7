//! Log messages: each request names the level that it wants, a worker has one for all (mcp.md, traps 10 and 11).

use parking_lot::Mutex;
use serde_json::json;

use crate::envelope::Message;
use crate::era::modern::request::LogLevel;
use crate::event_log::{Pushed, Weight};
use crate::worker::Worker;

/// The level that the present worker has been set to.
#[derive(Default)]
pub(crate) struct Level(Mutex<Option<LogLevel>>);

// === impl Level ===

impl Level {
    /// A fresh worker has whatever level it begins with.
    pub(crate) fn reset(&self) {
        *self.0.lock() = None;
    }

    /// Makes the worker at least as talkative as this.
    pub(crate) fn raise(&self, worker: &Worker, wanted: LogLevel) {
        let mut level = self.0.lock();
        if level.is_none_or(|level| level > wanted) {
            *level = Some(wanted);
            worker.tell("logging/setLevel", json!({ "level": wanted.name() }).to_string().as_bytes());
        }
    }
}

/// Puts a log message on the stream of the one call that can have caused it, if that wants it (G01). `None` if there is none.
pub(crate) fn deliver(worker: &Worker, message: &Message) -> Option<Pushed> {
    let level = message.param("level").and_then(|(_, raw)| LogLevel::read(&raw));
    let exchange = {
        let pending = worker.pending().lock();
        let mut running = pending.running();
        let (_, call) = running.next().filter(|_| running.next().is_none())?;
        let wanted = match &call.terms {
            Some(terms) => terms.log_level.is_some_and(|least| level.is_some_and(|level| level >= least)),
            None => true,
        };
        (wanted && call.exchange.is_attended()).then(|| call.exchange.clone())?
    };
    Some(exchange.push(Weight::Notification, bytes::Bytes::copy_from_slice(message.bytes())))
}
