//! gateway.md sentence by sentence: each line of its sections, with cases of its own or with the test that shows it.
//!
//! A case is sent as it stands to a gateway in front of a recording Forgejo. Where a line needs more scenery than that (a
//! stranger's server, a clock, a hundred mebibytes), the row names the test; a test that is renamed or removed breaks the row.

mod answered;
mod built_anew;
mod granted;

use std::{collections::BTreeSet, fmt::Write as _};

use http::HeaderMap;

use super::fake::{SECRET, Seen, World, json};

/// One sentence of gateway.md.
struct Line {
    /// What it says, in short, with its section.
    says: &'static str,
    cases: &'static [Case],
}

enum Case {
    /// This request (request line without version, headers, body) reaches Forgejo with this target.
    Arrives(&'static str, &'static str),
    /// This request is refused with this status, and Forgejo sees nothing.
    Refused(&'static str, u16),
    /// A header of this name and value, and what Forgejo sees under its name.
    Header(&'static str, &'static str, Option<&'static str>),
    /// Forgejo answers with this, and this is what must hold of what the worker sees.
    Answered { forgejo: fn(&Seen) -> axum::response::Response, holds: fn(&str) -> bool },
    /// A test of its own, which the harness runs.
    ShownBy(fn()),
}

// === impl Line ===

impl Line {
    async fn check(&self) {
        let Self { says, cases } = self;
        assert!(!cases.is_empty(), "{says}: nothing shows it");
        for case in *cases {
            match case {
                Case::Arrives(request, target) => {
                    let world = World::plain().await;
                    let answer = world.raw(&whole(request)).await;
                    assert!(answer.starts_with("HTTP/1.1 200"), "{says}: {request:?}: {answer}");
                    let seen = world.forgejo.only();
                    assert_eq!(seen.target, *target, "{says}: {request:?}");
                    assert_eq!(seen.header("authorization"), Some(&*format!("token {SECRET}")), "{says}");
                }
                Case::Refused(request, status) => {
                    let world = World::plain().await;
                    let answer = world.raw(&whole(request)).await;
                    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{says}: {request:?}: {answer}");
                    assert!(answer.contains(r#"{"message":""#) && !answer.contains(SECRET), "{says}: {answer}");
                    assert!(world.forgejo.seen().is_empty(), "{says}: {request:?} reached Forgejo");
                }
                Case::Header(name, value, reaches) => {
                    let world = World::plain().await;
                    let answer = world.raw(&whole(&format!("GET /api/v1/repos/a/b\r\n{name}: {value}"))).await;
                    assert!(answer.starts_with("HTTP/1.1 200"), "{says}: {name}: {answer}");
                    assert_eq!(world.forgejo.only().header(name), *reaches, "{says}: {name}");
                }
                Case::Answered { forgejo, holds } => {
                    let world = World::with(*forgejo).await;
                    let answer = world.raw(&whole("GET /api/v1/repos/a/b/releases")).await;
                    let answer = answer.replace(world.gateway.url(), "http://GATEWAY");
                    assert!(holds(&answer), "{says}: {answer}");
                }
                Case::ShownBy(_) => {}
            }
        }
    }
}

/// A whole request: version, Host, the worker's capability and the body's length are added.
fn whole(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let mut text = format!("{line} HTTP/1.1\r\nHost: gateway\r\nAuthorization: token TOKEN\r\nConnection: close\r\n");
    if !headers.is_empty() {
        text.push_str(headers);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// An answer of Forgejo with one more header.
fn with_header(name: &'static str, value: &'static str) -> axum::response::Response {
    let mut answer = json(r#"{"ok":true}"#);
    let mut more = HeaderMap::new();
    more.insert(name, value.parse().unwrap());
    answer.headers_mut().extend(more);
    answer
}

#[tokio::test]
async fn every_line_about_requests_holds() {
    for line in built_anew::LINES {
        line.check().await;
    }
}

#[tokio::test]
async fn every_line_about_answers_holds() {
    for line in answered::LINES {
        line.check().await;
    }
}

#[tokio::test]
async fn every_line_about_grants_holds() {
    for line in granted::LINES {
        line.check().await;
    }
}

#[test]
fn no_line_is_there_twice_or_without_a_section_nor_names_a_test_twice() {
    let mut said = BTreeSet::new();
    for Line { says, cases } in built_anew::LINES.iter().chain(answered::LINES).chain(granted::LINES) {
        assert!(["§1 ", "§2 ", "§3 "].iter().any(|section| says.starts_with(section)), "{says}");
        assert!(said.insert(says), "{says}");
        let mut tests = BTreeSet::new();
        for case in *cases {
            if let Case::ShownBy(test) = case {
                assert!(tests.insert(*test as *const ()), "{says}");
            }
        }
    }
}
