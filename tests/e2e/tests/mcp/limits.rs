//! Caps on sessions with a worker (design.md §6; W35).

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use e2e::processes::exists;
use e2e::stack::{Stack, eventually};
use e2e::through_worker::WorkerProcess;
use forgejo_sim::SimConfig;
use serde_json::json;

async fn house(setting: &str, number: &str) -> Result<Stack> {
    let settings = Settings::default().with(setting, number);
    Stack::start_with(&children::fixture("2.34.1")?, SimConfig::default(), settings).await
}

async fn session(stack: &Stack, token: &str) -> Result<Mcp> {
    let mut mcp = Mcp::new(&stack.broker.url, token)?;
    mcp.initialize("2025-11-25").await?;
    Ok(mcp)
}

/// A call that goes on until its question is answered.
async fn busy(mcp: &Mcp) -> Result<Events> {
    let params = json!({"name": "ask", "arguments": {"kind": "elicitation", "timeout_ms": 600_000}});
    let mut events = Events::of(mcp.open_post(&request(&json!("busy"), "tools/call", &params)).await?)?;
    events.message().await?;
    Ok(events)
}

#[tokio::test]
async fn a_user_with_too_many_sessions_has_the_longest_idle_one_put_to_sleep() -> Result<()> {
    let stack = house("MAX_SESSIONS_PER_USER", "2").await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let (first, second) = (session(&stack, &tokens.access_token).await?, session(&stack, &tokens.access_token).await?);
    let (bob, _, _) = stack.session("bob").await?;
    let bobs = WorkerProcess::of(&bob).await?.pid;
    let (oldest, newer) = (WorkerProcess::of(&first).await?.pid, WorkerProcess::of(&second).await?.pid);
    let third = session(&stack, &tokens.access_token).await?;
    eventually("the longest idle worker is stopped", || !exists(oldest)).await?;
    ensure!(exists(newer) && exists(bobs), "another worker was stopped");
    // All three sessions go on; whichever sleeps is woken.
    for (name, mcp) in [("first", &first), ("second", &second), ("third", &third), ("first", &first)] {
        WorkerProcess::of(mcp).await.with_context(|| format!("the {name} session"))?;
    }
    ensure!(exists(bobs), "another user's worker was stopped for it");
    Ok(())
}

#[tokio::test]
async fn a_user_whose_workers_are_all_busy_is_told_to_come_back() -> Result<()> {
    let stack = house("MAX_SESSIONS_PER_USER", "1").await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let first = session(&stack, &tokens.access_token).await?;
    let open = busy(&first).await?;
    let mut refused = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    let initialize =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}});
    let answer = refused.send("initialize", &initialize).await?;
    super::ensure_error(&answer, 429, -32000)?;
    ensure!(answer.header("retry-after").is_some(), "no Retry-After: {:?}", answer.headers);
    // Somebody else is not concerned, and neither is the client once its call has ended.
    stack.session("bob").await?;
    drop(open);
    first.delete().await?;
    refused.initialize("2025-11-25").await?;
    Ok(())
}

#[tokio::test]
async fn a_full_house_is_503_with_retry_after() -> Result<()> {
    let stack = house("MAX_SESSIONS", "1").await?;
    let (alice, _, _) = stack.session("alice").await?;
    let open = busy(&alice).await?;
    let (_, tokens) = stack.log_in("bob").await?;
    let mut bob = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    let initialize =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}});
    let answer = bob.send("initialize", &initialize).await?;
    super::ensure_error(&answer, 503, -32000)?;
    ensure!(answer.header("retry-after").is_some(), "no Retry-After: {:?}", answer.headers);
    drop(open);
    alice.delete().await?;
    bob.initialize("2025-11-25").await?;
    Ok(())
}
