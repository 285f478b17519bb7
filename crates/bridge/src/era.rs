//! Which of the two protocol eras a POST belongs to. The body decides (mcp.md §6.3): a request that names its revision in
//! `params._meta`, or asks `server/discover`, is of the stateless era; all else is of the era of sessions.

pub(crate) mod legacy;
pub(crate) mod modern;
pub(crate) mod native;

use crate::envelope::{Incoming, Kind, Message};

/// Revisions with a handshake that a client may name in `MCP-Protocol-Version`, the oldest one silently.
pub(crate) const LEGACY_VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The newest of them.
pub(crate) const LATEST_LEGACY: &str = "2025-11-25";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

// === impl Era ===

impl Era {
    /// `in_session` tells whether the request names a session, in which any method is the worker's business.
    pub(crate) fn of(incoming: &Incoming, in_session: bool) -> Self {
        let is_modern = |message: &Message| {
            let probe = message.kind() == Kind::Request && message.method() == "server/discover" && !in_session;
            message.claims_modern() || probe
        };
        let modern = match incoming {
            Incoming::One(message) => is_modern(message),
            Incoming::Batch(messages) => messages.iter().any(is_modern),
        };
        if modern { Self::Modern } else { Self::Legacy }
    }
}
