use anyhow::{Result, ensure};
use e2e::modern::{Modern, read};
use serde_json::{Value, json};

use super::house;

async fn refused(alice: &Modern, message: &Value, more: &[(&str, &[u8])], code: i64) -> Result<()> {
    let answer = read(alice.open(message, more).await?).await?;
    ensure!(answer.status == 400 && answer.error()?["code"] == code, "{more:?}: {} {}", answer.status, answer.body);
    // Trap 25.
    ensure!(answer.messages()?[0]["id"] == message["id"], "{}", answer.body);
    Ok(())
}

#[tokio::test]
async fn trap_27_a_header_that_is_there_twice_or_says_something_else_is_refused() -> Result<()> {
    let (_stack, alice) = house().await?;
    let call = alice.message("tools/call", &json!({"name": "echo", "arguments": {}}));
    for more in [
        [("mcp-method", &b"tools/list"[..])],
        [("mcp-method", b"tools/call")],
        [("mcp-name", b"other")],
        [("mcp-name", b"\xff")],
        [("mcp-protocol-version", b"2025-11-25")],
    ] {
        refused(&alice, &call, &more, -32020).await?;
    }
    let answer = read(alice.open(&call, &[("mcp-param-unasked", b"x"), ("mcp-session-id", b"gone")]).await?).await?;
    ensure!(answer.status == 200 && answer.header("mcp-session-id").is_none(), "{} {}", answer.status, answer.body);
    let name = alice.message("tools/call", &json!({"name": 5}));
    let answer = read(alice.open(&name, &[]).await?).await?;
    // Trap 30: the worker's own words.
    ensure!(answer.status == 200 && answer.error()?["code"] != -32020, "{} {}", answer.status, answer.body);
    Ok(())
}

#[tokio::test]
async fn a_probe_without_a_token_gets_401_and_one_with_a_bad_revision_is_told_the_good_one() -> Result<()> {
    let (_stack, alice) = house().await?;
    let mut probe = alice.message("server/discover", &json!({}));
    let answer = alice.bare(&probe).send().await?;
    ensure!(answer.status() == 401 && answer.headers().contains_key("www-authenticate"), "{}", answer.status());
    probe["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    refused(&alice, &probe, &[], -32020).await?;
    let meta = &mut probe["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta.as_object_mut().map(|meta| meta.remove("io.modelcontextprotocol/clientCapabilities"));
    refused(&alice, &probe, &[], -32602).await?;
    Ok(())
}
