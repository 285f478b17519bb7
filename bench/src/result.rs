//! What a run found, as it is written to a file and read by the report.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Where and when.
    pub machine: Machine,
    /// Rounds of the comparison.
    pub rounds: usize,
    /// Whether it was a shortened run.
    pub quick: bool,
    /// What was compared.
    pub subjects: Vec<Subject>,
    /// What could not be compared, and why.
    pub absent: Vec<(String, String)>,
    /// Our own figures.
    pub figures: Vec<Figure>,
    /// How cost grows.
    pub growth: Vec<Series>,
}

/// Where a run was.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Processor, cores, memory.
    pub hardware: String,
    /// Kernel.
    pub kernel: String,
    /// The broker's version and revision.
    pub broker: String,
    /// Compiler.
    pub rustc: String,
    /// When, to the minute.
    pub date: String,
}

/// One subject of the comparison.
#[derive(Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Median time of a call by one caller, in microseconds.
    pub p50: Spread,
    /// The 99th percentile.
    pub p99: Spread,
    /// The 99th percentile of eight callers at a constant rate, at half of what was reached in a closed loop.
    pub p99_at_half: Spread,
    /// Calls a second by 8, 32, 64 callers.
    pub rates: [Spread; 3],
    /// Processor time of the bridge for each call by 32 callers, in microseconds.
    pub cpu: Spread,
    /// The same by one caller.
    pub cpu_alone: Spread,
    /// Memory before the first session, in bytes; `None` where there is no process of its own.
    pub rest: Option<u64>,
    /// More memory for each idle session, without the process behind it.
    pub session: Option<f64>,
    /// More memory at the end for each thousand calls.
    pub thousand: Option<f64>,
}

/// One measure of several rounds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Spread(pub Vec<f64>);

/// A figure of our own.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figure {
    /// A word by which targets find it.
    pub key: String,
    /// For people.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// How it was measured.
    pub note: String,
}

/// How a cost goes with a number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Series {
    /// A word by which targets find it.
    pub key: String,
    /// For people.
    pub what: String,
    /// What grows.
    pub number: String,
    /// What is measured.
    pub unit: String,
    /// Number and measure.
    pub points: Vec<(f64, f64)>,
}

// === impl Spread ===

impl Spread {
    /// The median; zero of nothing.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The smallest and the largest.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(0.0, f64::max);
        (low, high)
    }
}

// === impl Figure ===

impl Figure {
    /// A figure.
    #[must_use]
    pub fn new(key: &str, what: &str, value: f64, unit: &str, note: &str) -> Self {
        Self { key: key.to_owned(), what: what.to_owned(), value, unit: unit.to_owned(), note: note.to_owned() }
    }
}

// === impl Outcome ===

impl Outcome {
    /// Reads a result file.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("no result at {}: run `make bench` first", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no result of this version", path.display()))
    }

    /// Writes one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// A subject by its name.
    #[must_use]
    pub fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name == name)
    }

    /// A figure by its key.
    #[must_use]
    pub fn figure(&self, key: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.key == key).map(|figure| figure.value)
    }
}
