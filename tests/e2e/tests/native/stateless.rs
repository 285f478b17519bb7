//! A program of 2026-07-28 alone, with clients of both eras.

use anyhow::{Context as _, Result, ensure};
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use e2e::stack::Stack;
use serde_json::{Value, json};

use super::{Modern, conformance_child};

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

async fn legacy(stack: &Stack) -> Result<Mcp> {
    let (_, tokens) = stack.log_in("alice").await?;
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "e2e", "version": "1"},
    });
    let greeting = mcp.post(&request(&json!("i"), "initialize", &params)).await?;
    mcp.session = greeting.header("mcp-session-id");
    let greeting = greeting.result()?;
    ensure!(greeting["protocolVersion"] == "2025-11-25", "{greeting}");
    ensure!(greeting["serverInfo"]["name"].is_string() && greeting["capabilities"]["tools"].is_object(), "{greeting}");
    mcp.version = Some("2025-11-25".to_owned());
    mcp.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()).await?;
    Ok(mcp)
}

#[tokio::test]
async fn a_legacy_client_is_asked_on_its_calls_stream_and_answers_with_a_post() -> Result<()> {
    let stack = Stack::start(&conformance_child("modern")?).await?;
    let mcp = legacy(&stack).await?;
    let params = json!({"name": "test_input_required_result_elicitation", "arguments": {}});
    let mut events = Events::of(mcp.open_post(&request(&json!("c"), "tools/call", &params)).await?)?;
    let question = events.message().await?;
    ensure!(question["method"] == "elicitation/create", "{question}");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"name": "Alice"}}});
    ensure!(mcp.post(&answer.to_string()).await?.status == 202, "the answer was not taken");
    let done = events.message().await?;
    ensure!(done["id"] == "c" && done["result"]["content"].is_array(), "{done}");
    Ok(())
}

#[tokio::test]
async fn a_legacy_client_hears_of_changes_on_its_server_stream() -> Result<()> {
    let stack = Stack::start(&conformance_child("modern")?).await?;
    let mcp = legacy(&stack).await?;
    let mut stream = Events::of(mcp.open_stream().await?)?;
    let subscribe = json!({"uri": "test://watched-resource"});
    // The broker's own listen stands when this is answered.
    mcp.request("resources/subscribe", &subscribe).await?;
    mcp.call("test_trigger_tool_change", &json!({})).await?;
    let changed = stream.message().await?;
    ensure!(changed["method"] == "notifications/tools/list_changed", "{changed}");
    ensure!(changed["params"]["_meta"].get(SUBSCRIPTION).is_none(), "{changed}");
    mcp.call("test_trigger_resource_update", &json!({})).await?;
    let updated = stream.message().await?;
    ensure!(updated["params"]["uri"] == "test://watched-resource", "{updated}");
    mcp.request("resources/unsubscribe", &subscribe).await?;
    Ok(())
}

#[tokio::test]
async fn a_modern_client_listens_and_hears_under_its_own_id() -> Result<()> {
    let stack = Stack::start(&conformance_child("modern")?).await?;
    let modern = Modern::of(&stack, "alice").await?;
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut events = Events::of(modern.open(json!("mine"), "subscriptions/listen", filter).await?)?;
    let acknowledged = events.message().await?;
    ensure!(acknowledged["method"] == "notifications/subscriptions/acknowledged", "{acknowledged}");
    modern.call("test_trigger_tool_change", &json!({})).await?;
    let changed = events.message().await?;
    ensure!(changed["method"] == "notifications/tools/list_changed", "{changed}");
    ensure!(changed["params"]["_meta"][SUBSCRIPTION] == "mine", "{changed}");
    Ok(())
}

#[tokio::test]
async fn a_modern_clients_state_is_good_once_and_for_its_own_call() -> Result<()> {
    let stack = Stack::start(&conformance_child("modern")?).await?;
    let modern = Modern::of(&stack, "alice").await?;
    let tool = "test_input_required_result_request_state";
    let asked = modern.call(tool, &json!({})).await?;
    let state = asked["requestState"].as_str().context("no state")?;
    let key = asked["inputRequests"].as_object().and_then(|asked| asked.keys().next()).context("no question")?;
    let retry = |tool: &str| {
        json!({"name": tool, "arguments": {}, "requestState": state,
            "inputResponses": {key: {"action": "accept", "content": {"confirmed": true}}}})
    };
    let refused = |answer: Value| answer["code"] == -32602;
    let other = modern.post(json!(2), "tools/call", retry("test_simple_text")).await?;
    ensure!(refused(other.error()?), "{}", other.body);
    let result = modern.result("tools/call", retry(tool)).await?;
    ensure!(result["resultType"] == "complete", "{result}");
    let again = modern.post(json!(3), "tools/call", retry(tool)).await?;
    ensure!(refused(again.error()?), "{}", again.body);
    Ok(())
}
