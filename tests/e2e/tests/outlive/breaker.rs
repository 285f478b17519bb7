//! What must not keep workers from starting: nothing that happens upstream is the program's fault.

use anyhow::{Context as _, Result, ensure};
use e2e::children;
use e2e::mcp::Mcp;
use e2e::stack::{Stack, until_ok};
use forgejo_sim::{Fault, FaultRule};
use serde_json::json;

/// More than trips the breaker, which takes two.
const STARTS: usize = 6;

/// Nothing is warm: every session has to start a process.
async fn house(habits: &str) -> Result<Stack> {
    Stack::start(&children::fixture(habits)?).await
}

async fn begin(stack: &Stack, token: &str) -> Result<Mcp> {
    let mut mcp = Mcp::new(&stack.broker.url, token)?;
    mcp.initialize("2025-11-25").await?;
    Ok(mcp)
}

/// Both releases ask Forgejo something before they read a word; the gateway answers in its place.
#[tokio::test]
async fn a_forgejo_that_is_away_keeps_no_worker_from_starting() -> Result<()> {
    for habits in ["2.18.0", "2.34.1"] {
        for fault in [Fault::Reset, Fault::Status(503), Fault::Hang] {
            let stack = house(habits).await?;
            let (_, tokens) = stack.log_in("alice").await?;
            stack.sim.add_fault(FaultRule::on("/", fault));
            let mut sessions = Vec::new();
            for number in 0..STARTS {
                let session = begin(&stack, &tokens.access_token).await;
                sessions.push(session.with_context(|| format!("{habits}, {fault:?}, session {number}"))?);
            }
            stack.sim.clear_faults();
            for session in &sessions {
                let text =
                    until_ok("the session", || async { session.call_text("get_my_user_info", &json!({})).await })
                        .await?;
                ensure!(text.contains("alice"), "{text}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_dead_credential_keeps_no_worker_of_anybody_from_starting() -> Result<()> {
    let stack = house("2.18.0").await?;
    let (mcp, _, alices) = stack.session("alice").await?;
    let (_, bobs) = stack.log_in("bob").await?;
    let client_id = stack.client_id().context("no application")?;
    ensure!(stack.sim.revoke_grant("alice", &client_id), "there was no grant");
    stack.sim.advance(std::time::Duration::from_hours(2));
    let dead = until_ok("alice has to log in again", || async {
        let answer = mcp.send_call("get_my_user_info", &json!({})).await?;
        ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
        Ok(answer)
    });
    dead.await?;
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}});
    for _ in 0..STARTS {
        let answer = Mcp::new(&stack.broker.url, &alices.access_token)?.send("initialize", &params).await?;
        ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
        begin(&stack, &bobs.access_token).await.context("bob")?;
    }
    Ok(())
}
