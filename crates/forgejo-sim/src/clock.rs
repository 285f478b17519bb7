//! The clock of a stand-in: the system's, or one that tests hold.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

/// A clock that can be put forward. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<Reading>>);

#[derive(Debug)]
enum Reading {
    /// The system's time plus an offset in milliseconds.
    System { ahead: i64 },
    /// A time that stands still, in milliseconds since the Unix epoch.
    Standing { now: i64 },
}

// === impl SimClock ===

impl SimClock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Mutex::new(Reading::System { ahead: 0 })))
    }

    /// A clock that stands still at the given time, in milliseconds since the Unix epoch, until [`SimClock::advance`].
    #[must_use]
    pub fn standing_at(now_ms: i64) -> Self {
        Self(Arc::new(Mutex::new(Reading::Standing { now: now_ms })))
    }

    /// Puts the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        match &mut *self.0.lock() {
            Reading::System { ahead: value } | Reading::Standing { now: value } => {
                *value = value.saturating_add(by);
            }
        }
    }

    /// The time now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match *self.0.lock() {
            Reading::System { ahead } => system_ms().saturating_add(ahead),
            Reading::Standing { now } => now,
        }
    }

    /// The time now, in seconds since the Unix epoch.
    #[must_use]
    pub fn now_secs(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that the rest of the crate is given")]
fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time in seconds since the Unix epoch as RFC 3339 in UTC, the form of Forgejo's JSON.
pub(crate) fn rfc3339(secs: i64) -> String {
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Reads what [`rfc3339`] writes, offsets included. `None` for anything else.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let days = days_from_civil(number(0..4)?, number(5..7)?, number(8..10)?);
    let clock = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign @ (b'+' | b'-') => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if *sign == b'+' { minutes * 60 } else { -minutes * 60 }
        }
        _ => return None,
    };
    Some(days * 86_400 + clock - offset)
}

/// Year, month and day of a number of days since 1970-01-01 (proleptic Gregorian, eras of 400 years).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_back() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_000_000, "2026-11-18T11:06:40Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(secs), text);
            assert_eq!(parse_rfc3339(text), Some(secs));
        }
        assert_eq!(parse_rfc3339("2026-11-18T12:06:40.5+01:00"), Some(1_795_000_000));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn a_standing_clock_moves_only_when_told() {
        let clock = SimClock::standing_at(5_000);
        let other = clock.clone();
        assert_eq!(clock.now_ms(), 5_000);
        clock.advance(Duration::from_secs(2));
        assert_eq!(other.now_secs(), 7);
    }
}
