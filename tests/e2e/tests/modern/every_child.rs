use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::children::{self, Child};
use e2e::stack::Stack;
use serde_json::{Value, json};

use super::client;

#[tokio::test]
async fn every_child_that_is_present_serves_a_modern_client() -> Result<()> {
    let (present, absent) = children::table()?;
    for child in &present {
        serves(child).await.with_context(|| child.label.clone())?;
        writeln!(std::io::stderr().lock(), "{} serves a client of 2026-07-28", child.label)?;
    }
    for child in &absent {
        writeln!(std::io::stderr().lock(), "{}: skipped: {}", child.label, child.reason)?;
    }
    Ok(())
}

async fn serves(child: &Child) -> Result<()> {
    let stack = Stack::start(child).await?;
    let alice = client(&stack, "alice").await?;
    let discovered = alice.request("server/discover", &json!({})).await?;
    ensure!(discovered["supportedVersions"] == json!(["2026-07-28"]), "{discovered}");
    ensure!(discovered["capabilities"]["tools"].is_object(), "{discovered}");
    ensure!(discovered["capabilities"].get("tasks").is_none(), "{discovered}");
    let info = &discovered["_meta"]["io.modelcontextprotocol/serverInfo"];
    ensure!(info["name"].is_string() && info["version"].is_string(), "{discovered}");
    let listed = alice.request("tools/list", &json!({})).await?;
    ensure!(listed["cacheScope"] == "private" && listed["ttlMs"].is_u64(), "no caching hints");
    let tools: Vec<&Value> = listed["tools"].as_array().context("no tools")?.iter().collect();
    let words = child.words;
    for call in words.reading() {
        ensure!(tools.iter().any(|tool| tool["name"] == call.tool), "no {}", call.tool);
        let result = alice.call(call.tool, &call.arguments).await.with_context(|| call.tool)?;
        ensure!(result["resultType"] == "complete", "{result}");
        ensure!(result.to_string().contains(call.expect), "{}: no {:?} in {result}", call.tool, call.expect);
    }
    let answer = alice.send("ping", &json!({})).await?;
    ensure!(answer.status == 404 && answer.error()?["code"] == -32601, "ping: {} {}", answer.status, answer.body);
    // All of it on one worker.
    ensure!(stack.broker.workers().len() == 1, "{:?}", stack.broker.workers());
    Ok(())
}
