//! Workers that are started before anybody needs them.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::{self, Child};
use e2e::mcp::Mcp;
use e2e::modern::Modern;
use e2e::processes::{exists, kill_9};
use e2e::stack::{Stack, eventually, until_ok};
use e2e::through_worker::WorkerProcess;
use forgejo_sim::SimConfig;

async fn house(child: &Child, number: usize) -> Result<Stack> {
    let settings = Settings::default().with("WARM_WORKERS", number.to_string());
    let stack = Stack::start_with(child, SimConfig::default(), settings).await?;
    eventually("the workers are there", || stack.broker.workers().len() == number).await?;
    Ok(stack)
}

/// The first one that waits is the first one taken.
#[tokio::test]
async fn the_first_session_is_served_by_a_process_that_was_there_before_its_user() -> Result<()> {
    for habits in ["2.18.0", "2.34.1"] {
        let stack = house(&children::fixture(habits)?, 1).await?;
        let waiting = stack.broker.workers();
        let (alice, _, _) = stack.session("alice").await?;
        ensure!(waiting == [WorkerProcess::of(&alice).await?.pid], "a process of its own was started");
        let text = alice.call_text("get_my_user_info", &serde_json::json!({})).await?;
        ensure!(text.contains("alice"), "{text}");
        // What alice had is not what bob gets.
        let (bob, _, _) = stack.session("bob").await?;
        ensure!(!waiting.contains(&WorkerProcess::of(&bob).await?.pid), "alice's worker serves bob");
        let text = bob.call_text("get_my_user_info", &serde_json::json!({})).await?;
        ensure!(text.contains("bob") && !text.contains("alice"), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_of_2026_07_28_is_served_by_one_too() -> Result<()> {
    let stack = house(&children::fixture("2.34.1")?, 1).await?;
    let waiting = stack.broker.workers();
    let (_, tokens) = stack.log_in("alice").await?;
    let text =
        Modern::new(&stack.broker.url, &tokens.access_token)?.call_text("environment", &serde_json::json!({})).await?;
    let process: WorkerProcess = serde_json::from_str(&text)?;
    ensure!(waiting == [process.pid], "a process of its own was started");
    Ok(())
}

/// Whoever takes a waiting worker's capability out of its process holds nothing: it is nobody's yet.
#[tokio::test]
async fn a_waiting_worker_holds_a_capability_that_opens_nothing() -> Result<()> {
    let stack = house(&children::fixture("2.34.1")?, 1).await?;
    let waiting =
        WorkerProcess { pid: *stack.broker.workers().first().context("none waits")?, variables: <_>::default() };
    // It is seen before it has become the program.
    let capability = until_ok("it runs", async || waiting.real_variable("FORGEJO_ACCESS_TOKEN")).await?;
    ensure!(capability.len() == 64, "no capability: {capability:?}");
    // Alice's worker sends it for us: only a worker reaches the gateway. The waiting one is alice's now, so wait for the next.
    let (alice, _, _) = stack.session("alice").await?;
    eventually("another one waits", || stack.broker.workers().iter().any(|pid| *pid != waiting.pid)).await?;
    let pids = stack.broker.workers();
    let next = *pids.iter().find(|pid| **pid != waiting.pid).context("none waits")?;
    let next = WorkerProcess { pid: next, variables: <_>::default() };
    let capability = until_ok("it runs", async || next.real_variable("FORGEJO_ACCESS_TOKEN")).await?;
    for path in ["/api/v1/repos/alice/hello", "/api/v1/user/repos"] {
        let request =
            e2e::through_worker::WorkerRequest::get(path).header("Authorization", format!("token {capability}"));
        let answer = request.send(&alice).await?;
        ensure!(answer.status == 401 || answer.status == 403, "{path}: {} {}", answer.status, answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn waiting_workers_that_are_killed_are_replaced_and_all_end_with_the_broker() -> Result<()> {
    let mut stack = house(&children::fixture("2.34.1")?, 2).await?;
    let first = stack.broker.workers();
    kill_9(first[0])?;
    eventually("another one waits", || {
        let now = stack.broker.workers();
        now.len() == 2 && !now.contains(&first[0])
    })
    .await?;
    let (alice, _, _) = stack.session("alice").await?;
    ensure!(!alice.tools().await?.is_empty(), "no tools");
    let all = stack.broker.workers();
    ensure!(stack.broker.terminate().await?.success(), "it did not end well");
    ensure!(all.iter().all(|pid| !exists(*pid)), "a worker is left");
    Ok(())
}

#[tokio::test]
async fn without_warm_workers_nothing_is_started_before_it_is_needed() -> Result<()> {
    let stack = house(&children::fixture("2.34.1")?, 0).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    ensure!(stack.broker.workers().is_empty(), "something was started");
    Mcp::new(&stack.broker.url, &tokens.access_token)?.initialize("2025-11-25").await?;
    ensure!(stack.broker.workers().len() == 1, "{:?}", stack.broker.workers());
    Ok(())
}
