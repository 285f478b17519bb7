//! Forgejo is down, slow or broken: trouble that passes, and never a logout.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::mcp::Mcp;
use e2e::processes::{exists, kill_9};
use e2e::stack::{Stack, eventually, until_ok};
use e2e::through_worker::WorkerProcess;
use forgejo_sim::{Fault, FaultRule, SimConfig};
use serde_json::json;

use super::{ensure_served, house, whoami};

const TOKEN_ENDPOINT: &str = "/login/oauth/access_token";

#[tokio::test]
async fn a_broken_forgejo_is_a_tools_error_and_never_a_401() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    for fault in [Fault::Status(500), Fault::Status(502), Fault::Status(503), Fault::Reset, Fault::DropAnswer] {
        stack.sim.add_fault(FaultRule::on("/api/", fault));
        let answer = whoami(&mcp).await?;
        ensure!(answer.status == 200 || answer.status == 503, "{fault:?}: {} {}", answer.status, answer.body);
        ensure!(answer.result().is_err(), "{fault:?}: the tool succeeded: {}", answer.body);
        stack.sim.clear_faults();
        ensure_served(&mcp, "alice").await.with_context(|| format!("after {fault:?}"))?;
    }
    client.refresh(&tokens.refresh_token).await.context("the broker's own tokens do not depend on Forgejo")?;
    Ok(())
}

#[tokio::test]
async fn a_token_endpoint_that_fails_costs_nobody_his_login() -> Result<()> {
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Reset] {
        let stack = house().await?;
        let (mcp, client, tokens) = stack.session("alice").await?;
        stack.sim.add_fault(FaultRule::on(TOKEN_ENDPOINT, fault));
        stack.sim.advance(Duration::from_hours(2));
        for _ in 0..3 {
            let answer = whoami(&mcp).await?;
            ensure!(answer.status == 200 || answer.status == 503, "{fault:?}: {} {}", answer.status, answer.body);
            ensure!(answer.result().is_err(), "{fault:?}: the tool succeeded: {}", answer.body);
        }
        // Its own tokens the broker gives without asking Forgejo.
        let renewed = client.refresh(&tokens.refresh_token).await?;
        stack.sim.clear_faults();
        let mcp = mcp.with_token(&renewed.access_token);
        until_ok("the refresh is tried again", || ensure_served(&mcp, "alice")).await?;
    }
    Ok(())
}

/// A hanging Forgejo holds nothing that does not need it.
#[tokio::test]
async fn a_forgejo_that_hangs_does_not_hold_what_does_not_need_it() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    ensure_served(&mcp, "alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    stack.sim.add_fault(FaultRule::on("/", Fault::Hang));
    let hanging = mcp.clone();
    let hanging = tokio::spawn(async move { whoami(&hanging).await });
    mcp.request("ping", &json!({})).await?;
    mcp.call("echo", &json!({})).await?;
    client.refresh(&tokens.refresh_token).await?;
    // gateway.md §2 and design.md §7: a start never depends on Forgejo.
    let mut other = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    other.initialize("2025-11-25").await.context("a new session")?;
    ensure!(!other.tools().await?.is_empty(), "tools/list");
    kill_9(worker)?;
    eventually("the worker is gone", || !exists(worker)).await?;
    ensure!(!mcp.tools().await.context("a new worker for the session")?.is_empty(), "tools/list");
    let answer = hanging.await??;
    ensure!(answer.error()?["message"].as_str().is_some_and(|text| text.contains("signal 9")), "{}", answer.body);
    stack.sim.clear_faults();
    ensure_served(&mcp, "alice").await?;
    ensure_served(&other, "alice").await
}

/// What the gateway answers to the start-up probes: the last version seen, and the user as he logged in.
#[tokio::test]
async fn every_program_starts_while_forgejo_is_down() -> Result<()> {
    let (present, _) = children::table()?;
    for child in present {
        let stack = Stack::start(&child).await?;
        let (_, tokens) = stack.log_in("alice").await?;
        stack.sim.add_fault(FaultRule::on("/", Fault::Hang));
        let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await.with_context(|| child.label.clone())?;
        ensure!(!mcp.tools().await?.is_empty(), "{}", child.label);
        stack.sim.clear_faults();
        let call = child.words.whoami("alice");
        let text = mcp.call_text(call.tool, &call.arguments).await.with_context(|| child.label.clone())?;
        ensure!(text.contains(call.expect), "{}: {text}", child.label);
    }
    Ok(())
}

/// The broker, too, comes up and serves what it can.
#[tokio::test]
async fn the_broker_starts_while_forgejo_is_down() -> Result<()> {
    let mut stack = Stack::start_with(&children::fixture("2.34.1")?, SimConfig::default(), Settings::default()).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    stack.broker.kill().await?;
    stack.sim.add_fault(FaultRule::on("/", Fault::Hang));
    stack.restart().await?;
    mcp.call("echo", &json!({})).await?;
    client.refresh(&tokens.refresh_token).await?;
    stack.sim.clear_faults();
    ensure_served(&mcp, "alice").await
}
