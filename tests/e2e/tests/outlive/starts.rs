//! Workers that do not start: a clear 503, never a hang, and back again when the reason is gone.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Result, ensure};
use e2e::broker::{Broker, zombies_of};
use e2e::children::{self, Child};
use e2e::mcp::{Answer, Mcp};
use e2e::stack::{Stack, until_ok};
use serde_json::json;

async fn initialize(mcp: &Mcp) -> Result<Answer> {
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}});
    mcp.send("initialize", &params).await
}

fn ensure_not_started(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 503, "{} {}", answer.status, answer.body);
    ensure!(answer.header("retry-after").is_some(), "no Retry-After: {:?}", answer.headers);
    let error = answer.error()?;
    ensure!(error["message"].as_str().is_some_and(|text| text.contains("start")), "{error}");
    Ok(())
}

/// The program disappears while the broker runs, as in an upgrade that goes wrong, and comes back.
#[tokio::test]
async fn a_program_that_is_gone_is_503_until_it_is_back() -> Result<()> {
    let fixture = children::fixture("2.18.0")?;
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("worker");
    std::fs::copy(&fixture.command, &program)?;
    let stack = Stack::start(&Child { command: program.clone(), ..fixture.clone() }).await?;
    let (running, _, tokens) = stack.session("alice").await?;
    std::fs::remove_file(&program)?;
    let mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    for _ in 0..4 {
        ensure_not_started(&initialize(&mcp).await?)?;
    }
    ensure!(!running.tools().await?.is_empty(), "a running worker was harmed");
    std::fs::copy(&fixture.command, &program)?;
    until_ok("the program starts again", || async {
        Mcp::new(&stack.broker.url, &tokens.access_token)?.initialize("2025-11-25").await
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_program_that_exits_at_once_is_503_and_its_last_words_are_logged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("worker");
    std::fs::write(&program, "#!/bin/sh\necho 'cannot find my configuration' >&2\nexit 1\n")?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let stack = Stack::start(&Child { command: program, ..children::fixture("2.18.0")? }).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    for _ in 0..4 {
        ensure_not_started(&initialize(&mcp).await?)?;
    }
    stack.broker.wait_for_line("cannot find my configuration").await?;
    ensure_not_started(&mcp.send("tools/list", &json!({})).await?)?;
    ensure!(zombies_of(stack.broker.pid).is_empty(), "zombies are left");
    Ok(())
}

/// The operator learns of it before any client does.
#[tokio::test]
async fn a_broker_whose_worker_program_is_missing_does_not_start() -> Result<()> {
    let mut stack = Stack::start(&children::fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let settings = stack.settings.clone().with("WORKER_COMMAND", "/nonexistent/forgejo-mcp");
    let mut broker = Broker::spawn(&settings)?;
    let status = broker.wait().await?;
    ensure!(status.code() == Some(2), "{status}: a missing program is a problem of the configuration");
    until_ok("the reason is told", || async {
        ensure!(broker.log().contains("/nonexistent/forgejo-mcp"), "{}", broker.log());
        Ok(())
    })
    .await
}
