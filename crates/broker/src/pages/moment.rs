//! Times for people: how long ago, and the exact time beside it.

use jiff::tz::TimeZone;
use oauth::clock::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339, for programs.
    pub machine: String,
    /// Day and minute, UTC.
    pub exact: String,
    /// In words, as seen now.
    pub ago: String,
}

// === impl Moment ===

impl Moment {
    /// The time `at`, looked at `now`.
    #[must_use]
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        let utc = time.to_zoned(TimeZone::UTC);
        let seconds = now.since(at).as_secs();
        let count = |number: u64, unit: &str| format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" });
        Self {
            machine: utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            exact: utc.strftime("%-d %B %Y, %H:%M UTC").to_string(),
            ago: match seconds {
                0..MINUTE => "just now".to_owned(),
                MINUTE..HOUR => count(seconds / MINUTE, "minute"),
                HOUR..DAY => count(seconds / HOUR, "hour"),
                _ if seconds < 31 * DAY => count(seconds / DAY, "day"),
                _ => utc.strftime("on %-d %B %Y").to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_words_and_exactly() {
        let now = Timestamp(1_795_708_800_000);
        let words = |seconds: i64| Moment::new(Timestamp(now.0 - seconds * 1000), now).ago;
        assert_eq!(words(-5), "just now", "clocks differ");
        assert_eq!(
            (words(59), words(60), words(7199)),
            ("just now".into(), "1 minute ago".into(), "1 hour ago".into())
        );
        assert_eq!(words(2 * 86_400), "2 days ago");
        assert_eq!(words(40 * 86_400), "on 17 October 2026");
        let moment = Moment::new(now, now);
        assert_eq!(
            (moment.machine.as_str(), moment.exact.as_str()),
            ("2026-11-26T16:00:00Z", "26 November 2026, 16:00 UTC")
        );
    }
}
