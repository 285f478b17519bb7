//! How a command fails.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::Problems;

pub(super) const RUNTIME_FAILURE: u8 = 1;
pub(super) const BAD_CONFIGURATION: u8 = 2;

/// Why a command did not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something did not work at run time.
    Runtime(anyhow::Error),
    /// The configuration cannot be used.
    Configuration(Problems),
}

// === impl Failure ===

impl Failure {
    /// Tells standard error and names the exit code.
    pub(super) fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Self::Runtime(error) => (format!("{error:#}"), RUNTIME_FAILURE),
            Self::Configuration(problems) => (problems.to_string(), BAD_CONFIGURATION),
        };
        // If standard error is gone, the exit code still speaks.
        let _ = writeln!(std::io::stderr().lock(), "fjmcp-broker: {text}");
        ExitCode::from(code)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Runtime(error)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}
