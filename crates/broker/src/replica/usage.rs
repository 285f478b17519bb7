//! What users have open at each replica, as replicas tell each other with their leases: limits of users hold over all of them, some seconds late.

use std::collections::HashMap;
use std::sync::Arc;

use bridge::replica::Usage;

/// By user: workers, busy ones, calls, streams, parked calls. Short, because it is written every few seconds.
pub(super) fn to_json(usage: &HashMap<Arc<str>, Usage>) -> String {
    let by_user: HashMap<&str, [usize; 5]> = usage
        .iter()
        .map(|(user, usage)| (&**user, [usage.workers, usage.busy, usage.calls, usage.streams, usage.parked]))
        .collect();
    serde_json::to_string(&by_user).unwrap_or_else(|_| "{}".to_owned())
}

/// All of it together. What can't be read is left out: it comes of a replica of another version.
pub(super) fn sum<'t>(texts: impl Iterator<Item = &'t str>) -> HashMap<Arc<str>, Usage> {
    let mut sum: HashMap<Arc<str>, Usage> = HashMap::new();
    for text in texts {
        let by_user: HashMap<String, [usize; 5]> = serde_json::from_str(text).unwrap_or_default();
        for (user, [workers, busy, calls, streams, parked]) in by_user {
            let total = sum.entry(user.into()).or_default();
            total.workers = total.workers.saturating_add(workers);
            total.busy = total.busy.saturating_add(busy);
            total.calls = total.calls.saturating_add(calls);
            total.streams = total.streams.saturating_add(streams);
            total.parked = total.parked.saturating_add(parked);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replicas_tell_of_a_user_is_added_up_and_what_is_no_such_text_counts_nothing() {
        let usage = Usage { workers: 1, busy: 5, calls: 2, streams: 3, parked: 4 };
        let text = to_json(&HashMap::from([("u".into(), usage)]));
        let sum = sum([text.as_str(), text.as_str(), "", "[]", r#"{"u":"many"}"#].into_iter());
        assert_eq!(sum, HashMap::from([("u".into(), Usage { workers: 2, busy: 10, calls: 4, streams: 6, parked: 8 })]));
    }
}
