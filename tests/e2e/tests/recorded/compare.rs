//! Two answers side by side.

use std::fmt;

use e2e::through_worker::WorkerAnswer;
use forgejo_sim::{LoggedRequest, RunningSim};

/// Where two answers differ.
#[derive(Debug)]
pub(super) struct Difference {
    request: String,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A door that nobody opens (gateway.md §3): refused by the gateway, whatever Forgejo says.
    ClosedDoor,
    /// It names a file by a random number that every stand-in draws anew; downloads have tests of their own.
    RandomName,
    /// Neither of these.
    Unnamed(String),
}

/// What a client reads of an answer's head. Others, such as Date, are each connection's own.
const COMPARED: &[&str] =
    &["content-type", "content-disposition", "etag", "last-modified", "link", "location", "x-total-count", "warning"];

// === impl Difference ===

impl Difference {
    /// Whether it is one of the exceptions.
    pub(super) fn is_named(&self) -> bool {
        !matches!(self.what, What::Unnamed(_))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::ClosedDoor => write!(f, "{}: a closed door", self.request),
            What::RandomName => write!(f, "{}: a random name", self.request),
            What::Unnamed(text) => write!(f, "{}: {text}", self.request),
        }
    }
}

/// Compares what came without the gateway and with it.
pub(super) fn compare(
    request: &LoggedRequest,
    (without, there): (&WorkerAnswer, &RunningSim),
    (with, here): (&WorkerAnswer, &RunningSim),
) -> Option<Difference> {
    let what = |what| Some(Difference { request: format!("{} {}", request.method, request.target), what });
    if with.status == 403 && with.message().contains("closed to MCP connections") {
        return what(What::ClosedDoor);
    }
    if masked(&request.target) != request.target {
        return what(What::RandomName);
    }
    if without.status != with.status {
        return what(What::Unnamed(format!(
            "{} {} became {} {}",
            without.status, without.body, with.status, with.body
        )));
    }
    let (expected, seen) = (normal(&without.body, there), normal(&with.body, here));
    if expected != seen {
        return what(What::Unnamed(format!("the body {expected} became {seen}")));
    }
    let head = |answer: &WorkerAnswer, sim: &RunningSim, name: &str| answer.header(name).map(|text| normal(text, sim));
    COMPARED.iter().find_map(|name| {
        let (expected, seen) = (head(without, there, name), head(with, here, name));
        if expected == seen { None } else { what(What::Unnamed(format!("{name}: {expected:?} became {seen:?}"))) }
    })
}

/// Without what differs between two stand-ins by itself: their address, and random numbers in the form of a UUID.
fn normal(text: &str, sim: &RunningSim) -> String {
    let address = sim.address().to_string();
    masked(&text.replace(&address, "FORGEJO"))
}

fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(candidate) = rest.get(..36)
            && is_uuid(candidate)
        {
            masked.push_str("UUID");
            rest = &rest[36..];
        } else {
            masked.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    masked
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
