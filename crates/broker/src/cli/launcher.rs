//! The hidden `worker-launcher`: prepares a worker's process and becomes the worker program.

use std::ffi::OsString;
use std::process::ExitCode;

/// Name of the subcommand; `bridge` starts our own executable with it.
pub(super) const NAME: &str = "worker-launcher";

pub(super) fn run(_arguments: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::from(super::exit::RUNTIME_FAILURE)
}
