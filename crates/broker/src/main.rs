//! `fjmcp-broker`: OAuth 2.1 authorization server, MCP endpoint and worker supervisor in front of Forgejo.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    broker::cli::main(std::env::args_os().collect())
}
