//! The log of all requests, for assertions.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::wire::{Params, Request};

/// How much of a body is kept, in bytes.
const BODY_KEPT: usize = 64 * 1024;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// Place in the log, from 0.
    pub sequence: usize,
    /// The method.
    pub method: String,
    /// The request target as sent: path and query, or an absolute URI.
    pub target: String,
    /// Path below the root URL, decoded, with leading slash and slashes collapsed; as sent when nothing can be found there
    /// (dot segments, or not below the root URL).
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// Header names in lower case, with their values, in order.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, as text.
    pub body: String,
    /// The status answered; `None` while under way, and when the answer was lost by a fault.
    pub status: Option<u16>,
}

#[derive(Default)]
pub(crate) struct RequestLog(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    requests: Vec<LoggedRequest>,
    in_flight: BTreeMap<usize, String>,
    /// Most requests at once, by path.
    most_at_once: BTreeMap<String, usize>,
}

/// Counts a request as under way until dropped, and notes its status.
pub(crate) struct InFlight<'a> {
    log: &'a RequestLog,
    sequence: usize,
}

// === impl LoggedRequest ===

impl LoggedRequest {
    /// The first value of a header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A field of the form body, or of a JSON body's top level when it is a string there.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        if let Ok(serde_json::Value::Object(map)) = serde_json::from_str(&self.body) {
            return map.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        }
        Params::parse(self.body.as_bytes()).get(name).map(str::to_owned)
    }

    /// Whether a text occurs anywhere: target, headers, body.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.target.contains(text)
            || self.body.contains(text)
            || self.headers.iter().any(|(_, value)| value.contains(text))
    }

    /// Whether this is a refresh at the token endpoint.
    #[must_use]
    pub fn is_refresh(&self) -> bool {
        self.is_token_request("refresh_token")
    }

    /// Whether this is a code exchange at the token endpoint.
    #[must_use]
    pub fn is_code_exchange(&self) -> bool {
        self.is_token_request("authorization_code")
    }

    fn is_token_request(&self, grant_type: &str) -> bool {
        self.method == "POST"
            && self.path == "/login/oauth/access_token"
            && self.field("grant_type").as_deref() == Some(grant_type)
    }
}

// === impl RequestLog ===

impl RequestLog {
    /// Writes a request down.
    pub(crate) fn begin(&self, target: String, request: &Request) -> InFlight<'_> {
        let path = request.path.clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = request.headers.iter();
        let mut inner = self.0.lock();
        let sequence = inner.requests.len();
        inner.requests.push(LoggedRequest {
            sequence,
            method: request.method.to_string(),
            target,
            path: path.clone(),
            query: request.raw_query.clone(),
            headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect(),
            body: text(&request.body[..request.body.len().min(BODY_KEPT)]),
            status: None,
        });
        inner.in_flight.insert(sequence, path.clone());
        let at_once = inner.in_flight.values().filter(|other| **other == path).count();
        let most = inner.most_at_once.entry(path).or_default();
        *most = (*most).max(at_once);
        InFlight { log: self, sequence }
    }

    pub(crate) fn list(&self) -> Vec<LoggedRequest> {
        self.0.lock().requests.clone()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&LoggedRequest) -> bool) -> usize {
        self.0.lock().requests.iter().filter(|request| wanted(request)).count()
    }

    pub(crate) fn most_at_once(&self, path: &str) -> usize {
        self.0.lock().most_at_once.get(path).copied().unwrap_or_default()
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.0.lock();
        inner.requests.clear();
        inner.most_at_once.clear();
        inner.in_flight.clear();
    }
}

// === impl InFlight ===

impl InFlight<'_> {
    pub(crate) fn answered(&self, status: u16) {
        let mut inner = self.log.0.lock();
        if let Some(request) = inner.requests.get_mut(self.sequence) {
            request.status = Some(status);
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.log.0.lock().in_flight.remove(&self.sequence);
    }
}
