//! The broker's program as an operator calls it in a shell.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::binaries::built;
use crate::broker::Settings;

/// How a call ended and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs the built broker with these arguments and nothing in its environment but `settings`.
///
/// # Errors
/// When it cannot be started, or has not ended after two minutes; it is killed then.
pub async fn run(arguments: &[&str], settings: &Settings) -> Result<Ended> {
    let mut command = Command::new(built("fjmcp-broker")?);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(settings.variables())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(2), command.output());
    let output = output.await.context("the broker did not end")?.context("cannot start the broker")?;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
