//! What the bridge says when it does not forward: a status, a JSON-RPC error and a hint when to come back.
//!
//! Every refusal carries a JSON-RPC error body with the request's id where it could be read (mcp.md, trap 25), so that a client
//! shows the person a sentence and not a number. Codes -32000 to -32019 are the legacy era's own (mcp.md §4); the codes that a
//! modern client takes as proof of a modern server are for modern requests only.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::replica::Elsewhere;
use crate::reply::{EventStream, Reply, ReplyBody};

/// Parse error.
pub(crate) const PARSE_ERROR: i32 = -32700;
/// Invalid request.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// Method not found.
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
/// The server could not do it now.
pub(crate) const UNAVAILABLE: i32 = -32000;
/// A time limit has passed, or the session is gone (both as in the TypeScript SDK).
pub(crate) const GONE: i32 = -32001;

/// A header is missing or says something else than the body (2026-07-28).
pub(crate) const HEADER_MISMATCH: i32 = -32020;
/// The client has not declared a capability that the request needs (2026-07-28).
pub(crate) const MISSING_CAPABILITY: i32 = -32021;
/// The revision is not one of the modern ones that are served (2026-07-28).
pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;
/// Invalid params.
pub(crate) const INVALID_PARAMS: i32 = -32602;
/// Internal error.
pub(crate) const INTERNAL_ERROR: i32 = -32603;

/// Why the bridge answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status, used if no event stream has begun.
    pub(crate) status: u16,
    /// JSON-RPC error code.
    pub(crate) code: i32,
    /// For the client and the person behind it: what was wrong and what to do.
    pub(crate) message: String,
    /// Raw JSON for the error's `data`.
    pub(crate) data: Option<Box<str>>,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
    /// For [`crate::observer::Observer::refused`].
    pub(crate) label: &'static str,
    /// The replica that has to answer instead.
    pub(crate) elsewhere: Option<Box<Elsewhere>>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// A JSON-RPC error response. `id` is raw JSON; anything else becomes `null`.
pub(crate) fn error_body(id: Option<&[u8]>, code: i32, message: &str) -> Bytes {
    error_body_with(id, code, message, None)
}

fn error_body_with(id: Option<&[u8]>, code: i32, message: &str, data: Option<&str>) -> Bytes {
    let data = data.and_then(|raw| serde_json::from_str::<&RawValue>(raw).ok());
    let id = id.and_then(|raw| serde_json::from_slice::<&RawValue>(raw).ok());
    let body = ErrorBody { jsonrpc: "2.0", id, error: ErrorObject { code, message, data } };
    serde_json::to_vec(&body).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn new(status: u16, code: i32, label: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), data: None, retry_after: None, label, elsewhere: None }
    }

    /// 400 with an invalid-request error.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, INVALID_REQUEST, "invalid_request", message)
    }

    /// 503, to be tried again after `seconds`.
    pub(crate) fn unavailable(label: &'static str, seconds: u32, message: impl Into<String>) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(503, UNAVAILABLE, label, message) }
    }

    /// 429, to be tried again after `seconds`.
    pub(crate) fn too_many(label: &'static str, seconds: u32, message: impl Into<String>) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(429, UNAVAILABLE, label, message) }
    }

    /// An error about one call that travels in-band (HTTP 200), because the request as such was fine.
    pub(crate) fn in_band(code: i32, label: &'static str, message: impl Into<String>) -> Self {
        Self::new(200, code, label, message)
    }

    /// The same with `data`.
    pub(crate) fn with_data(self, data: &serde_json::Value) -> Self {
        Self { data: Some(data.to_string().into()), ..self }
    }

    /// 404: the client is to initialize again (T53). The same words for an unknown, an ended and a foreign session (T54).
    pub(crate) fn no_such_session() -> Self {
        Self::new(404, GONE, "unknown_session", "no such session; begin a new one with initialize")
    }

    /// The user's credential at Forgejo has died. In-band: where no stream has begun, the endpoint answers 401 instead.
    pub(crate) fn log_in_again() -> Self {
        Self::in_band(UNAVAILABLE, "log_in_again", "Forgejo no longer accepts this connection: log in again")
    }

    /// Not ours to answer.
    pub(crate) fn elsewhere(elsewhere: Elsewhere) -> Self {
        let moved = Self::unavailable("elsewhere", 1, "another replica of this server has to answer; try again");
        Self { elsewhere: Some(Box::new(elsewhere)), ..moved }
    }

    /// 503: the database has not heard of us, so that others may have taken the session.
    pub(crate) fn lease_lost() -> Self {
        Self::unavailable("lease_lost", 2, "this server has lost touch with its database; try again in a few seconds")
    }

    /// 503 while the broker shuts down.
    pub(crate) fn draining() -> Self {
        Self::unavailable("draining", 5, "the broker is shutting down; try again in a few seconds")
    }

    /// The same for a call that a worker has got: an answer like others, not an invitation to send the request again.
    pub(crate) fn for_sent_call(self) -> Self {
        Self { status: 200, retry_after: None, ..self }
    }

    pub(crate) fn body(&self, id: Option<&[u8]>) -> Bytes {
        error_body_with(id, self.code, &self.message, self.data.as_deref())
    }

    pub(crate) fn reply(&self, id: Option<&[u8]>) -> Reply {
        if let Some(elsewhere) = &self.elsewhere {
            let body = ReplyBody::Elsewhere(Elsewhere::clone(elsewhere));
            return Reply { status: self.status, session_id: None, retry_after: self.retry_after, body };
        }
        Reply {
            status: self.status,
            session_id: None,
            retry_after: self.retry_after,
            body: ReplyBody::Json(self.body(id)),
        }
    }
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(body: Bytes) -> Self {
        Self { status: 200, session_id: None, retry_after: None, body: ReplyBody::Json(body) }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, session_id: None, retry_after: None, body: ReplyBody::Empty }
    }

    pub(crate) fn events(events: EventStream) -> Self {
        Self { status: 200, session_id: None, retry_after: None, body: ReplyBody::Events(events) }
    }

    /// 202: notifications and responses were taken (T10).
    pub(crate) fn accepted() -> Self {
        Self::empty(202)
    }

    pub(crate) fn log_in_again() -> Self {
        Self { status: 401, session_id: None, retry_after: None, body: ReplyBody::LogInAgain }
    }

    pub(crate) fn may_not_write(body: Bytes) -> Self {
        Self { status: 403, session_id: None, retry_after: None, body: ReplyBody::MayNotWrite(body) }
    }
}
