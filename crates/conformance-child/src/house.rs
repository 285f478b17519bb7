//! What all requests share: the lists as they are at present, and who wants to hear of a change.

mod listens;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::dialogue::Asks;
use crate::message;
use crate::outbox::Outbox;
use crate::seal::Seal;

pub(crate) use listens::{Filter, Listens, tag};
pub(crate) use session::Session;

/// The server's state.
pub(crate) struct House {
    pub(crate) outbox: Outbox,
    pub(crate) asks: Arc<Asks>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) session: Session,
    pub(crate) listens: Listens,
    extra_tool: AtomicBool,
    extra_prompt: AtomicBool,
}

/// Something that clients may want to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Tools,
    Prompts,
    Resource(&'a str),
}

// === impl Change ===

impl Change<'_> {
    fn method(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resource(_) => "notifications/resources/updated",
        }
    }

    fn params(self) -> Value {
        match self {
            Self::Tools | Self::Prompts => json!({}),
            Self::Resource(uri) => json!({ "uri": uri }),
        }
    }
}

// === impl House ===

impl House {
    pub(crate) fn new(outbox: Outbox, seal: Seal) -> Self {
        Self {
            outbox,
            asks: Arc::default(),
            seal: Arc::new(seal),
            session: Session::default(),
            listens: Listens::default(),
            extra_tool: AtomicBool::new(false),
            extra_prompt: AtomicBool::new(false),
        }
    }

    pub(crate) fn has_extra_tool(&self) -> bool {
        self.extra_tool.load(Ordering::Relaxed)
    }

    pub(crate) fn has_extra_prompt(&self) -> bool {
        self.extra_prompt.load(Ordering::Relaxed)
    }

    /// Adds the extra tool, or removes it.
    pub(crate) async fn change_tools(&self) {
        self.extra_tool.fetch_xor(true, Ordering::Relaxed);
        self.announce(Change::Tools).await;
    }

    /// Adds the extra prompt, or removes it.
    pub(crate) async fn change_prompts(&self) {
        self.extra_prompt.fetch_xor(true, Ordering::Relaxed);
        self.announce(Change::Prompts).await;
    }

    /// Tells everybody who asked for it, each in the manner of his era.
    pub(crate) async fn announce(&self, change: Change<'_>) {
        if self.session.wants(change) {
            self.outbox.send(message::notification(change.method(), &change.params())).await;
        }
        for id in self.listens.wanting(change) {
            let mut params = change.params();
            params["_meta"] = tag(&id);
            self.outbox.send(message::notification(change.method(), &params)).await;
        }
    }
}
