//! What a modern client's call carries besides its bytes while a worker with a handshake has it.

use std::sync::Arc;

use bytes::Bytes;

use super::asking::Asking;
use super::lists::Page;
use crate::era::modern::request::{ClientCapabilities, LogLevel, Method, Request};
use crate::request_state::LazyBinding;

pub(crate) struct Terms {
    pub(crate) method: Method,
    pub(crate) capabilities: ClientCapabilities,
    /// The level at or above which it wants log messages.
    pub(crate) log_level: Option<LogLevel>,
    /// What a `requestState` in its answer is good for.
    pub(crate) binding: LazyBinding,
    /// The raw `params.uri` of `resources/read`.
    pub(crate) uri: Option<Bytes>,
    /// The place of its answer among the lists that are kept.
    pub(crate) page: Option<Page>,
    /// What the worker has asked its client, and nobody has answered yet.
    pub(crate) asking: Option<Arc<Asking>>,
}

// === impl Terms ===

impl Terms {
    pub(crate) fn of(request: &Request, page: Option<Page>) -> Self {
        let uri = if request.method == Method::ResourcesRead { request.message.param("uri") } else { None };
        Self {
            method: request.method,
            capabilities: request.capabilities.clone(),
            log_level: request.log_level,
            binding: LazyBinding::new(&request.who.grant, &request.message),
            uri: uri.map(|(_, raw)| Bytes::copy_from_slice(&raw)),
            page,
            asking: None,
        }
    }
}
