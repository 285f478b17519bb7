//! Programs of both eras: each client is served in its own.

use std::io::Write as _;

use anyhow::{Result, ensure};
use e2e::children;
use e2e::processes::{exists, kill_9};
use e2e::stack::{Stack, eventually};
use serde_json::json;

use super::{Modern, conformance_child};

#[tokio::test]
async fn forgejo_mcp_rs_serves_both_eras_at_once_each_in_its_own() -> Result<()> {
    let (present, _) = children::table()?;
    let Some(child) = present.into_iter().find(|child| child.profile == "forgejo-mcp-rs") else {
        writeln!(std::io::stderr().lock(), "forgejo-mcp-rs: skipped: not there")?;
        return Ok(());
    };
    let stack = Stack::start(&child).await?;
    let modern = Modern::of(&stack, "alice").await?;
    let discovered = modern.result("server/discover", json!({})).await?;
    ensure!(discovered["supportedVersions"] == json!(["2026-07-28"]), "{discovered}");
    ensure!(discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string(), "{discovered}");
    let listed = modern.result("tools/list", json!({})).await?;
    ensure!(listed["tools"].as_array().is_some_and(|tools| tools.len() > 20), "{listed}");
    ensure!(listed["cacheScope"] == "private" && listed["ttlMs"].is_u64(), "no hints");
    for call in child.words.reading() {
        let result = modern.call(call.tool, &call.arguments).await?;
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        ensure!(text.contains(call.expect), "{}: no {:?} in {result}", call.tool, call.expect);
    }
    // Its tools that write want a window to be opened first, which the profile sees to in either era.
    let write = child.words.create_issue("made natively");
    let written = modern.call(write.tool, &write.arguments).await?;
    ensure!(written["isError"] != true, "{written}");

    let (session, _, _) = stack.session("alice").await?;
    ensure!(session.version.as_deref() == Some("2025-11-25"), "{:?}", session.version);
    let whoami = child.words.whoami("alice");
    ensure!(session.call_text(whoami.tool, &whoami.arguments).await?.contains("alice"), "not alice");
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_of_2026_07_28_is_replaced_and_the_client_notices_nothing() -> Result<()> {
    let stack = Stack::start(&conformance_child("both")?).await?;
    let modern = Modern::of(&stack, "alice").await?;
    modern.call("test_simple_text", &json!({})).await?;
    let workers = stack.broker.workers();
    ensure!(workers.len() == 1, "{workers:?}: processes that only said what they speak are left");
    kill_9(workers[0])?;
    eventually("the killed worker is gone", || !exists(workers[0])).await?;
    modern.call("test_simple_text", &json!({})).await?;
    Ok(())
}
