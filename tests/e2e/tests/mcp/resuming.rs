//! Streams taken up again after a lost connection (T40–T45).

use anyhow::{Context as _, Result, ensure};
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use serde_json::json;

use super::house;

/// T42: what came meanwhile comes once.
#[tokio::test]
async fn the_server_stream_goes_on_after_the_last_event_that_was_read() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let mut stream = Events::of(alice.open_stream().await?)?;
    for kind in ["tools", "prompts", "resources"] {
        changes(&alice, kind).await?;
    }
    let last = loop {
        let event = stream.next().await?.context("the stream ended")?;
        if event.data.contains("tools/list_changed") {
            break event.id.context("an event without id")?;
        }
    };
    // What came after it is lost, whether or not it was sent.
    drop(stream);
    let mut resumed = Events::of(alice.resume_stream(Some(&last)).await?)?;
    for kind in ["prompts", "resources"] {
        let told = resumed.message().await?;
        ensure!(told["method"] == format!("notifications/{kind}/list_changed"), "{told}, expected {kind}");
    }
    Ok(())
}

/// T45: the rest of a POST's stream comes by GET. T25, trap 7: the lost connection cancelled nothing.
#[tokio::test]
async fn a_call_whose_connection_broke_is_answered_by_get() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let params = json!({"name": "ask", "arguments": {"kind": "elicitation"}});
    let mut events = Events::of(alice.open_post(&request(&json!("cut"), "tools/call", &params)).await?)?;
    let (last, question) = loop {
        let event = events.next().await?.context("the stream ended")?;
        if !event.data.is_empty() {
            let question: serde_json::Value = serde_json::from_str(&event.data)?;
            break (event.id.context("an event without id")?, question);
        }
    };
    drop(events);
    let reply =
        json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"answer": "yes"}}});
    ensure!(alice.post(&reply.to_string()).await?.status == 202, "the reply was not taken");
    let mut resumed = Events::of(alice.resume_stream(Some(&last)).await?)?;
    let messages = resumed.rest().await?;
    ensure!(messages.len() == 1 && messages[0]["id"] == "cut", "{messages:?}");
    ensure!(messages[0]["result"].to_string().contains("yes"), "{messages:?}");
    // It has been read: coming back for more is told so, and not with an empty stream that a client would try for ever.
    ensure!(alice.resume_stream(Some("gone-9-9")).await?.status() == 405, "an unknown event");
    Ok(())
}

/// T43 and T54: another session's events are not to be had.
#[tokio::test]
async fn events_of_another_session_are_not_replayed() -> Result<()> {
    let stack = house().await?;
    let (alice, _, tokens) = stack.session("alice").await?;
    let mut other = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    other.initialize("2025-11-25").await?;
    let mut stream = Events::of(alice.open_stream().await?)?;
    changes(&alice, "tools").await?;
    let first = loop {
        let event = stream.next().await?.context("the stream ended")?;
        if !event.data.is_empty() {
            break event.id.context("an event without id")?;
        }
    };
    changes(&alice, "prompts").await?;
    let mut stolen = Events::of(other.resume_stream(Some(&first)).await?)?;
    changes(&other, "resources").await?;
    let told = stolen.message().await?;
    ensure!(told["method"] == "notifications/resources/list_changed", "{told}");
    Ok(())
}

/// T44: only a client that knows what to do with it is sent an event that has nothing but an id.
#[tokio::test]
async fn only_2025_11_25_clients_are_primed() -> Result<()> {
    let stack = house().await?;
    let (_, tokens) = stack.log_in("alice").await?;
    for (version, primed) in [("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)] {
        let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        mcp.initialize(version).await?;
        let mut stream = Events::of(mcp.open_stream().await?)?;
        changes(&mcp, "tools").await?;
        let first = stream.next().await?.context("the stream ended")?;
        ensure!(first.data.is_empty() == primed, "{version}: {first:?}");
        ensure!(first.id.is_some(), "{version}: {first:?}");
    }
    Ok(())
}

async fn changes(mcp: &Mcp, kind: &str) -> Result<()> {
    mcp.call("list_changed", &json!({"kind": kind})).await.map(drop)
}
