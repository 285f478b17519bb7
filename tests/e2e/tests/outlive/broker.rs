//! The broker itself ends, by force or in good order, and starts again on the same state.

use anyhow::{Context as _, Result, ensure};
use e2e::children;
use e2e::events::Events;
use e2e::processes::exists;
use e2e::stack::{Stack, eventually};
use e2e::through_worker::WorkerProcess;
use serde_json::json;

use super::open_call;

#[tokio::test]
async fn sessions_and_tokens_outlive_a_kill_of_the_broker() -> Result<()> {
    let mut stack = Stack::start(&children::fixture("2.34.1")?).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let (bob, _, _) = stack.session("bob").await?;
    mcp.request("logging/setLevel", &json!({"level": "debug"})).await?;
    let workers = [WorkerProcess::of(&mcp).await?.pid, WorkerProcess::of(&bob).await?.pid];
    let (mut open, _) = open_call(&mcp, &json!("cut")).await?;
    stack.broker.kill().await?;
    ensure!(open.message().await.is_err(), "the call was answered by nobody");
    // W34: nothing is left that could go on with anybody's access.
    eventually("the workers ended with the broker", || workers.iter().all(|pid| !exists(*pid))).await?;
    stack.restart().await?;
    for (session, login) in [(&mcp, "alice"), (&bob, "bob")] {
        let text = session.call_text("get_my_user_info", &json!({})).await.with_context(|| login.to_owned())?;
        ensure!(text.contains(login), "{text}");
    }
    let logged = mcp.send_call("log", &json!({"level": "debug"})).await?;
    ensure!(logged.body.contains("notifications/message"), "the level was lost: {}", logged.body);
    let renewed = client.refresh(&tokens.refresh_token).await?;
    WorkerProcess::of(&mcp.with_token(&renewed.access_token)).await?;
    Ok(())
}

/// The user's rights come from the store, not from what the dead broker had in memory.
#[tokio::test]
async fn what_was_ended_before_a_kill_stays_ended_after_it() -> Result<()> {
    let mut stack = Stack::start(&children::fixture("2.18.0")?).await?;
    let (deleted, _, _) = stack.session("alice").await?;
    let (revoked, client, tokens) = stack.session("bob").await?;
    ensure!(deleted.delete().await? == 204, "DELETE");
    client.revoke(&tokens.refresh_token).await?;
    stack.broker.kill().await?;
    stack.restart().await?;
    ensure!(deleted.send("ping", &json!({})).await?.status == 404, "a deleted session is back");
    ensure!(revoked.send("ping", &json!({})).await?.status == 401, "a revoked token is back");
    Ok(())
}

#[tokio::test]
async fn a_broker_that_is_told_to_stop_ends_streams_and_workers_and_sessions_go_on_after_it() -> Result<()> {
    let mut stack = Stack::start(&children::fixture("2.34.1")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let mut stream = Events::of(mcp.open_stream().await?)?;
    let status = stack.broker.terminate().await?;
    ensure!(status.success(), "it ended with {status}");
    ensure!(stream.rest().await.context("the stream was cut, not ended")?.is_empty(), "something was told");
    ensure!(!exists(worker), "the worker is left");
    stack.restart().await?;
    let text = mcp.call_text("get_my_user_info", &json!({})).await?;
    ensure!(text.contains("alice"), "{text}");
    Ok(())
}

/// A call in flight gets time to end.
#[tokio::test]
async fn a_call_in_flight_is_answered_before_the_broker_ends() -> Result<()> {
    let mut stack = Stack::start(&children::fixture("2.34.1")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let (mut events, question) = open_call(&mcp, &json!("last")).await?;
    stack.broker.signal(rustix::process::Signal::TERM)?;
    stack.broker.wait_for_line("stop").await.context("no word of stopping in the log")?;
    let reply = json!({"jsonrpc": "2.0", "id": question, "result": {"action": "accept"}});
    let replied = mcp.post(&reply.to_string()).await;
    let answer = events.message().await?;
    ensure!(answer["id"] == "last", "{answer}");
    // Whether the broker still takes the reply is its choice; the call is answered in any case, and says how it ended.
    ensure!(answer["result"].is_object() || answer["error"]["message"].is_string(), "{answer} after {replied:?}");
    ensure!(stack.broker.wait().await?.success(), "it did not end well");
    Ok(())
}
