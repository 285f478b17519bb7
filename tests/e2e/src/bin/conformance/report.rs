//! The scores: as a table for the terminal, as docs/conformance.md, and as a verdict.

use std::fmt::Write as _;

use crate::runs::{Results, Run};
use crate::suite::Finding;

const SUITE: &str = "@modelcontextprotocol/conformance";

/// What all runs found.
pub(crate) struct Report {
    version: String,
    date: String,
    results: Vec<Results>,
}

struct Score {
    passed: usize,
    required: usize,
    others_passed: usize,
    others: usize,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(version: String, date: String) -> Self {
        Self { version, date, results: Vec::new() }
    }

    pub(crate) fn add(&mut self, results: Results) {
        self.results.push(results);
    }

    /// The scores in Markdown, which reads well enough in a terminal.
    pub(crate) fn table(&self) -> String {
        let mut rows = String::from("| run | scored scenarios passed | others passed |\n|---|---|---|\n");
        for results in &self.results {
            let score = results.score();
            let others = match score.others {
                0 => "–".to_owned(),
                all => format!("{} of {all}", score.others_passed),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(rows, "| {} | {} of {} | {others} |", results.run.title(), score.passed, score.required);
        }
        rows
    }

    /// docs/conformance.md.
    pub(crate) fn page(&self) -> String {
        let mut page = format!(
            "# Conformance\n\n\
             Written by `make conformance` on {}; not to be edited.\n\n\
             The suite is `{SUITE}@{}`, unchanged, run through the broker with bearer tokens. The worker is `crates/conformance-child`, which \
             offers what the suite looks for and speaks one era of the protocol per run. A scenario is scored if the revision's frozen \
             requirements list it; the others are extensions, pending, or newer than the revision. Without the broker, the worker is reached \
             through the least HTTP that will do, which shows what the worker itself can do.\n\n{}",
            self.date,
            self.version,
            self.table()
        );
        for results in &self.results {
            let details = results.details();
            if !details.is_empty() {
                let _ = write!(page, "\n## {}\n\n{details}", results.run.title());
            }
        }
        page
    }

    /// What is not as it should be: a scored scenario that failed, or one that was expected to and did not.
    pub(crate) fn surprises(&self) -> Vec<String> {
        self.results.iter().flat_map(Results::surprises).collect()
    }
}

// === impl Results ===

impl Results {
    fn finding(&self, scenario: &str) -> Option<&Finding> {
        self.findings.get(scenario)
    }

    fn passes(&self, scenario: &str) -> bool {
        self.finding(scenario).is_some_and(Finding::is_passed)
    }

    fn score(&self) -> Score {
        let others = || {
            self.findings.iter().filter(|(scenario, finding)| !self.scored.contains(*scenario) && !finding.is_empty())
        };
        Score {
            passed: self.scored.iter().filter(|scenario| self.passes(scenario)).count(),
            required: self.scored.len(),
            others_passed: others().filter(|(_, finding)| finding.is_passed()).count(),
            others: others().count(),
        }
    }

    fn surprises(&self) -> Vec<String> {
        let mut surprises = Vec::new();
        for scenario in &self.scored {
            match (self.passes(scenario), self.expected_failures.contains(scenario)) {
                (true, true) => surprises.push(format!("{}: {scenario} passes; take it off the list", self.run)),
                (false, false) => surprises.push(format!("{}: {scenario}: {}", self.run, self.why(scenario))),
                _ => {}
            }
        }
        surprises
    }

    fn why(&self, scenario: &str) -> String {
        match self.finding(scenario) {
            None => "did not run".to_owned(),
            Some(finding) => some(&finding.failed),
        }
    }

    /// What is not passed, and what the suite only warns of.
    fn details(&self) -> String {
        let mut lines = String::new();
        let mut left_out = Vec::new();
        for (scenario, finding) in &self.findings {
            if self.extensions.contains(scenario) && !finding.is_passed() {
                left_out.push(format!("`{scenario}`"));
                continue;
            }
            let score = if self.scored.contains(scenario) { "scored" } else { "not scored" };
            let what = if finding.is_empty() {
                "nothing to judge".to_owned()
            } else if self.expected_failures.contains(scenario) {
                "cannot be passed, see tests/conformance/expected-failures.yml".to_owned()
            } else if !finding.is_passed() {
                format!("not passed: {}", some(&finding.failed))
            } else if !finding.warned.is_empty() {
                format!("passed with a warning: {}", some(&finding.warned))
            } else {
                continue;
            };
            let _ = writeln!(lines, "- `{scenario}` ({score}): {what}");
        }
        if !left_out.is_empty() {
            let _ = writeln!(lines, "- extensions that the worker does not offer: {}", left_out.join(", "));
        }
        lines
    }
}

/// The first of them, and how many more there are.
fn some(checks: &[String]) -> String {
    match checks {
        [] => "looked at nothing".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

// === impl Run ===

impl Run {
    fn title(&self) -> String {
        match self {
            Self::Broker { worker, revision } => format!("{revision} client, {worker} worker", worker = worker.name()),
            Self::Authorization => "authorization server".to_owned(),
            Self::Alone { worker } => format!("{} client, {} worker without broker", worker.revision(), worker.name()),
        }
    }
}
