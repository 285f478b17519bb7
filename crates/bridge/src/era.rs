//! Which of the two protocol eras a POST belongs to. The body decides (mcp.md §6.3): a request that names its revision in
//! `params._meta`, or asks `server/discover`, is of the stateless era; all else is of the era of sessions. The header can only
//! contradict it; where a body can't tell, which is a notification without a claim, the header decides.

pub(crate) mod legacy;
pub(crate) mod modern;
pub(crate) mod native;
pub(crate) mod translate;

use crate::envelope::{Incoming, Kind, Message};
use crate::observer::RequestEra;
use crate::refusal::{HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, Refusal};
use crate::reply::PostHead;

/// Revisions with a handshake that a client may name in `MCP-Protocol-Version`, the oldest one silently.
pub(crate) const LEGACY_VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The newest of them.
pub(crate) const LATEST_LEGACY: &str = "2025-11-25";

/// The revision of the stateless era.
pub(crate) const MODERN_VERSION: &str = "2026-07-28";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

// === impl Era ===

impl Era {
    /// For the observer.
    pub(crate) fn observed(self) -> RequestEra {
        match self {
            Self::Legacy => RequestEra::Legacy,
            Self::Modern => RequestEra::Modern,
        }
    }

    /// The error is for what is of no era.
    pub(crate) fn of(incoming: &Incoming, head: &PostHead) -> Result<Self, Refusal> {
        let message = match incoming {
            Incoming::One(message) => message,
            Incoming::Batch(messages) if messages.iter().any(Message::claims_modern) => {
                return Err(Refusal::invalid("a request of 2026-07-28 can't be in a batch; send each by itself"));
            }
            Incoming::Batch(_) => return Ok(Self::Legacy),
        };
        if message.claims_modern() {
            return Ok(Self::Modern);
        }
        if head.protocol_version.as_deref() == Some(MODERN_VERSION) {
            return contradicted(message);
        }
        // In a session any method is the worker's business.
        let probe = message.kind() == Kind::Request && message.method() == "server/discover";
        Ok(if probe && head.session_id.is_none() { Self::Modern } else { Self::Legacy })
    }
}

/// The header says 2026-07-28 and the body does not.
fn contradicted(message: &Message) -> Result<Era, Refusal> {
    match message.kind() {
        Kind::Notification => Ok(Era::Modern),
        Kind::Request if message.method() == "initialize" => Err(Refusal::new(
            400,
            HEADER_MISMATCH,
            "header_mismatch",
            "MCP-Protocol-Version names a revision that has no initialize; leave the header out, or ask server/discover",
        )),
        Kind::Request => Err(Refusal::new(
            400,
            INVALID_PARAMS,
            "missing_meta",
            "a request of 2026-07-28 names its revision in params._meta[\"io.modelcontextprotocol/protocolVersion\"]",
        )),
        Kind::Response { .. } => Err(Refusal::new(
            400,
            INVALID_REQUEST,
            "invalid_request",
            "in 2026-07-28 a server asks nothing; answers go into inputResponses of the next request",
        )),
    }
}
