//! What the bridge tells, counted.

use bridge::observer::{CallTimes, DroppedMessage, Observer, RequestEra, SkippedLine};
use bridge::process::ExitReport;

use super::Metrics;

/// Counts what happens in the bridge.
pub(crate) struct BridgeEvents(pub(crate) Metrics);

/// Reasons for which the bridge refuses because something is full, and the setting that says how full it may be.
const CAPS: [(&str, &str); 8] = [
    ("worker_limit", "max-sessions"),
    ("user_worker_limit", "max-sessions-per-user"),
    ("user_calls", "user_calls"),
    ("user_streams", "user_streams"),
    ("user_parked_calls", "user_parked_calls"),
    ("worker_calls", "worker_calls"),
    ("worker_queue", "worker_queue"),
    ("subscription_limit", "subscriptions"),
];

impl Observer for BridgeEvents {
    fn request(&self, era: RequestEra, label: &'static str) {
        let era = match era {
            RequestEra::Legacy => "legacy",
            RequestEra::Modern => "modern",
        };
        self.0.mcp_requests.add([era, label]);
    }

    fn worker_started(&self) {
        self.0.worker_starts.add(["started"]);
    }

    fn worker_start_failed(&self) {
        self.0.worker_starts.add(["failed"]);
    }

    fn worker_ended(&self, report: &ExitReport, expected: bool) {
        self.0.worker_ends.add([match (expected, report.signal) {
            (true, _) => "stopped",
            (false, Some(_)) => "killed",
            (false, None) => "exited",
        }]);
    }

    fn warm_worker_used(&self) {
        self.0.worker_events.add(["warm_used"]);
    }

    fn warm_worker_lost(&self) {
        self.0.worker_events.add(["warm_lost"]);
    }

    fn worker_overgrown(&self) {
        self.0.worker_events.add(["overgrown"]);
    }

    fn worker_killed(&self) {
        self.0.worker_events.add(["killed"]);
    }

    fn orphan_killed(&self) {
        self.0.worker_events.add(["orphan_killed"]);
    }

    fn sessions_forgotten(&self, number: usize) {
        for _ in 0..number {
            self.0.session_events.add(["forgotten"]);
        }
    }

    fn line_skipped(&self, why: SkippedLine) {
        self.0.lines_skipped.add([match why {
            SkippedLine::TooLong => "too_long",
            SkippedLine::NotAMessage => "not_a_message",
            SkippedLine::UnknownId => "unknown_id",
            SkippedLine::Late => "late",
        }]);
    }

    fn call_answered(&self, times: CallTimes) {
        if let Some(before) = times.before {
            self.0.call_duration.note(["broker"], before);
        }
        self.0.call_duration.note(["worker"], times.in_worker);
    }

    fn refused(&self, why: &'static str) {
        self.0.mcp_refusals.add([why]);
        if let Some((_, limit)) = CAPS.iter().find(|(reason, _)| *reason == why) {
            self.0.limit_hits.add([limit]);
        }
    }

    fn session_created(&self) {
        self.0.session_events.add(["created"]);
    }

    fn session_revived(&self) {
        self.0.session_events.add(["revived"]);
    }

    fn session_hibernated(&self) {
        self.0.session_events.add(["hibernated"]);
    }

    fn message_dropped(&self, why: DroppedMessage) {
        self.0.messages_dropped.add([match why {
            DroppedMessage::SlowClient => "slow_client",
            DroppedMessage::NoStream => "no_stream",
            DroppedMessage::StaleProgress => "stale_progress",
        }]);
    }
}
