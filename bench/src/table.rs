//! The comparison as a table, for a terminal and for the report.

use crate::result::{Figure, Outcome, Spread, Subject};
use crate::subject::name;

/// Heads of the columns.
pub const HEADS: [&str; 11] = [
    "subject",
    "p50, 1 caller",
    "p99, 1 caller",
    "p99, half load",
    "calls/s, 8",
    "calls/s, 32",
    "calls/s, 64",
    "CPU a call",
    "at rest",
    "idle session",
    "1,000 calls",
];

/// One row for each subject.
#[must_use]
pub fn rows(outcome: &Outcome) -> Vec<Vec<String>> {
    outcome.subjects.iter().map(row).collect()
}

/// Ratios to our legacy session: above 1 we are better.
#[must_use]
pub fn ratios(outcome: &Outcome) -> Vec<Vec<String>> {
    let Some(ours) = outcome.subject(name::LEGACY) else {
        return Vec::new();
    };
    let ratio = |ours: f64, theirs: f64| {
        if ours > 0.0 && theirs > 0.0 { format!("{:.2}", theirs / ours) } else { String::new() }
    };
    let others = outcome.subjects.iter().filter(|subject| subject.name != ours.name);
    others
        .map(|other| {
            vec![
                other.name.clone(),
                ratio(ours.p50.median(), other.p50.median()),
                ratio(ours.p99.median(), other.p99.median()),
                ratio(other.rates[0].median(), ours.rates[0].median()),
                ratio(other.rates[1].median(), ours.rates[1].median()),
                ratio(other.rates[2].median(), ours.rates[2].median()),
                ratio(ours.cpu.median(), other.cpu.median()),
                ours.rest.zip(other.rest).map(|(ours, theirs)| ratio(bytes(ours), bytes(theirs))).unwrap_or_default(),
            ]
        })
        .collect()
}

/// Heads of [`ratios`].
pub const RATIO_HEADS: [&str; 8] =
    ["subject", "p50", "p99", "calls/s, 8", "calls/s, 32", "calls/s, 64", "CPU", "memory at rest"];

/// A figure with its unit.
#[must_use]
pub fn value(figure: &Figure) -> String {
    let Figure { value, unit, .. } = figure;
    if *value < 10.0 {
        format!("{value:.2} {unit}")
    } else if *value < 100.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

fn row(subject: &Subject) -> Vec<String> {
    let micros = |spread: &Spread| told(spread, "µs");
    let rate = |spread: &Spread| told(spread, "/s");
    vec![
        subject.name.clone(),
        micros(&subject.p50),
        micros(&subject.p99),
        micros(&subject.p99_at_half),
        rate(&subject.rates[0]),
        rate(&subject.rates[1]),
        rate(&subject.rates[2]),
        if subject.rest.is_some() { micros(&subject.cpu) } else { String::new() },
        subject.rest.map(|rest| format!("{:.1} MB", bytes(rest) / 1e6)).unwrap_or_default(),
        subject.session.filter(|bytes| *bytes > 0.0).map(kilobytes).unwrap_or_default(),
        subject.thousand.map(kilobytes).unwrap_or_default(),
    ]
}

fn kilobytes(bytes: f64) -> String {
    format!("{:.1} kB", bytes.max(0.0) / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
fn bytes(bytes: u64) -> f64 {
    bytes as f64
}

/// Median and the ends of the spread.
fn told(spread: &Spread, unit: &str) -> String {
    if spread.0.is_empty() {
        return String::new();
    }
    let (low, high) = spread.ends();
    let number = |value: f64| if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    format!("{} {unit} ({}–{})", number(spread.median()), number(low), number(high))
}
