//! The short form of `make chaos`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::built;
use tokio::process::Command;

#[tokio::test]
async fn random_kills_under_load_wrong_nobody() -> Result<()> {
    // Built first, which may take its time.
    built("fjmcp-broker")?;
    let running = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["--seconds", "12", "--sessions", "2", "--stateless", "1"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_mins(15), running).await.context("it does not end")??;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
