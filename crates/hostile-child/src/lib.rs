//! A worker that tries what no worker may, and tells what it got.
//!
//! It is what the cage is tested with: every way out that we know, tried one after the other, each answered by one line of
//! JSON on stdout. It harms nothing: what it could read it does not print, what it could change it sets to what it is.
//!
//! A library as well as a program, so that a test binary can be this program too.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

mod attempt;
mod escapes;
mod files;
mod kernel;
mod memory;
mod network;
mod sockets;

pub use attempt::{ATTEMPTS, Outcome, Report, Targets};

/// Runs the mode that the first argument names:
///
/// - `attempts TARGETS` tries everything; TARGETS is [`Targets`] as JSON
/// - `attempt KEY` tries one thing that needs no targets
/// - `hold threads` and `hold processes` take as many as they get, tell how many, and keep them until stdin ends
/// - `wait` does nothing until its stdin ends
/// - `endless-line` answers nothing and prints without end once it has read a line
/// - `stubborn PID` leaves its group for that of process PID if it can, ignores SIGTERM and the end of its stdin
/// - `orphans` leaves grandchildren behind that have left its group and session; prints their pids, as many as there are
///
/// `again` is how this program is started: its path, and arguments before the mode.
#[must_use]
pub fn run(again: &[OsString], args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["attempts", targets] => attempt::all(again, targets),
        ["attempt", key] => attempt::one(again, key),
        ["hold", "threads"] => kernel::hold_threads(),
        ["hold", "processes"] => kernel::hold_processes(again),
        ["wait"] => escapes::wait(),
        ["endless-line"] => escapes::endless_line(),
        ["stubborn", process] => escapes::stubborn(process),
        ["orphans"] => escapes::orphans(again),
        ["orphan"] => escapes::orphan(again),
        _ => return ExitCode::from(2),
    };
    // An error means that nobody listens any more.
    done.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
