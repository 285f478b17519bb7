//! Hibernation: an idle worker stops, the session and its stream stay (design.md §7).

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, zombies_of};
use e2e::children;
use e2e::events::Events;
use e2e::processes::exists;
use e2e::stack::{Stack, eventually};
use e2e::through_worker::WorkerProcess;
use forgejo_sim::SimConfig;
use serde_json::json;

use super::open_call;

async fn house(args: &[&str]) -> Result<Stack> {
    house_with(args, Settings::default()).await
}

async fn house_with(args: &[&str], settings: Settings) -> Result<Stack> {
    let settings = settings.with("SESSION_IDLE_TIMEOUT", "1s");
    Stack::start_with(&children::fixture("2.34.1")?.with_args(args), SimConfig::default(), settings).await
}

#[tokio::test]
async fn an_idle_worker_stops_while_the_stream_stays_and_the_next_call_wakes_the_session() -> Result<()> {
    let extra = tempfile::NamedTempFile::new()?;
    let path = extra.path().display().to_string();
    let settings = Settings::default().with("WORKER_ALLOWED_PATHS", &path);
    let stack = house_with(&["--extra-tools", &path], settings).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let before = mcp.tools().await?;
    let mut stream = Events::of(mcp.open_stream().await?)?;
    eventually("the idle worker is stopped", || !exists(worker)).await?;
    // The program offers another list when it is next started.
    std::fs::write(extra.path(), "grown_overnight\n")?;
    let woken = WorkerProcess::of(&mcp).await.context("the next call")?.pid;
    ensure!(woken != worker, "the same process");
    let told = stream.message().await.context("the stream did not stay")?;
    ensure!(told["method"] == "notifications/tools/list_changed", "{told}");
    let after = mcp.tools().await?;
    ensure!(after.len() == before.len() + 1 && after.iter().any(|tool| tool == "grown_overnight"), "{after:?}");
    ensure!(zombies_of(stack.broker.pid).is_empty(), "zombies are left");
    Ok(())
}

/// With the same list nobody is told that it changed.
#[tokio::test]
async fn a_session_that_wakes_up_unchanged_is_not_told_otherwise() -> Result<()> {
    let stack = house(&[]).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    mcp.tools().await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let mut stream = Events::of(mcp.open_stream().await?)?;
    eventually("the idle worker is stopped", || !exists(worker)).await?;
    mcp.call("echo", &json!({})).await?;
    mcp.call("list_changed", &json!({"kind": "prompts"})).await?;
    let told = stream.message().await?;
    ensure!(told["method"] == "notifications/prompts/list_changed", "{told}");
    Ok(())
}

/// W37: idle means no call in flight.
#[tokio::test]
async fn a_worker_with_an_open_call_is_not_idle() -> Result<()> {
    let stack = house(&[]).await?;
    let (busy, _, _) = stack.session("alice").await?;
    let (idle, _, _) = stack.session("alice").await?;
    let (worker, other) = (WorkerProcess::of(&busy).await?.pid, WorkerProcess::of(&idle).await?.pid);
    let (mut events, question) = open_call(&busy, &json!("long")).await?;
    eventually("the idle worker is stopped", || !exists(other)).await?;
    ensure!(exists(worker), "a worker with an open call was stopped");
    let reply = json!({"jsonrpc": "2.0", "id": question, "result": {"action": "accept"}});
    busy.post(&reply.to_string()).await?;
    let answer = events.message().await?;
    ensure!(answer["id"] == "long" && answer["result"].is_object(), "{answer}");
    Ok(())
}

/// A live subscription keeps its worker, because a stopped one could not tell of a change.
#[tokio::test]
async fn a_worker_with_a_live_subscription_stays() -> Result<()> {
    let stack = house(&["--subscribe"]).await?;
    let (subscribed, _, _) = stack.session("alice").await?;
    let (idle, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&subscribed).await?.pid;
    subscribed.request("resources/subscribe", &json!({"uri": "fixture://note"})).await?;
    let _stream = Events::of(subscribed.open_stream().await?)?;
    let other = WorkerProcess::of(&idle).await?.pid;
    eventually("the idle worker is stopped", || !exists(other)).await?;
    ensure!(exists(worker), "the subscription is dead");
    Ok(())
}
