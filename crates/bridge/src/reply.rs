//! What the HTTP endpoint asks the bridge and what it gets back, without any HTTP framework in it.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::replica::{Elsewhere, Via};

/// Who makes a request, as the bearer check found it. Ids only: the bridge knows no OAuth.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The Forgejo user, by the broker's id.
    pub user: Arc<str>,
    /// The MCP client.
    pub client: Arc<str>,
    /// The grant: this user's authorization of this client.
    pub grant: Arc<str>,
}

/// The headers of a POST that matter.
#[derive(Debug, Clone, Default)]
pub struct PostHead {
    /// `Mcp-Session-Id`.
    pub session_id: Option<String>,
    /// `MCP-Protocol-Version`.
    pub protocol_version: Option<String>,
    /// `Mcp-Method` (2026-07-28). Of a header that is there more than once all values, parted by commas.
    pub mcp_method: Option<String>,
    /// `Mcp-Name` (2026-07-28), as `mcp_method`.
    pub mcp_name: Option<String>,
    /// The headers that begin with `Mcp-Param-` (2026-07-28): the rest of the name in lower case, and the value.
    pub params: Vec<(String, String)>,
    /// Goes to [`crate::observer::Observer::request`]; nothing else looks at it.
    pub label: &'static str,
    /// How it has come here.
    pub via: Via,
}

/// The headers of a GET that matter.
#[derive(Debug, Clone, Default)]
pub struct GetHead {
    /// `Mcp-Session-Id`.
    pub session_id: Option<String>,
    /// `MCP-Protocol-Version`.
    pub protocol_version: Option<String>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// How it has come here.
    pub via: Via,
}

/// Server-sent events, already framed (RFC-less; WHATWG HTML, Server-sent events), keep-alive comments included.
pub type EventStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// The answer to one HTTP request.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Goes out as `Mcp-Session-Id`.
    pub session_id: Option<String>,
    /// Goes out as `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// What follows the headers.
    pub body: ReplyBody,
}

/// The body of a [`Reply`].
pub enum ReplyBody {
    /// Nothing; sent with an explicit `Content-Length: 0`.
    Empty,
    /// One JSON document.
    Json(Bytes),
    /// `text/event-stream`.
    Events(EventStream),
    /// The user has to log in again: the endpoint answers 401 with its challenge.
    LogInAgain,
    /// The caller may only read and called a tool that writes: the endpoint answers 403, with the challenge that tells how to get more. The
    /// document is a JSON-RPC error for whoever reads on.
    MayNotWrite(Bytes),
    /// Another replica has to answer. To one that passed the request on: this is not who it took it for.
    Elsewhere(Elsewhere),
}
