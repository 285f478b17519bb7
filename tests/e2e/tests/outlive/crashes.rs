//! Workers that end by themselves, or are killed.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, zombies_of};
use e2e::children;
use e2e::events::Events;
use e2e::processes::{exists, kill_9, signal};
use e2e::stack::{Stack, eventually, until_ok};
use e2e::through_worker::WorkerProcess;
use forgejo_sim::SimConfig;
use rustix::process::Signal;
use serde_json::json;

use super::{open_call, received};

/// W28: a JSON-RPC error with the call's id and the reason, not a stream that just ends.
#[tokio::test]
async fn a_worker_killed_in_the_middle_of_calls_answers_each_with_the_reason() -> Result<()> {
    let stack = Stack::start(&children::fixture("2.34.1")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let mut open = Vec::new();
    for id in [json!(10), json!("eleven"), json!(0)] {
        open.push((open_call(&mcp, &id).await?.0, id));
    }
    kill_9(worker)?;
    for (events, id) in &mut open {
        let answer = events.message().await?;
        ensure!(answer["id"] == *id, "{answer}");
        let reason = answer["error"]["message"].as_str().unwrap_or_default();
        ensure!(reason.contains("signal 9") && reason.contains("may or may not"), "{answer}");
        ensure!(events.next().await?.is_none(), "the stream goes on after its answer");
    }
    let next = WorkerProcess::of(&mcp).await.context("the next call")?.pid;
    ensure!(next != worker, "the dead worker answers");
    Ok(())
}

#[tokio::test]
async fn every_way_to_die_is_told_and_the_next_call_works() -> Result<()> {
    for habits in ["2.18.0", "2.34.1"] {
        let stack = Stack::start(&children::fixture(habits)?).await?;
        let (mcp, _, _) = stack.session("alice").await?;
        for (arguments, reason) in [
            (json!({"how": "exit", "status": 7}), "exit code 7"),
            (json!({"how": "abort"}), "signal 6"),
            (json!({"how": "half_line", "status": 3}), "exit code 3"),
        ] {
            let answer = mcp.send_call("crash", &arguments).await?;
            ensure!(answer.status == 200, "{arguments}: {} {}", answer.status, answer.body);
            let error = answer.error()?;
            ensure!(error["message"].as_str().is_some_and(|text| text.contains(reason)), "{arguments}: {error}");
            let text = mcp.call_text("get_my_user_info", &json!({})).await.with_context(|| arguments.to_string())?;
            ensure!(text.contains("alice"), "{text}");
        }
        ensure!(zombies_of(stack.broker.pid).is_empty(), "zombies are left");
    }
    Ok(())
}

/// W24: the recorded `initialize` goes to the new worker, then what the session had set.
#[tokio::test]
async fn a_new_worker_is_brought_to_where_the_old_one_was() -> Result<()> {
    let stack = Stack::start(&children::fixture("2.34.1")?.with_args(&["--subscribe"])).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    mcp.request("logging/setLevel", &json!({"level": "debug"})).await?;
    mcp.request("resources/subscribe", &json!({"uri": "fixture://note"})).await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let said: Vec<_> = received(&mcp).await?;
    kill_9(worker)?;
    eventually("the worker is gone", || !exists(worker)).await?;
    let again = received(&mcp).await?;
    let methods: Vec<_> = again.iter().filter_map(|message| message["method"].as_str()).collect();
    let expected = ["initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe", "tools/call"];
    ensure!(methods == expected, "{methods:?}");
    ensure!(again[0]["params"] == said[0]["params"], "another initialize than the client's: {}", again[0]);
    let logged = mcp.send_call("log", &json!({"level": "debug"})).await?;
    ensure!(logged.body.contains("notifications/message"), "the level was lost: {}", logged.body);
    let mut stream = Events::of(mcp.open_stream().await?)?;
    mcp.call("touch_resource", &json!({})).await?;
    let told = stream.message().await?;
    ensure!(told["method"] == "notifications/resources/updated", "the subscription was lost: {told}");
    Ok(())
}

/// Trap 9: a worker that answers nothing any more costs the calls it has, then it is replaced.
#[tokio::test]
async fn a_worker_that_hangs_is_replaced() -> Result<()> {
    let settings = Settings::default().with("CALL_DEADLINE", "1s");
    let stack = Stack::start_with(&children::fixture("2.34.1")?, SimConfig::default(), settings).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    signal(worker, Signal::STOP)?;
    let answer = mcp.send_call("echo", &json!({})).await?;
    let error = answer.error()?;
    ensure!(error["message"].as_str().is_some_and(|text| text.contains("no answer within 1 s")), "{error}");
    let next = until_ok("another worker", || async { Ok(WorkerProcess::of(&mcp).await?.pid) }).await?;
    ensure!(next != worker, "the same process");
    // The stop ladder goes to its end with a process that is stopped.
    eventually("the hanging worker is gone", || !exists(worker)).await
}

/// A worker that crashes again and again is not started for ever.
#[tokio::test]
async fn a_crash_loop_ends_in_503_with_retry_after() -> Result<()> {
    let stack = Stack::start(&children::fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let mut refused = None;
    for _ in 0..20 {
        let answer = mcp.send_call("crash", &json!({})).await?;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.context("twenty crashes in a row")?;
    ensure!(refused.status == 503 && refused.header("retry-after").is_some(), "{} {}", refused.status, refused.body);
    ensure!(refused.error()?["message"].as_str().is_some_and(|text| text.contains("crashed")), "{}", refused.body);
    // Another session of the same user is not punished for it.
    let (other, _, _) = stack.session("alice").await?;
    ensure!(!other.tools().await?.is_empty(), "another session");
    ensure!(zombies_of(stack.broker.pid).is_empty(), "zombies are left");
    Ok(())
}

/// What a worker leaves behind goes with it.
#[tokio::test]
async fn a_workers_own_children_end_with_it() -> Result<()> {
    let settings = Settings::default().with("WORKER_MAY_FORK", "true");
    let stack = Stack::start_with(&children::fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let started = mcp.call("grandchild", &json!({"seconds": 600, "keep_stdout": true})).await?;
    let grandchild = started["structuredContent"]["pid"].as_u64().context("no pid")?;
    let grandchild = u32::try_from(grandchild)?;
    ensure!(exists(grandchild), "the grandchild did not start");
    mcp.delete().await?;
    eventually("the grandchild is gone", || !exists(grandchild)).await
}

/// The stop ladder reaches a worker that ignores the end of its input and SIGTERM.
#[tokio::test]
async fn a_stubborn_worker_is_killed_in_the_end() -> Result<()> {
    let child = children::fixture("2.18.0")?.with_args(&["--ignore-sigterm", "--ignore-eof"]);
    let stack = Stack::start(&child).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    mcp.delete().await?;
    eventually("the stubborn worker is gone", || !exists(worker)).await
}
