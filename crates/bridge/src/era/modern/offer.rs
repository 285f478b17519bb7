//! What a program offers, as learned from one of its workers: the matter of `server/discover`.

use bytes::Bytes;

use crate::envelope::member;

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
        let mut value = self.capabilities.clone();
        for name in path {
            match member(&value, name) {
                Some(found) => value = found,
                None => return false,
            }
        }
        !matches!(&*value, b"false" | b"null")
    }
}
