//! A session outlives everything: its worker, its idleness, the broker (design.md §2, §7; W24, W28).

mod breaker;
mod broker;
mod crashes;
mod idle;
mod starts;
mod warm;

use anyhow::Result;
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use serde_json::{Value, json};

/// A call that is open until its question is answered, and the question's id.
async fn open_call(mcp: &Mcp, id: &Value) -> Result<(Events, Value)> {
    let params = json!({"name": "ask", "arguments": {"kind": "elicitation", "timeout_ms": 600_000}});
    let mut events = Events::of(mcp.open_post(&request(id, "tools/call", &params)).await?)?;
    let question = events.message().await?["id"].clone();
    Ok((events, question))
}

/// What the session's worker has read.
async fn received(mcp: &Mcp) -> Result<Vec<Value>> {
    let text = mcp.call_text("received", &json!({})).await?;
    let report: Value = serde_json::from_str(&text)?;
    let lines: Vec<String> = serde_json::from_value(report["lines"].clone())?;
    lines.iter().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
