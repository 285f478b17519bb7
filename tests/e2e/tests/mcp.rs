//! Streamable HTTP as clients of 2025-03-26 to 2025-11-25 speak it, over real HTTP (mcp.md §3, §7.6).

mod batches;
mod hostile;
mod ids;
mod limits;
mod questions;
mod resuming;
mod sessionless;
mod sessions;
mod streams;
mod versions;

use anyhow::{Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::mcp::{Answer, Mcp};
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use serde_json::{Value, json};

/// A stack with a fixture child as worker.
async fn house() -> Result<Stack> {
    house_with(&[]).await
}

/// The same with more arguments for the child.
async fn house_with(args: &[&str]) -> Result<Stack> {
    // Whatever a tool is called, it reaches the worker here.
    let every_tool = Settings::default().with("TOOLS_READ_ONLY", "*");
    Stack::start_with(&children::fixture("2.34.1")?.with_args(args), SimConfig::default(), every_tool).await
}

/// Checks status and JSON-RPC error code, and that the error says something.
fn ensure_error(answer: &Answer, status: u16, code: i64) -> Result<String> {
    ensure!(answer.status == status, "{} {}, expected {status}", answer.status, answer.body);
    let error = answer.error()?;
    ensure!(error["code"] == code, "{error}, expected {code}");
    let message = error["message"].as_str().unwrap_or_default();
    ensure!(!message.is_empty(), "an error without text");
    Ok(message.to_owned())
}

/// The lines that the session's worker has read, or those with this method.
async fn received(mcp: &Mcp, method: Option<&str>) -> Result<Vec<String>> {
    let text = mcp.call_text("received", &method.map_or(json!({}), |method| json!({"method": method}))).await?;
    let report: Value = serde_json::from_str(&text)?;
    Ok(serde_json::from_value(report["lines"].clone())?)
}

fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}
