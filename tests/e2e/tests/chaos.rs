//! The short forms of `make chaos` and `make replicas`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::built;
use tokio::process::Command;

#[tokio::test]
async fn random_kills_under_load_wrong_nobody() -> Result<()> {
    passes(env!("CARGO_BIN_EXE_chaos"), &["--seconds", "12", "--sessions", "2", "--stateless", "1"]).await
}

#[tokio::test]
async fn of_many_at_once_behind_a_balancer_without_stickiness_one_wins() -> Result<()> {
    passes(env!("CARGO_BIN_EXE_replicas"), &["--part", "races", "--optional"]).await
}

#[tokio::test]
async fn replicas_databases_and_links_that_fail_under_load_wrong_nobody() -> Result<()> {
    let short = ["--part", "storm", "--seconds", "20", "--seed", "3", "--sessions", "1", "--stateless", "1"];
    passes(env!("CARGO_BIN_EXE_replicas"), &[&short[..], &["--optional"]].concat()).await
}

async fn passes(program: &str, arguments: &[&str]) -> Result<()> {
    // Built first, which may take its time.
    built("fjmcp-broker")?;
    let running = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_mins(15), running).await.context("it does not end")??;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
