//! `/readyz`: what a user's call needs, looked at every few seconds.

use anyhow::{Result, ensure};
use e2e::broker::http_client;
use e2e::children::fixture;
use e2e::stack::{Stack, until_ok};
use forgejo_sim::{Fault, FaultRule};
use reqwest::StatusCode;
use serde_json::Value;

async fn ready(stack: &Stack) -> Result<(StatusCode, Value)> {
    let response = http_client()?.get(format!("{}/readyz", stack.broker.url)).send().await?;
    ensure!(response.headers()["cache-control"] == "no-store");
    Ok((response.status(), response.json().await?))
}

#[tokio::test]
async fn with_everything_there_it_is_ready_and_alive_without_forgejo() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (status, body) = ready(&stack).await?;
    ensure!(status == StatusCode::OK && body["status"] == "ready", "{body}");
    for part in ["store", "key", "forgejo", "worker"] {
        ensure!(body[part] == "ok", "{part} in {body}");
    }
    stack.sim.add_fault(FaultRule::on("/api/v1/version", Fault::Status(502)));
    until_ok("Forgejo is missed", || async {
        let (status, body) = ready(&stack).await?;
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE && body["forgejo"] == "Forgejo does not answer", "{body}");
        ensure!(body["store"] == "ok" && body["worker"] == "ok", "{body}");
        Ok(())
    })
    .await?;
    let alive = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
    ensure!(alive.status() == StatusCode::OK, "a process that lives must not be restarted for Forgejo");
    Ok(())
}

#[tokio::test]
async fn many_askers_cost_forgejo_one_request() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let before = stack.sim.requests_to("/api/v1/version").len();
    let asked: Vec<_> = (0..30).map(|_| ready(&stack)).collect();
    for answer in futures_util::future::join_all(asked).await {
        ensure!(answer?.0 == StatusCode::OK);
    }
    let asked = stack.sim.requests_to("/api/v1/version").len() - before;
    // More than one only if the machine is so slow that the first look is out of date.
    ensure!(asked <= 4, "Forgejo was asked {asked} times");
    Ok(())
}

#[tokio::test]
async fn a_worker_program_that_has_gone_is_told_without_its_path() -> Result<()> {
    let mut child = fixture("2.18.0")?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("worker");
    std::fs::copy(&child.command, &copy)?;
    child.command.clone_from(&copy);
    let stack = Stack::start(&child).await?;
    std::fs::remove_file(&copy)?;
    until_ok("the program is missed", || async {
        let (status, body) = ready(&stack).await?;
        ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{body}");
        ensure!(body["worker"] == "the worker program cannot be executed", "{body}");
        Ok(())
    })
    .await?;
    stack.broker.wait_for_line(&copy.display().to_string()).await?;
    Ok(())
}
