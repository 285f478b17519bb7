//! What a worker holds in place of a token: good at the gateway only, and only while it lives (gateway.md §2).

use anyhow::{Result, ensure};
use e2e::mcp::Mcp;
use e2e::processes::{exists, kill_9};
use e2e::stack::eventually;
use e2e::through_worker::{WorkerProcess, WorkerRequest};

use super::Intruder;

const TOKEN_VARIABLE: &str = "FORGEJO_ACCESS_TOKEN";

#[tokio::test]
async fn nothing_but_a_living_workers_capability_opens_the_gateway() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let (_, _, tokens) = alice.stack.session("alice").await?;
    let user = || WorkerRequest::get("/api/v1/user");
    let mut attempts = vec![
        user().without_token(),
        user().header("Authorization", format!("token {}", "0".repeat(64))),
        user().header("Authorization", "token "),
        user().header("Authorization", "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ="),
        user().header("Authorization", format!("Bearer {}", tokens.access_token)),
        user().header("Authorization", format!("Bearer {}", tokens.refresh_token)),
        // A good token of Forgejo's own.
        user().header("Authorization", alice.direct.clone()),
    ];
    attempts.extend(
        alice
            .stack
            .sim
            .issued_secrets()
            .iter()
            .map(|secret| user().header("Authorization", format!("token {}", secret.value))),
    );
    for attempt in attempts {
        alice.refused(&attempt, 401).await?;
    }
    Ok(())
}

#[tokio::test]
async fn every_worker_has_a_capability_of_its_own_that_means_nothing_to_forgejo() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let (other, _, _) = alice.stack.session("bob").await?;
    let (first, second) = (capability(&alice.worker).await?, capability(&other).await?);
    ensure!(first != second && first.len() == 64 && second.len() == 64, "two workers share a capability");
    for sent in [format!("token {first}"), format!("Bearer {first}")] {
        let answer = WorkerRequest::get("/api/v1/user").send_to(alice.forgejo(), &sent).await?;
        ensure!(answer.status == 401, "Forgejo takes a capability: {}", answer.status);
    }
    // Each is the user that its worker belongs to, and stays it after the other has logged in.
    for (worker, login) in [(&alice.worker, "alice"), (&other, "bob")] {
        let answer = WorkerRequest::get("/api/v1/user").send(worker).await?;
        ensure!(answer.json()?["login"] == login, "{login}: {}", answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_capability_is_not_shown_to_the_client() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let capability = capability(&alice.worker).await?;
    let shown = WorkerProcess::of(&alice.worker).await?;
    ensure!(shown.variables[TOKEN_VARIABLE] == "[redacted]", "the client sees {}", shown.variables[TOKEN_VARIABLE]);
    let echoed = alice.worker.send_call("echo", &serde_json::json!({"token": capability})).await?;
    ensure!(!echoed.body.contains(&capability), "an echo shows it");
    ensure!(!alice.stack.broker.log().contains(&capability), "the log shows it");
    Ok(())
}

#[tokio::test]
async fn a_capability_ends_with_its_worker() -> Result<()> {
    let alice = Intruder::is("alice").await?;
    let (killed, _, _) = alice.stack.session("bob").await?;
    let (deleted, _, _) = alice.stack.session("bob").await?;
    let (revoked, client, tokens) = alice.stack.session("bob").await?;
    let capabilities = [capability(&killed).await?, capability(&deleted).await?, capability(&revoked).await?];
    let attempts = capabilities
        .map(|capability| WorkerRequest::get("/api/v1/user").header("Authorization", format!("token {capability}")));
    for attempt in &attempts {
        let answer = attempt.send(&alice.worker).await?;
        ensure!(answer.status == 200, "a living worker's capability: {}", answer.status);
    }
    let pids = [
        WorkerProcess::of(&killed).await?.pid,
        WorkerProcess::of(&deleted).await?.pid,
        WorkerProcess::of(&revoked).await?.pid,
    ];
    kill_9(pids[0])?;
    deleted.delete().await?;
    client.revoke(&tokens.refresh_token).await?;
    eventually("the workers are gone", || pids.iter().all(|pid| !exists(*pid))).await?;
    for attempt in &attempts {
        alice.refused(attempt, 401).await?;
    }
    Ok(())
}

async fn capability(worker: &Mcp) -> Result<String> {
    WorkerProcess::of(worker).await?.real_variable(TOKEN_VARIABLE)
}
