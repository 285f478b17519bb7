//! `backup`, `restore` and `migrate`.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::command::run;
use e2e::mcp::request;
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::json;

fn state(stack: &Stack) -> Result<Settings> {
    Ok(Settings::default().with("STORE_PATH", stack.settings.get("STORE_PATH").context("no store")?))
}

#[tokio::test]
async fn a_backup_of_a_running_broker_brings_its_sessions_back() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let backup = stack.state.path().join("backup.db").display().to_string();
    let ended = run(&["backup", &backup], &state(&stack)?).await?;
    ensure!(ended.code == Some(0) && ended.stdout.contains("key ring"), "{ended:?}");
    ensure!(std::fs::metadata(&backup)?.permissions().mode() & 0o777 == 0o600);
    let again = run(&["backup", &backup], &state(&stack)?).await?;
    ensure!(again.code == Some(1) && again.stderr.contains("is there already"), "{again:?}");
    let (later, _, _) = stack.session("bob").await?;

    let over_running = run(&["restore", &backup], &state(&stack)?).await?;
    ensure!(over_running.code == Some(1) && over_running.stderr.contains("stop it first"), "{over_running:?}");
    ensure!(later.post(&request(&json!(1), "tools/list", &json!({}))).await?.status == StatusCode::OK);

    stack.broker.terminate().await?;
    let restored = run(&["restore", &backup], &state(&stack)?).await?;
    ensure!(restored.code == Some(0) && restored.stdout.contains("before-restore"), "{restored:?}");
    stack.restart().await?;
    ensure!(mcp.post(&request(&json!(2), "tools/list", &json!({}))).await?.status == StatusCode::OK);
    let unknown = later.post(&request(&json!(2), "tools/list", &json!({}))).await?;
    ensure!(unknown.status == StatusCode::UNAUTHORIZED, "{}", unknown.status);
    Ok(())
}

#[tokio::test]
async fn a_restoration_can_end_all_that_the_backup_holds() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let backup = stack.state.path().join("backup.db").display().to_string();
    ensure!(run(&["backup", &backup], &state(&stack)?).await?.code == Some(0));
    stack.broker.terminate().await?;
    let restored = run(&["restore", "--end-all-grants", &backup], &state(&stack)?).await?;
    ensure!(restored.code == Some(0) && restored.stdout.contains("Grants ended: 1."), "{restored:?}");
    stack.restart().await?;
    let answer = mcp.post(&request(&json!(2), "tools/list", &json!({}))).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "{}", answer.status);
    Ok(())
}

#[tokio::test]
async fn what_is_no_backup_changes_nothing() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    stack.broker.terminate().await?;
    let fake = stack.state.path().join("fake.db");
    std::fs::write(&fake, "this is no database at all, whatever its name may say")?;
    for file in [fake.display().to_string(), "/nowhere/backup.db".to_owned()] {
        let ended = run(&["restore", &file], &state(&stack)?).await?;
        ensure!(ended.code == Some(1), "{ended:?}");
    }
    stack.restart().await?;
    ensure!(mcp.post(&request(&json!(2), "tools/list", &json!({}))).await?.status == StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn migrate_says_where_the_schema_is() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    for arguments in [&["migrate", "--check"][..], &["migrate"]] {
        let ended = run(arguments, &state(&stack)?).await?;
        ensure!(ended.code == Some(0) && ended.stdout.contains("up to date"), "{ended:?}");
    }
    Ok(())
}
