//! What goes over the hop: a request of `/mcp` without its bearer token, and its answer.
//!
//! The one that passes a request on names the grant, the one that answers looks it up itself. Headers are written from a list and read from
//! the same list; whatever else comes is not looked at, and an `Authorization` or `Cookie` is a mistake that is refused.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bridge::replica::Held;

/// The one path.
pub(crate) const PATH: &str = "/mcp";
/// The replica that the request is for.
pub(crate) const TO: HeaderName = HeaderName::from_static("fjmcp-to");
/// The replica that passes it on.
pub(crate) const FROM: HeaderName = HeaderName::from_static("fjmcp-from");
/// The grant that its bearer token stands for.
pub(crate) const GRANT: HeaderName = HeaderName::from_static("fjmcp-grant");
/// What the other one is believed to hold: `session EPOCH` or `parked`.
pub(crate) const HELD: HeaderName = HeaderName::from_static("fjmcp-held");
/// What the answer is, see [`Kind`].
pub(crate) const REPLY: HeaderName = HeaderName::from_static("fjmcp-reply");

const MCP_PREFIX: &str = "mcp-";
/// Those of a client's headers that mean something to the bridge, besides the `Mcp-` ones.
const PASSED: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
];

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For the client as it is.
    Answer,
    /// The client has to log in again; the challenge is made by the one that it asked.
    LogInAgain,
    /// It needs more scope; likewise.
    MayNotWrite,
    /// The asked one does not hold it.
    NotMine,
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 4] = [Self::Answer, Self::LogInAgain, Self::MayNotWrite, Self::NotMine];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::LogInAgain => "log-in-again",
            Self::MayNotWrite => "may-not-write",
            Self::NotMine => "not-mine",
        }
    }

    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = only(headers, &REPLY)?;
        Self::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

/// The one value of a header; `None` if it is missing, there twice, or not plain text.
pub(crate) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

/// What goes on of a client's headers.
pub(crate) fn passed_on(client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in client {
        if name.as_str().starts_with(MCP_PREFIX) || PASSED.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

pub(crate) fn held_text(held: Held) -> HeaderValue {
    match held {
        Held::Session { epoch } => {
            HeaderValue::try_from(format!("session {epoch}")).unwrap_or(HeaderValue::from_static(""))
        }
        Held::Parked => HeaderValue::from_static("parked"),
    }
}

pub(crate) fn read_held(text: &str) -> Option<Held> {
    match text.strip_prefix("session ") {
        Some(epoch) => Some(Held::Session { epoch: epoch.parse().ok()? }),
        None => (text == "parked").then_some(Held::Parked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_credentials_and_hop_headers_are_not_passed_on() {
        let mut client = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer secret"),
            ("cookie", "a=b"),
            ("fjmcp-grant", "another"),
            ("fjmcp-held", "session 9"),
            ("x-forwarded-for", "1.2.3.4"),
            ("host", "mcp.example"),
            ("mcp-session-id", "s"),
            ("mcp-param-owner", "o"),
            ("last-event-id", "1-0-3"),
            ("content-type", "application/json"),
        ] {
            client.insert(name, HeaderValue::from_static(value));
        }
        let passed = passed_on(&client);
        let mut names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "last-event-id", "mcp-param-owner", "mcp-session-id"]);
    }

    #[test]
    fn what_is_held_is_read_as_it_was_written_and_nothing_else_is() {
        for held in [Held::Session { epoch: 0 }, Held::Session { epoch: i64::MAX }, Held::Parked] {
            assert_eq!(read_held(held_text(held).to_str().unwrap()), Some(held));
        }
        for bad in ["", "session", "session ", "session x", "parked 1", "PARKED", "session 1 2"] {
            assert_eq!(read_held(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_header_that_is_there_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append(GRANT, HeaderValue::from_static("one"));
        assert_eq!(only(&headers, &GRANT), Some("one"));
        headers.append(GRANT, HeaderValue::from_static("two"));
        assert_eq!(only(&headers, &GRANT), None);
    }
}
