//! Batches, which only 2025-03-26 has (T13–T15, trap 18).

use anyhow::{Context as _, Result, ensure};
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use serde_json::{Value, json};

use super::{ensure_error, house, received};

async fn session(stack: &Stack, version: &str) -> Result<Mcp> {
    let (_, tokens) = stack.log_in("alice").await?;
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize(version).await?;
    // In this revision there is no header.
    mcp.version = mcp.version.filter(|version| version != "2025-03-26");
    Ok(mcp)
}

fn echo(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo", "arguments": {"of": id}}})
}

#[tokio::test]
async fn every_request_of_a_batch_is_answered_under_its_own_id() -> Result<()> {
    let stack = house().await?;
    let mcp = session(&stack, "2025-03-26").await?;
    let ids = [json!(1), json!("1"), json!("two"), json!(0)];
    let mut batch: Vec<Value> = ids.iter().map(echo).collect();
    batch.push(json!({"jsonrpc": "2.0", "method": "notifications/from_the_batch"}));
    batch.push(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}));
    batch.push(json!({"jsonrpc": "2.0", "id": "none", "method": "no/such/method"}));
    let answer = mcp.post(&Value::from(batch).to_string()).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let answers: Vec<Value> = serde_json::from_str(&answer.body).context("not an array")?;
    ensure!(answers.len() == 6, "{} answers: {}", answers.len(), answer.body);
    let of = |id: &Value| answers.iter().find(|answer| answer["id"] == *id).with_context(|| format!("no answer {id}"));
    for id in &ids {
        ensure!(of(id)?["result"]["structuredContent"]["of"] == *id, "{}", of(id)?);
    }
    ensure!(of(&json!("p"))?["result"] == json!({}), "ping");
    ensure!(of(&json!("none"))?["error"]["code"] == -32601, "{}", of(&json!("none"))?);
    ensure!(received(&mcp, Some("notifications/from_the_batch")).await?.len() == 1, "the notification was lost");
    Ok(())
}

#[tokio::test]
async fn a_batch_that_asks_nothing_is_accepted() -> Result<()> {
    let stack = house().await?;
    let mcp = session(&stack, "2025-03-26").await?;
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/x"});
    let answer = mcp.post(&json!([notification, {"jsonrpc": "2.0", "id": 9, "result": {}}]).to_string()).await?;
    ensure!(answer.status == 202 && answer.body.is_empty(), "{} {}", answer.status, answer.body);
    Ok(())
}

#[tokio::test]
async fn an_empty_batch_and_one_with_initialize_or_a_bad_message_are_refused_whole() -> Result<()> {
    let stack = house().await?;
    let mcp = session(&stack, "2025-03-26").await?;
    let initialize =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}});
    let mark = json!({"jsonrpc": "2.0", "method": "notifications/of_a_refused_batch"});
    for batch in
        [json!([]), json!([mark, initialize]), json!([mark, 1]), json!([mark, echo(&json!(null))]), json!([[mark]])]
    {
        ensure_error(&mcp.post(&batch.to_string()).await?, 400, -32600)?;
    }
    ensure!(received(&mcp, Some("notifications/of_a_refused_batch")).await?.is_empty(), "a part reached the worker");
    Ok(())
}

#[tokio::test]
async fn a_later_revision_has_no_batches() -> Result<()> {
    let stack = house().await?;
    for version in ["2025-06-18", "2025-11-25"] {
        let mcp = session(&stack, version).await?;
        ensure_error(&mcp.post(&json!([echo(&json!(1))]).to_string()).await?, 400, -32600)?;
    }
    Ok(())
}
