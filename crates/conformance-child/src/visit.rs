//! What a request brings to the features that answer it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::dialogue::Dialogue;
use crate::house::House;
use crate::level::Level;
use crate::message;
use crate::outbox::Outbox;

/// One request being answered.
pub(crate) struct Visit {
    pub(crate) house: Arc<House>,
    pub(crate) dialogue: Dialogue,
    pub(crate) voice: Voice,
    /// Whether it is of 2026-07-28 or later.
    pub(crate) modern: bool,
}

/// What may be said to the client before the answer.
pub(crate) struct Voice {
    pub(crate) outbox: Outbox,
    pub(crate) progress_token: Option<Value>,
    /// The least severity that the client wants to hear of; `None` if it wants nothing (G01).
    pub(crate) threshold: Option<Level>,
}

// === impl Voice ===

impl Voice {
    /// Says how far it is, if the client gave a token to say it under.
    pub(crate) async fn progress(&self, done: u32, total: u32) {
        let Some(token) = &self.progress_token else { return };
        let params = json!({
            "progressToken": token, "progress": done, "total": total, "message": format!("{done} of {total}"),
        });
        self.outbox.send(message::notification("notifications/progress", &params)).await;
    }

    /// Logs, if the client wants to hear of it.
    pub(crate) async fn log(&self, level: Level, text: &str) {
        if self.threshold.is_some_and(|threshold| level >= threshold) {
            let params = json!({ "level": level.name(), "logger": "conformance-child", "data": text });
            self.outbox.send(message::notification("notifications/message", &params)).await;
        }
    }
}
