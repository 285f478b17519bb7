//! The hidden `worker-launcher`: prepares a worker's process and becomes the worker program.

use std::ffi::OsString;
use std::process::ExitCode;

use bridge::launcher;

/// Name of the subcommand, with which `bridge` starts our own executable.
pub(super) const NAME: &str = launcher::SUBCOMMAND;

/// Returns only if the worker program could not be started.
pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    launcher::run(arguments)
}
