//! How long a fetched document serves: as its headers say, within bounds of our own (check 9; RFC 9111 §4.2).

use std::time::Duration;

use jiff::fmt::rfc2822;

/// A document is not fetched more often than this, whatever it says.
pub const MIN_LIFETIME: Duration = Duration::from_mins(1);
/// A document is fetched again after this, whatever it says.
pub const MAX_LIFETIME: Duration = Duration::from_hours(24);
/// Where it says nothing.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);

/// What a response says of its own freshness, as text.
#[derive(Debug, Clone, Default)]
pub struct CacheHeaders {
    /// All `Cache-Control` headers.
    pub cache_control: Vec<String>,
    /// `Age`: seconds it has spent in other caches.
    pub age: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
    /// `Date`.
    pub date: Option<String>,
}

// === impl CacheHeaders ===

impl CacheHeaders {
    /// How long the response serves, between [`MIN_LIFETIME`] and [`MAX_LIFETIME`].
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        let directives = || {
            self.cache_control
                .iter()
                .flat_map(|line| line.split(','))
                .map(|directive| directive.trim().to_ascii_lowercase())
        };
        if directives().any(|directive| matches!(directive.as_str(), "no-store" | "no-cache")) {
            return MIN_LIFETIME;
        }
        let max_age = directives().find_map(|directive| {
            let seconds = directive.strip_prefix("max-age=")?.trim_matches('"').to_owned();
            // What is no number counts as stale (RFC 9111 §4.2.1).
            Some(Duration::from_secs(seconds.parse().unwrap_or(0)))
        });
        let stated = match (max_age, &self.expires) {
            (Some(max_age), _) => max_age,
            (None, Some(expires)) => self.until(expires).unwrap_or_default(),
            (None, None) => DEFAULT_LIFETIME,
        };
        let age =
            self.age.as_deref().and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
        stated.saturating_sub(age).clamp(MIN_LIFETIME, MAX_LIFETIME)
    }

    fn until(&self, expires: &str) -> Option<Duration> {
        let read = |text: &str| rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok();
        let seconds = read(expires)?.as_second() - read(self.date.as_deref()?)?.as_second();
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cache_control(text: &str) -> Duration {
        CacheHeaders { cache_control: vec![text.to_owned()], ..CacheHeaders::default() }.lifetime()
    }

    #[test]
    fn check_9_headers_decide_within_bounds() {
        assert_eq!(cache_control("public, max-age=3600"), Duration::from_hours(1));
        assert_eq!(cache_control("max-age=0"), MIN_LIFETIME);
        assert_eq!(cache_control("max-age=31536000, immutable"), MAX_LIFETIME);
        assert_eq!(cache_control("Max-Age=\"7200\""), Duration::from_hours(2));
        assert_eq!(cache_control("max-age=7200, no-store"), MIN_LIFETIME);
        assert_eq!(cache_control("no-cache"), MIN_LIFETIME);
        assert_eq!(cache_control("max-age=soon"), MIN_LIFETIME);
        assert_eq!(CacheHeaders::default().lifetime(), DEFAULT_LIFETIME);
    }

    #[test]
    fn time_spent_in_other_caches_counts() {
        let headers = CacheHeaders {
            cache_control: vec!["max-age=3600".to_owned()],
            age: Some("3000".to_owned()),
            ..CacheHeaders::default()
        };
        assert_eq!(headers.lifetime(), Duration::from_mins(10));
    }

    #[test]
    fn expires_is_read_where_there_is_no_max_age() {
        let headers = |expires: &str| CacheHeaders {
            expires: Some(expires.to_owned()),
            date: Some("Wed, 21 Oct 2026 07:28:00 GMT".to_owned()),
            ..CacheHeaders::default()
        };
        assert_eq!(headers("Wed, 21 Oct 2026 08:28:00 GMT").lifetime(), Duration::from_hours(1));
        assert_eq!(headers("Wed, 21 Oct 2015 07:28:00 GMT").lifetime(), MIN_LIFETIME);
        assert_eq!(headers("0").lifetime(), MIN_LIFETIME);
    }

    proptest! {
        #[test]
        fn no_headers_lead_out_of_the_bounds(control in proptest::collection::vec(".*", 0..3), age in ".*", expires in ".*", date in ".*") {
            let headers = CacheHeaders { cache_control: control, age: Some(age), expires: Some(expires), date: Some(date) };
            let lifetime = headers.lifetime();
            prop_assert!((MIN_LIFETIME..=MAX_LIFETIME).contains(&lifetime));
        }
    }
}
