//! What is wrong with a configuration, told so that the operator knows what to do. All problems are told at once.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, or the file, it is about.
    pub setting: String,
    /// Where the bad value came from; `None` if nothing was set.
    pub source: Option<String>,
    /// What is wrong with it. Never quotes a secret.
    pub wrong: String,
    /// What to do.
    pub remedy: String,
}

/// Everything that is wrong. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", render(.0))]
pub struct Problems(pub Vec<Problem>);

/// What is wrong with one value, before it is known whose value it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) wrong: String,
    pub(crate) remedy: String,
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), remedy: remedy.into() }
    }
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setting)?;
        if let Some(source) = &self.source {
            write!(f, " (from {source})")?;
        }
        write!(f, ": {}\n    what to do: {}", self.wrong, self.remedy)
    }
}

fn render(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "the configuration has a problem:".to_owned(),
        number => format!("the configuration has {number} problems:"),
    };
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}
