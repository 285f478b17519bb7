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
    unscored_passed: usize,
    unscored: usize,
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
            let others = match score.unscored {
                0 => "–".to_owned(),
                all => format!("{} of {all}", score.unscored_passed),
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
             requirements list it; the others are extensions, pending, or newer than the revision.\n\n{}",
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
        let others = || self.findings.iter().filter(|(scenario, _)| !self.scored.contains(*scenario));
        Score {
            passed: self.scored.iter().filter(|scenario| self.passes(scenario)).count(),
            required: self.scored.len(),
            unscored_passed: others().filter(|(_, finding)| finding.is_passed()).count(),
            unscored: others().count(),
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
            Some(finding) if finding.failed.is_empty() => "looked at nothing".to_owned(),
            Some(finding) => finding.failed.join(" · "),
        }
    }

    /// What is not passed, and what the suite only warns of.
    fn details(&self) -> String {
        let mut lines = String::new();
        for (scenario, finding) in &self.findings {
            let kind = match (self.scored.contains(scenario), self.expected_failures.contains(scenario)) {
                (true, true) => "cannot be passed, see tests/conformance/expected-failures.yml",
                (true, false) => "scored",
                (false, _) => "not scored",
            };
            if !finding.is_passed() {
                let _ = writeln!(lines, "- not passed ({kind}): `{scenario}`: {}", self.why(scenario));
            } else if !finding.warned.is_empty() {
                let _ =
                    writeln!(lines, "- passed with a warning ({kind}): `{scenario}`: {}", finding.warned.join(" · "));
            }
        }
        lines
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
