//! How the broker ends: asked to, urged to, and killed.

use anyhow::{Context as _, Result};
use e2e::broker::{Settings, is_alive};
use e2e::children::fixture;
use e2e::mcp::request;
use e2e::stack::{Stack, eventually};
use forgejo_sim::{Fault, FaultRule, SimConfig};
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::json;

#[tokio::test]
async fn told_to_stop_it_ends_streams_and_workers_and_itself_with_code_0() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let mut stack = Stack::start(&fixture("2.18.0")?).await?;
        let (mcp, _, _) = stack.session("alice").await?;
        let mut stream = mcp.open_stream().await?;
        assert_eq!(stream.status(), StatusCode::OK);
        let workers = stack.broker.workers();
        assert_eq!(workers.len(), 1);

        stack.broker.signal(signal)?;
        // A stream that ends properly is closed by its last chunk; one that is cut is an error.
        while stream.chunk().await?.is_some() {}
        let status = stack.broker.wait().await?;
        assert_eq!(status.code(), Some(0), "{}", stack.broker.log());
        assert!(!is_alive(workers[0]));
    }
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() -> Result<()> {
    let settings = Settings::default().with("SHUTDOWN_GRACE", "10m");
    let mut stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    stack.sim.add_fault(FaultRule::on("/api/v1/user", Fault::Hang));
    let call = fixture("2.18.0")?.words.whoami("alice");
    let workers = stack.broker.workers();
    let answer = tokio::spawn(async move { mcp.call_text(call.tool, &call.arguments).await });
    let asked = || !stack.sim.requests_to("/api/v1/user").is_empty();
    eventually("Forgejo has been asked", asked).await?;

    stack.broker.signal(Signal::TERM)?;
    stack.broker.wait_for_line("\"stopping\"").await?;
    stack.broker.signal(Signal::TERM)?;
    let status = stack.broker.wait().await?;
    assert_eq!(status.code(), Some(1), "{}", stack.broker.log());
    stack.broker.wait_for_line("second signal").await?;
    assert!(answer.await?.is_err());
    eventually("no worker is left", || !workers.iter().any(|pid| is_alive(*pid))).await?;
    Ok(())
}

#[tokio::test]
async fn killed_it_leaves_no_worker_behind_and_comes_back_with_its_sessions() -> Result<()> {
    // issue: workers die with the broker, also on SIGKILL; design §2: a session outlives everything
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let (_other, _, _) = stack.session("bob").await?;
    let workers = stack.broker.workers();
    assert_eq!(workers.len(), 2);
    stack.broker.kill().await?;
    eventually("no worker is left", || !workers.iter().any(|pid| is_alive(*pid))).await?;

    stack.restart().await?;
    let answer = mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.result()?["tools"].as_array().context("no tools")?;
    Ok(())
}
