//! What a program offers, as learned from one of its workers: the matter of `server/discover`.

use bytes::Bytes;

use super::request::has_member;

/// Recorded per program version; raw JSON throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What the broker can relay of the worker's capabilities.
    pub(crate) capabilities: Bytes,
    pub(crate) instructions: Option<Bytes>,
    pub(crate) server_info: Option<Bytes>,
}

// === impl Offer ===

impl Offer {
    /// Whether a capability, or a flag within it (`["resources", "subscribe"]`), is offered.
    pub(crate) fn has(&self, path: &[&str]) -> bool {
        has_member(&self.capabilities, path)
    }
}
