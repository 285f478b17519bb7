//! The lists that a worker has answered, kept per grant as long as the worker would say that they have changed (D05, D06), and
//! the headers that its tools want to see.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Kind;
use crate::envelope::{Message, Object};
use crate::era::modern::offer::Offer;
use crate::era::modern::param_headers::{ParamHeader, of_tools};
use crate::era::modern::request::{Method, Request};

/// However faithfully a worker tells of changes, it tells nothing while it sleeps.
const KEPT_FOR: Duration = Duration::from_mins(5);
const MAX_PAGES: usize = 64;
const MAX_BYTES: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(crate) struct Lists(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    pages: HashMap<Key, Kept>,
    bytes: usize,
    /// Counts the changes, so that an answer from before one is not kept after it.
    changes: [u64; 3],
    headers: HashMap<String, Arc<[ParamHeader]>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    method: Method,
    /// The raw cursor.
    cursor: Option<Bytes>,
}

struct Kept {
    answer: Message,
    until: Instant,
}

/// Where the answer to a request belongs.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    key: Key,
    kind: Kind,
    changes: u64,
}

// === impl Lists ===

impl Lists {
    /// The page that a request asks for. `None` if it asks for something else, or for more than a page.
    pub(crate) fn page(&self, request: &Request) -> Option<Page> {
        let kind = match request.method {
            Method::ToolsList => Kind::Tools,
            Method::PromptsList => Kind::Prompts,
            Method::ResourcesList | Method::ResourceTemplatesList => Kind::Resources,
            _ => return None,
        };
        let params = request.message.params().unwrap_or_default();
        let plain = Object::from_bytes(&params)
            .is_none_or(|params| params.iter().all(|(name, _)| matches!(name, "cursor" | "_meta")));
        let cursor = request.message.param("cursor").map(|(_, raw)| Bytes::copy_from_slice(&raw));
        let cursor = cursor.filter(|cursor| &**cursor != b"null");
        let changes = self.0.lock().changes[kind as usize];
        plain.then(|| Page { key: Key { method: request.method, cursor }, kind, changes })
    }

    /// The answer, if it is here and holds.
    pub(crate) fn find(&self, page: &Page) -> Option<Message> {
        let inner = self.0.lock();
        inner.pages.get(&page.key).filter(|kept| kept.until > Instant::now()).map(|kept| kept.answer.clone())
    }

    /// The first page of a list, whatever its age.
    pub(crate) fn first_page(&self, method: Method) -> Option<Bytes> {
        self.0.lock().pages.get(&Key { method, cursor: None })?.answer.payload()
    }

    /// A worker's good answer. Kept if the worker promises to tell of changes.
    pub(crate) fn answered(&self, page: &Page, answer: &Message, offer: &Offer) {
        let learned = if page.kind == Kind::Tools { answer.payload().map(|list| of_tools(&list)) } else { None };
        let mut inner = self.0.lock();
        if let Some(learned) = learned {
            if page.key.cursor.is_none() {
                inner.headers.clear();
            }
            inner.headers.extend(learned);
        }
        if page.changes != inner.changes[page.kind as usize] || !offer.has(&[page.kind.name(), "listChanged"]) {
            return;
        }
        let size = answer.bytes().len();
        if inner.pages.len() >= MAX_PAGES || inner.bytes + size > MAX_BYTES {
            inner.pages.clear();
            inner.bytes = 0;
        }
        if size <= MAX_BYTES {
            let until = Instant::now() + KEPT_FOR;
            inner.bytes += size;
            if let Some(old) = inner.pages.insert(page.key.clone(), Kept { answer: answer.detached(), until }) {
                inner.bytes -= old.answer.bytes().len();
            }
        }
    }

    /// The lists of a kind have changed.
    pub(crate) fn forget(&self, kind: Kind) {
        let mut inner = self.0.lock();
        inner.changes[kind as usize] += 1;
        let Inner { pages, bytes, .. } = &mut *inner;
        pages.retain(|key, kept| {
            let keep = key.method.capability() != Some(kind.name());
            if !keep {
                *bytes -= kept.answer.bytes().len();
            }
            keep
        });
    }

    pub(crate) fn headers(&self, tool: &str) -> Option<Arc<[ParamHeader]>> {
        self.0.lock().headers.get(tool).cloned()
    }

    /// Whether anything here would still be of use.
    pub(crate) fn are_fresh(&self) -> bool {
        let now = Instant::now();
        self.0.lock().pages.values().any(|kept| kept.until > now)
    }
}
