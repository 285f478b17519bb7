//! The targets, and whether a run met them.

use crate::result::{Outcome, Series, Subject};
use crate::subject::name;

/// One target against what was measured.
#[derive(Debug)]
pub struct Verdict {
    /// What.
    pub what: &'static str,
    /// What was wanted.
    pub wanted: &'static str,
    /// What was measured; `None` if it was not.
    pub measured: Option<String>,
    /// Whether that is enough.
    pub met: Option<bool>,
}

/// All targets.
#[must_use]
pub fn verdicts(outcome: &Outcome) -> Vec<Verdict> {
    let ours = outcome.subject(name::LEGACY);
    let beside = |other: &str, measure: fn(&Subject) -> f64| {
        let (ours, other) = (measure(ours?), measure(outcome.subject(other)?));
        (other > 0.0).then_some(ours / other)
    };
    let p50 = |subject: &Subject| subject.p50.median();
    let rate = |subject: &Subject| subject.rates[1].median();
    let cpu = |subject: Option<&Subject>| subject.map(|subject| subject.cpu.median());
    let figure = |key| outcome.figure(key);
    vec![
        most("p50 at 1 caller, against Rust mcp-proxy", "≤ 0.5 ×", beside(name::RUST, p50), 0.5, "×"),
        most("p50 at 1 caller, against the bare handler", "≤ 2 ×", beside(name::BARE, p50), 2.0, "×"),
        least("calls/s at 32 callers, against Rust mcp-proxy", "≥ 3 ×", beside(name::RUST, rate), 3.0, "×"),
        least("calls/s at 32 callers, against supergateway", "≥ 20 ×", beside(name::SUPERGATEWAY, rate), 20.0, "×"),
        least("calls/s at 32 callers, against a Node broker", "≥ 35 ×", beside(name::NODE, rate), 35.0, "×"),
        most("CPU a call, legacy session", "≤ 20 µs", cpu(ours), 20.0, "µs"),
        most("CPU a call, translated", "≤ 30 µs", cpu(outcome.subject(name::TRANSLATED)), 30.0, "µs"),
        most("memory at rest", "≤ 15 MB", ours.and_then(|subject| subject.rest).map(megabytes), 15.0, "MB"),
        most("memory of an idle session, streams closed", "≤ 10 kB", of_live_session(outcome), 10.0, "kB"),
        most("memory of a hibernated session", "0", figure("hibernated_bytes"), 32.0, "bytes"),
        most("first call with a warm worker", "≤ 5 ms", figure("first_call_warm"), 5.0, "ms"),
        most("revival beyond the child's own start", "≤ 100 ms", figure("revival_beyond"), 100.0, "ms"),
        least("tools/list of 34 kB", "≥ 17,000/s", figure("list_34"), 17_000.0, "/s"),
        most("gateway, added to a GET at p50", "≤ 60 µs", figure("gateway_added"), 60.0, "µs"),
        least("gateway, throughput of a download", "≥ 0.7 × direct", figure("gateway_share"), 0.7, "×"),
        most("gateway, memory for a download", "flat", figure("gateway_memory"), 16.0, "MB"),
        least("refreshes on SQLite", "≥ 3,000/s", figure("refreshes"), 3_000.0, "/s"),
        least("refreshes on PostgreSQL, one replica", "≥ 1,000/s", figure("refreshes_postgres"), 1_000.0, "/s"),
        most(
            "cost of a call at 10,000 stored sessions, against 10",
            "≤ 1.1 ×",
            whole(outcome).and(figure("growth_ratio")),
            1.1,
            "×",
        ),
        most("10,000 hibernated and 200 live sessions", "≤ 2 GiB", whole(outcome).and(both(outcome)), 2147.0, "MB"),
    ]
}

/// The series up to 10,000, if the run went so far.
fn whole(outcome: &Outcome) -> Option<&Series> {
    outcome
        .growth
        .iter()
        .find(|series| series.key == "stored_cost" && series.points.iter().any(|(number, _)| *number >= 10_000.0))
}

/// What one more session with a live worker takes, in kB: over the whole series of live workers, because the few sessions that each subject is
/// weighed with take less than the memory of a busy broker varies by.
fn of_live_session(outcome: &Outcome) -> Option<f64> {
    let series = outcome.growth.iter().find(|series| series.key == "live_memory")?;
    let ((few, before), (many, after)) = (series.points.first()?, series.points.last()?);
    (many - few >= 40.0).then(|| (after - before) * 1000.0 / (many - few))
}

fn both(outcome: &Outcome) -> Option<f64> {
    Some(outcome.figure("stored_memory")? + outcome.figure("live_memory")?)
}

fn most(what: &'static str, wanted: &'static str, measured: Option<f64>, limit: f64, unit: &str) -> Verdict {
    Verdict {
        what,
        wanted,
        measured: measured.map(|value| told(value, unit)),
        met: measured.map(|value| value <= limit),
    }
}

fn least(what: &'static str, wanted: &'static str, measured: Option<f64>, limit: f64, unit: &str) -> Verdict {
    Verdict {
        what,
        wanted,
        measured: measured.map(|value| told(value, unit)),
        met: measured.map(|value| value >= limit),
    }
}

fn told(value: f64, unit: &str) -> String {
    if value < 10.0 {
        format!("{value:.2} {unit}")
    } else if value < 100.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

// === impl Verdict ===

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Figure;

    fn word(outcome: &Outcome, what: &str) -> &'static str {
        verdicts(outcome).iter().find(|verdict| verdict.what == what).unwrap().word()
    }

    #[test]
    fn a_target_is_met_at_its_limit_and_missed_beyond_it_and_neither_unmeasured() {
        let what = "first call with a warm worker";
        let mut outcome = Outcome::default();
        assert_eq!(word(&outcome, what), "not measured");
        outcome.figures.push(Figure::new("first_call_warm", "", 5.0, "ms", ""));
        assert_eq!(word(&outcome, what), "met");
        outcome.figures[0].value = 5.1;
        assert_eq!(word(&outcome, what), "**missed**");
    }

    #[test]
    fn a_session_is_weighed_over_many_live_ones_or_not_at_all() {
        let what = "memory of an idle session, streams closed";
        let series = |last, memory| Series {
            key: "live_memory".into(),
            what: String::new(),
            number: String::new(),
            unit: String::new(),
            points: vec![(10.0, 17.0), (last, memory)],
        };
        let mut outcome = Outcome { growth: vec![series(30.0, 17.0)], ..Outcome::default() };
        assert_eq!(word(&outcome, what), "not measured", "too few to tell them from the noise");
        outcome.growth = vec![series(210.0, 19.0)];
        assert_eq!(word(&outcome, what), "met");
        outcome.growth = vec![series(210.0, 19.1)];
        assert_eq!(word(&outcome, what), "**missed**");
    }

    #[test]
    fn growth_is_not_judged_by_a_run_that_stopped_early() {
        let what = "cost of a call at 10,000 stored sessions, against 10";
        let mut outcome = Outcome::default();
        outcome.figures.push(Figure::new("growth_ratio", "", 1.0, "", ""));
        let series = |last| Series {
            key: "stored_cost".into(),
            what: String::new(),
            number: String::new(),
            unit: String::new(),
            points: vec![(10.0, 1.0), (last, 1.0)],
        };
        outcome.growth = vec![series(1000.0)];
        assert_eq!(word(&outcome, what), "not measured");
        outcome.growth = vec![series(10_000.0)];
        assert_eq!(word(&outcome, what), "met");
    }
}
