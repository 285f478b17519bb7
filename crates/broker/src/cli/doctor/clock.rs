//! This machine's clock against Forgejo's, by the `Date` of its answer (RFC 9110 §6.6.1).

use http::header;
use jiff::fmt::rfc2822::DateTimeParser;
use oauth::clock::Timestamp;

use super::finding::Finding;
use super::web::Answer;

const CHECK: &str = "clock";
/// Beyond this, codes and tokens are taken for expired, or live on.
const TOO_FAR_MS: i64 = 60_000;
const FAR_MS: i64 = 10_000;

/// How far Forgejo's clock is ahead of ours, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading(i64);

// === impl Reading ===

impl Reading {
    /// From an answer, and our own times before the request and after the answer.
    pub(super) fn of(answer: &Answer, before: Timestamp, after: Timestamp) -> Option<Self> {
        let date = answer.header(header::DATE);
        let theirs = DateTimeParser::new().parse_timestamp(date).ok()?.as_millisecond();
        // A Date is cut off to the second, and was written somewhere between our two times.
        let earliest = theirs - after.0;
        let latest = theirs + 1_000 - before.0;
        Some(Self(if earliest > 0 { earliest } else { latest.min(0) }))
    }
}

pub(super) fn examine(reading: Option<Reading>) -> Finding {
    let Some(Reading(ahead)) = reading else {
        return Finding::skip(CHECK, "there is no Date of Forgejo's to compare with");
    };
    let seconds = ahead.abs() / 1_000;
    let seen = match ahead {
        0 => "this machine and Forgejo agree on the time".to_owned(),
        1.. => format!("Forgejo's clock is at least {seconds} s ahead of this machine's"),
        _ => format!("Forgejo's clock is at least {seconds} s behind this machine's"),
    };
    let remedy = "let both synchronise their clocks (timedatectl shows whether this one does): expiry of tokens is judged by them";
    match ahead.abs() {
        0..FAR_MS => Finding::ok(CHECK, seen),
        FAR_MS..TOO_FAR_MS => Finding::warn(CHECK, seen, remedy),
        _ => Finding::fail(CHECK, seen, remedy),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn reading(date: &'static str, before: i64, after: i64) -> Option<Reading> {
        let headers = HeaderMap::from_iter([(header::DATE, HeaderValue::from_static(date))]);
        let answer = Answer { status: StatusCode::OK, headers, body: Vec::new(), certificate: None };
        Reading::of(&answer, Timestamp(before), Timestamp(after))
    }

    #[test]
    fn the_difference_is_what_cannot_be_explained_by_the_requests_own_time() {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const AT: i64 = 784_111_777_000;
        assert_eq!(reading(DATE, AT, AT + 900), Some(Reading(0)));
        assert_eq!(reading(DATE, AT - 5_000, AT + 5_000), Some(Reading(0)));
        assert_eq!(reading(DATE, AT - 90_000, AT - 89_000), Some(Reading(89_000)));
        assert_eq!(reading(DATE, AT + 91_000, AT + 92_000), Some(Reading(-90_000)));
        assert_eq!(reading("yesterday", AT, AT), None);
    }
}
