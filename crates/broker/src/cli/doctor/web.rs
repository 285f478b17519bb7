//! One request and its bounded answer.

use std::error::Error as _;
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, StatusCode, header};
use reqwest::RequestBuilder;
use reqwest::tls::TlsInfo;

use crate::examination::Seen;

/// How long one request of a check may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
const BODY_LIMIT: usize = 64 * 1024;

/// An answer, cut off after 64 KiB.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The server's certificate in DER, if it has one.
    pub(super) certificate: Option<Vec<u8>>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoAnswer {
    /// What happened, with all its causes.
    pub(super) reason: String,
    pub(super) kind: Trouble,
}

/// What kind of trouble it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The name is unknown.
    Name,
    /// Nobody listens there.
    Refused,
    /// The certificate, or TLS as such.
    Tls,
    /// Anything else.
    Other,
}

// === impl Answer ===

impl Answer {
    pub(super) fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What a broker of ours saw of the request.
    pub(super) fn seen(&self) -> Option<Seen> {
        if self.status == StatusCode::OK { self.json() } else { None }
    }

    /// Status and type, and where a redirect leads, for people.
    pub(super) fn in_words(&self) -> String {
        let kind = self.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().to_owned();
        let kind = if kind.is_empty() { String::new() } else { format!(" ({kind})") };
        let location = self.header(header::LOCATION).split('?').next().unwrap_or_default().to_owned();
        let location = if location.is_empty() { String::new() } else { format!(" to {location}") };
        format!("HTTP {}{location}{kind}", self.status.as_u16())
    }
}

/// Sends a request and reads its answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answer, NoAnswer> {
    let mut response = request.timeout(PATIENCE).send().await.map_err(|error| trouble(&error))?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let certificate =
        response.extensions().get::<TlsInfo>().and_then(|info| info.peer_certificate()).map(<[u8]>::to_vec);
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| trouble(&error))? {
        let room = BODY_LIMIT.saturating_sub(body.len());
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == BODY_LIMIT {
            break;
        }
    }
    Ok(Answer { status, headers, body: body.to_vec(), certificate })
}

/// The text of an error of the HTTP client with all its causes, and without the URL, which could hold a password.
pub(super) fn trouble(error: &reqwest::Error) -> NoAnswer {
    let mut parts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        parts.push(cause.to_string());
        next = cause.source();
    }
    if error.is_timeout() {
        parts.insert(0, "timed out".to_owned());
    }
    parts.dedup();
    let reason = if parts.is_empty() { "the request failed".to_owned() } else { parts.join(": ") };
    let lower = reason.to_lowercase();
    let kind = if lower.contains("certificate") || lower.contains("tls") || lower.contains("handshake") {
        Trouble::Tls
    } else if lower.contains("dns") || lower.contains("lookup") || lower.contains("resolve") {
        Trouble::Name
    } else if lower.contains("refused") {
        Trouble::Refused
    } else {
        Trouble::Other
    };
    NoAnswer { reason, kind }
}
