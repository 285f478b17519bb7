//! An MCP server on stdio that offers what the public conformance suite looks for, in either era of the protocol.
//!
//! Goal: the suite, run through the broker, judges the broker. So the worker has to be one that the broker's authors know to be
//! right, that speaks stdio, and that offers the same in both eras. Rejected: the suite's own servers (HTTP only, not in its npm package, one
//! era each) and an SDK's server (its habits would hide the broker's faults, or be taken for them).

#![forbid(unsafe_code)]

mod capabilities;
mod dialogue;
mod fault;
mod features;
mod house;
mod legacy;
mod level;
mod message;
mod modern;
mod options;
mod outbox;
mod seal;
mod server;
mod visit;

use std::process::ExitCode;

use clap::Parser as _;

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        let ended = runtime.block_on(server::run(options));
        // A read of stdin may hang for ever; dropping the runtime would wait for it.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln(&format!("cannot go on: {problem}"));
            ExitCode::FAILURE
        }
    }
}

/// stderr is free for whatever a person should read (STDIO26).
#[expect(clippy::print_stderr, reason = "stdout belongs to the protocol, stderr to people")]
pub(crate) fn eprintln(text: &str) {
    eprintln!("conformance-child: {text}");
}
