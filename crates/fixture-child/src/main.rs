//! An MCP server on stdio that behaves as forgejo-mcp was measured to behave.
//!
//! The broker's tests need a child program that is always there and that misbehaves on demand. Goal: everything
//! the tests say about forgejo-mcp 2.18.0 and 2.34.1 can be said about this program too, and each habit can be
//! switched on alone. Rejected: a recorded transcript (it cannot answer new questions) and a polite MCP server built
//! on a library (a library's decoder, ids and shutdown are exactly what must differ).

#![forbid(unsafe_code)]

mod api;
mod asks;
mod catalogue;
mod go;
mod habits;
mod journal;
mod load;
mod members;
mod methods;
mod options;
mod output;
mod raw_http;
mod received;
mod resources;
mod server;
mod start;
mod tools;

use std::process::ExitCode;

use clap::Parser;

use crate::journal::Journal;
use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    let journal = Journal::new();
    match server::run(options, &journal) {
        Ok(code) => code,
        Err(failure) => {
            journal.fatal(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}
