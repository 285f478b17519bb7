//! The protocol version: what is negotiated and what the header may say (mcp.md §3.6, §3.7).

use anyhow::{Result, ensure};
use e2e::mcp::Mcp;
use serde_json::json;

use super::{ensure_error, house};

/// T71: the child's choice stands.
#[tokio::test]
async fn an_unknown_version_is_answered_with_one_that_is_known() -> Result<()> {
    let stack = house().await?;
    let (_, tokens) = stack.log_in("alice").await?;
    for (asked, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        let greeting = mcp.initialize(asked).await?;
        ensure!(greeting["protocolVersion"] == given, "asked for {asked}: {greeting}");
        mcp.delete().await?;
    }
    Ok(())
}

/// T61.
#[tokio::test]
async fn a_version_header_that_is_not_supported_is_400_for_every_method() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for version in ["1999-01-01", "2025-13-01", "latest", "2025-06-18, 2025-11-25"] {
        let mut wrong = alice.clone();
        wrong.version = Some(version.to_owned());
        let message = ensure_error(&wrong.send("tools/list", &json!({})).await?, 400, -32600)?;
        ensure!(message.contains("2025-11-25"), "the error does not say what is supported: {message}");
        ensure!(wrong.open_stream().await?.status() == 400, "GET {version}");
    }
    ensure!(!alice.tools().await?.is_empty(), "the session was harmed");
    Ok(())
}

/// T60, trap 29: absent, or another legacy revision than was negotiated.
#[tokio::test]
async fn no_header_and_another_legacy_version_are_fine_in_a_session() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for version in [None, Some("2025-03-26"), Some("2025-06-18")] {
        let mut other = alice.clone();
        other.version = version.map(str::to_owned);
        ensure!(!other.tools().await?.is_empty(), "{version:?}");
    }
    Ok(())
}

/// T78, and whatever the worker is busy with.
#[tokio::test]
async fn ping_is_answered_with_an_empty_result() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    ensure!(alice.request("ping", &json!({})).await? == json!({}), "ping");
    Ok(())
}

/// T10: nothing comes back for what asks nothing.
#[tokio::test]
async fn a_notification_is_accepted_with_an_empty_202() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for body in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "never"}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled"}),
        json!({"jsonrpc": "2.0", "method": "notifications/unheard_of", "params": {"a": [1]}}),
        json!({"jsonrpc": "2.0", "id": 4711, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "nobody", "error": {"code": -1, "message": "no"}}),
    ] {
        let answer = alice.post(&body.to_string()).await?;
        ensure!(answer.status == 202 && answer.body.is_empty(), "{body}: {} {}", answer.status, answer.body);
    }
    Ok(())
}
