//! JSON-RPC envelopes over bytes that stay as they are.
//!
//! Goal: know of a message exactly what routing needs (its kind, its id, its method, its progress token), and forward the
//! rest untouched: unknown members, big numbers, key order and spelling survive. Choice: one validating pass that remembers
//! byte ranges; ids and tokens are spliced into the original bytes. Rejected: typed models of the protocol, which drop what
//! they do not know and rewrite numbers.
//!
//! Strict where two readers could disagree: the broker must never see one method and the worker another. Go's decoder takes
//! `"Method"` for `"method"` and the later of two, so a known member that is doubled or misspelt by case is refused.

mod edit;
mod id;
mod members;
mod object;
mod scan;
mod splice;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

pub(crate) use self::id::{IdKey, RawId};
use self::members::{Members, Name, Strictness, members};
pub(crate) use self::object::{Object, first_member, member};
pub(crate) use self::splice::splice;
use self::splice::splice_one;
use crate::refusal::{INVALID_REQUEST, PARSE_ERROR, Refusal};

/// The `_meta` key by which a request of 2026-07-28 names its revision.
const MODERN_CLAIM: &str = "io.modelcontextprotocol/protocolVersion";

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// Every member that some method's `params` has in any revision.
const PARAMS: [&str; 38] = [
    "_meta",
    "argument",
    "arguments",
    "capabilities",
    "clientInfo",
    "context",
    "cursor",
    "data",
    "elicitationId",
    "includeContext",
    "inputResponses",
    "level",
    "logger",
    "maxTokens",
    "message",
    "messages",
    "metadata",
    "mode",
    "modelPreferences",
    "name",
    "notifications",
    "progress",
    "progressToken",
    "protocolVersion",
    "reason",
    "ref",
    "requestId",
    "requestState",
    "requestedSchema",
    "stopSequences",
    "systemPrompt",
    "task",
    "taskId",
    "temperature",
    "toolChoice",
    "tools",
    "total",
    "uri",
];

const META: [&str; 9] = [
    "progressToken",
    MODERN_CLAIM,
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "io.modelcontextprotocol/subscriptionId",
    "traceparent",
    "tracestate",
    "baggage",
];

/// What a message is; decided by the presence of `method`, never by the id alone (mcp.md, trap 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Notification,
    Response { error: bool },
}

/// One message: its bytes and where its parts are.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    bytes: Bytes,
    kind: Kind,
    method: Option<Method>,
    id: Option<Range<usize>>,
    params: Option<Range<usize>>,
    payload: Option<Range<usize>>,
    /// What is in the `params` of a client's message.
    inside: Option<Box<Inside>>,
}

/// What is in a client's `params`.
#[derive(Debug, Clone)]
struct Inside {
    /// Which of [`PARAMS`] are there.
    members: Places,
    meta: Option<Meta>,
}

#[derive(Debug, Clone)]
struct Meta {
    place: Range<usize>,
    /// Which of [`META`] are there.
    members: Places,
    progress_token: Option<Range<usize>>,
}

/// Members by name.
type Places = Vec<(&'static str, Range<usize>)>;

/// The name of a method.
#[derive(Debug, Clone)]
enum Method {
    /// As it stands in the message.
    Within(Range<usize>),
    /// With escapes in it.
    Read(Box<str>),
}

/// One message, or a batch of 2025-03-26.
#[derive(Debug)]
pub(crate) enum Incoming {
    One(Message),
    Batch(Vec<Message>),
}

/// Bounds for what a client sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) depth: usize,
    pub(crate) batch: usize,
}

/// Not a message that may be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// [`PARSE_ERROR`] or [`INVALID_REQUEST`].
    pub(crate) code: i32,
    /// What is wrong.
    pub(crate) reason: String,
    /// The id, if it could be read all the same (trap 25).
    pub(crate) id: Option<RawId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Worker,
}

/// Reads what a client posted. CR and LF outside strings are gone from the messages that come back, so that each is one line.
pub(crate) fn read_post(body: &Bytes, bounds: Bounds) -> Result<Incoming, Malformed> {
    // Nothing is nested deeper than there are brackets, and most messages have few of them and no line breaks.
    let brackets = body.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if brackets <= bounds.depth && memchr::memchr2(b'\r', b'\n', body).is_none() {
        return read(body, Side::Client, bounds.batch);
    }
    let scan = scan::scan(body);
    if scan.break_in_string {
        return Err(Malformed::syntax("a line break inside a string"));
    }
    if scan.depth > bounds.depth {
        return Err(Malformed::invalid(format!("nested deeper than {} levels", bounds.depth)));
    }
    if scan.breaks {
        return read(&scan::without_breaks(body), Side::Client, bounds.batch);
    }
    read(body, Side::Client, bounds.batch)
}

/// Reads a line that a worker printed. Unlike a client's it may hold members twice; the envelope alone has to be clear.
pub(crate) fn read_line(line: &Bytes) -> Result<Incoming, Malformed> {
    // Inside a valid JSON string there is no raw CR, and an event stream takes one for the end of its line.
    if memchr::memchr(b'\r', line).is_some() && !scan::scan(line).break_in_string {
        return read(&scan::without_breaks(line), Side::Worker, usize::MAX);
    }
    read(line, Side::Worker, usize::MAX)
}

fn read(bytes: &Bytes, side: Side, max_batch: usize) -> Result<Incoming, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::syntax("not UTF-8"))?;
    if !text.trim_ascii_start().starts_with('[') {
        return Message::read(bytes, text, side).map(Incoming::One);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| Malformed::json(&error))?;
    if elements.is_empty() {
        return Err(Malformed::invalid("an empty batch"));
    }
    if elements.len() > max_batch {
        return Err(Malformed::invalid(format!("a batch of more than {max_batch} messages")));
    }
    let read = |element: &&RawValue| {
        let text = element.get();
        Message::read(&bytes.slice_ref(text.as_bytes()), text, side)
    };
    elements.iter().map(read).collect::<Result<_, _>>().map(Incoming::Batch)
}

fn range_in(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

// === impl Message ===

impl Message {
    fn read(bytes: &Bytes, text: &str, side: Side) -> Result<Self, Malformed> {
        if !text.trim_ascii_start().starts_with('{') {
            // Told apart here, because "not JSON" and "JSON, but no message" have different codes.
            serde_json::from_str::<&RawValue>(text).map_err(|error| Malformed::json(&error))?;
            return Err(Malformed::invalid("a message is a JSON object"));
        }
        let envelope = members(text, &ENVELOPE, Strictness::Strict).map_err(|error| Malformed::json(&error))?;
        let [jsonrpc, id, method, params, result, error] = envelope.values;
        let doubled_id = envelope.fault.as_ref().is_some_and(|fault| fault.known == "id");
        let invalid = |reason: String| {
            let readable = id.filter(|_| !doubled_id).and_then(|raw| RawId::read(raw.get()).ok());
            Malformed { code: INVALID_REQUEST, reason, id: readable }
        };
        if let Some(fault) = envelope.fault {
            return Err(invalid(fault.to_string()));
        }
        if jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return Err(invalid("\"jsonrpc\" has to be \"2.0\"".to_owned()));
        }
        let method = match method {
            None => None,
            Some(raw) => {
                Some(Method::read(text, raw).map_err(|_| invalid("\"method\" has to be a string".to_owned()))?)
            }
        };
        let kind = match (&method, id, result, error) {
            (Some(_), Some(_), None, None) => Kind::Request,
            (Some(_), None, None, None) => Kind::Notification,
            (None, Some(_), Some(_), None) => Kind::Response { error: false },
            (None, Some(_), None, Some(_)) => Kind::Response { error: true },
            (Some(_), ..) => {
                return Err(invalid("a request has neither \"result\" nor \"error\"".to_owned()));
            }
            (None, ..) => {
                return Err(invalid(
                    "neither a request (\"method\") nor a response (\"id\" and \"result\" or \"error\")".to_owned(),
                ));
            }
        };
        if let Some(raw) = id
            && !(matches!(kind, Kind::Response { .. }) && raw.get() == "null")
        {
            id::check(raw.get().as_bytes()).map_err(|reason| invalid(reason.to_owned()))?;
        }
        let mut message = Self {
            bytes: bytes.clone(),
            kind,
            method,
            id: id.map(|raw| range_in(text, raw.get())),
            params: params.map(|raw| range_in(text, raw.get())),
            payload: result.or(error).map(|raw| range_in(text, raw.get())),
            inside: None,
        };
        if let Some(raw) = params
            && side == Side::Client
        {
            message.read_params(text, raw.get()).map_err(invalid)?;
        }
        Ok(message)
    }

    fn read_params(&mut self, text: &str, params: &str) -> Result<(), String> {
        if params == "null" {
            return Ok(());
        }
        if !params.starts_with('{') {
            return Err("\"params\" has to be an object".to_owned());
        }
        let found = members(params, &PARAMS, Strictness::Strict).map_err(|error| error.to_string())?;
        if let Some(fault) = found.fault {
            return Err(format!("params: {fault}"));
        }
        let meta = found.values[0].map(RawValue::get).filter(|meta| *meta != "null");
        let meta = meta.map(|meta| Meta::read(text, meta)).transpose()?;
        self.inside = Some(Box::new(Inside { members: places(text, &PARAMS, &found), meta }));
        Ok(())
    }

    fn client_meta(&self) -> Option<&Meta> {
        self.inside.as_ref()?.meta.as_ref()
    }

    fn token_place(&self) -> Option<&Range<usize>> {
        self.client_meta()?.progress_token.as_ref()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Empty for a response.
    pub(crate) fn method(&self) -> &str {
        match &self.method {
            Some(Method::Within(range)) => std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or_default(),
            Some(Method::Read(name)) => name,
            None => "",
        }
    }

    /// The message as it came.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether `params._meta` names a revision: what only requests of 2026-07-28 do.
    pub(crate) fn claims_modern(&self) -> bool {
        self.client_meta().is_some_and(|meta| meta.members.iter().any(|(name, _)| *name == MODERN_CLAIM))
    }

    /// The id as it came. `null` in a response counts as none.
    pub(crate) fn id(&self) -> Option<RawId> {
        RawId::within(&self.bytes, self.id.clone()?).ok()
    }

    /// The raw `params`.
    pub(crate) fn params(&self) -> Option<Bytes> {
        self.params.clone().map(|range| self.bytes.slice(range))
    }

    /// The raw `result` or `error`.
    pub(crate) fn payload(&self) -> Option<Bytes> {
        self.payload.clone().map(|range| self.bytes.slice(range))
    }

    /// The raw `result` of a good answer.
    pub(crate) fn result(&self) -> Option<Bytes> {
        self.payload().filter(|_| self.kind == Kind::Response { error: false })
    }

    /// The raw `params._meta.progressToken` of a client's message.
    pub(crate) fn progress_token(&self) -> Option<Bytes> {
        self.token_place().map(|range| self.bytes.slice(range.clone()))
    }

    /// `params.name`, if it is a string.
    pub(crate) fn name(&self) -> Option<String> {
        serde_json::from_slice(&self.param("name")?.1).ok()
    }

    /// A raw member of `params`, with its range in the message.
    pub(crate) fn param(&self, name: &'static str) -> Option<(Range<usize>, Bytes)> {
        if let Some(inside) = self.inside.as_ref().filter(|_| PARAMS.contains(&name)) {
            return self.place(&inside.members, name);
        }
        self.member_of(self.params.clone()?, name)
    }

    /// A raw member of `params._meta` of a client's message.
    pub(crate) fn meta(&self, name: &'static str) -> Option<Bytes> {
        let meta = self.client_meta()?;
        if META.contains(&name) {
            return self.place(&meta.members, name).map(|(_, raw)| raw);
        }
        self.member_of(meta.place.clone(), name).map(|(_, raw)| raw)
    }

    fn place(&self, members: &Places, name: &str) -> Option<(Range<usize>, Bytes)> {
        let (_, range) = members.iter().find(|(known, _)| *known == name)?;
        Some((range.clone(), self.bytes.slice(range.clone())))
    }

    /// Where `params` is, and `_meta` within it if the message is a client's.
    pub(crate) fn params_and_meta(&self) -> (Option<Range<usize>>, Option<Range<usize>>) {
        (self.params.clone(), self.client_meta().map(|meta| meta.place.clone()))
    }

    /// Where the raw `result` or `error` is.
    pub(crate) fn payload_range(&self) -> Option<Range<usize>> {
        self.payload.clone()
    }

    /// Where the raw id is.
    pub(crate) fn id_range(&self) -> Option<Range<usize>> {
        self.id.clone()
    }

    /// A raw member of `result` or `error`.
    pub(crate) fn payload_member(&self, name: &'static str) -> Option<Bytes> {
        self.member_of(self.payload.clone()?, name).map(|(_, raw)| raw)
    }

    /// A copy that does not keep the buffer alive that the message was read into.
    pub(crate) fn detached(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self.clone() }
    }

    /// The client's message with these ranges replaced; nothing that the checks look at may be added.
    pub(crate) fn spliced(&self, edits: Vec<(Range<usize>, &[u8])>) -> Option<Self> {
        match read(&splice(&self.bytes, edits), Side::Client, 0).ok()? {
            Incoming::One(message) => Some(message),
            Incoming::Batch(_) => None,
        }
    }

    fn member_of(&self, within: Range<usize>, name: &'static str) -> Option<(Range<usize>, Bytes)> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let part = text.get(within)?;
        let [value] = members(part, &[name], Strictness::Lenient).ok()?.values;
        let range = range_in(text, value?.get());
        Some((range.clone(), self.bytes.slice(range)))
    }

    /// The message under another id, and under another progress token if it has one and `token` is given.
    pub(crate) fn with_id(&self, id: &[u8], token: Option<&[u8]>) -> Bytes {
        let token = token.filter(|_| self.token_place().is_some());
        if let (Some(range), None) = (&self.id, token) {
            return splice_one(&self.bytes, range, id);
        }
        let mut edits: Vec<(Range<usize>, &[u8])> = Vec::with_capacity(2);
        if let Some(range) = self.id.clone() {
            edits.push((range, id));
        }
        if let (Some(range), Some(token)) = (self.token_place().cloned(), token) {
            edits.push((range, token));
        }
        splice(&self.bytes, edits)
    }
}

/// Where the members are that were found.
fn places<const N: usize>(text: &str, known: &[&'static str; N], found: &Members<'_, N>) -> Places {
    let there = known.iter().zip(&found.values);
    there.filter_map(|(name, raw)| Some((*name, range_in(text, raw.as_ref()?.get())))).collect()
}

// === impl Meta ===

impl Meta {
    fn read(text: &str, meta: &str) -> Result<Self, String> {
        if !meta.starts_with('{') {
            return Err("\"_meta\" has to be an object".to_owned());
        }
        let found = members(meta, &META, Strictness::Strict).map_err(|error| error.to_string())?;
        if let Some(fault) = found.fault {
            return Err(format!("_meta: {fault}"));
        }
        let token = found.values[0].map(RawValue::get).filter(|token| *token != "null");
        if token.is_some_and(|token| {
            !(token.starts_with('"') || token.starts_with(|first: char| first == '-' || first.is_ascii_digit()))
        }) {
            return Err("\"progressToken\" has to be a string or a number".to_owned());
        }
        Ok(Self {
            place: range_in(text, meta),
            members: places(text, &META, &found),
            progress_token: token.map(|token| range_in(text, token)),
        })
    }
}

// === impl Method ===

impl Method {
    fn read(text: &str, raw: &RawValue) -> serde_json::Result<Self> {
        let Name(name) = serde_json::from_str(raw.get())?;
        Ok(match name {
            Cow::Borrowed(name) => Self::Within(range_in(text, name)),
            Cow::Owned(name) => Self::Read(name.into()),
        })
    }
}

// === impl Malformed ===

impl Malformed {
    fn syntax(reason: impl Into<String>) -> Self {
        Self { code: PARSE_ERROR, reason: reason.into(), id: None }
    }

    fn json(error: &serde_json::Error) -> Self {
        Self::syntax(format!("not JSON: {error}"))
    }

    fn invalid(reason: impl Into<String>) -> Self {
        Self { code: INVALID_REQUEST, reason: reason.into(), id: None }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let label = if self.code == PARSE_ERROR { "parse_error" } else { "invalid_request" };
        Refusal::new(400, self.code, label, self.reason.clone())
    }
}
