//! JSON or events on a POST; the one server stream; cancellation (mcp.md §3.3, §3.4, T76).

use anyhow::{Result, ensure};
use e2e::events::Events;
use e2e::mcp::request;
use serde_json::{Value, json};

use super::{house, house_with, notification, received};

/// Trap 17: decided late.
#[tokio::test]
async fn an_answer_that_comes_alone_is_plain_json_and_one_that_does_not_is_a_stream() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let alone = alice.send_call("echo", &json!({})).await?;
    ensure!(alone.header("content-type").as_deref() == Some("application/json"), "{:?}", alone.headers);
    alice.request("logging/setLevel", &json!({"level": "debug"})).await?;
    let logged = alice.send_call("log", &json!({"level": "info", "data": {"n": 1}})).await?;
    ensure!(logged.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")), "{logged:?}");
    ensure!(logged.header("x-accel-buffering").as_deref() == Some("no"), "T26: {:?}", logged.headers);
    ensure!(logged.header("cache-control").as_deref() == Some("no-store"), "{:?}", logged.headers);
    let messages = logged.messages()?;
    ensure!(messages.len() == 2 && messages[0]["method"] == "notifications/message", "{messages:?}");
    ensure!(messages[0]["params"]["data"] == json!({"n": 1}) && messages[1]["result"].is_object(), "{messages:?}");
    Ok(())
}

/// T32: to one stream, and not to the call that happened to be running.
#[tokio::test]
async fn a_changed_list_is_told_on_the_server_stream() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let mut stream = Events::of(alice.open_stream().await?)?;
    let answer = alice.send_call("list_changed", &json!({"kind": "tools", "add": "brand_new"})).await?;
    ensure!(answer.messages()?.len() == 1, "the call's own answer carries it, too: {}", answer.body);
    let told = stream.message().await?;
    ensure!(told["method"] == "notifications/tools/list_changed", "{told}");
    ensure!(alice.tools().await?.iter().any(|tool| tool == "brand_new"), "the list has not changed");
    Ok(())
}

/// Design: the newer stream takes over, the older ends, nothing is told twice.
#[tokio::test]
async fn a_second_server_stream_takes_over() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let mut first = Events::of(alice.open_stream().await?)?;
    let mut second = Events::of(alice.open_stream().await?)?;
    ensure!(first.rest().await?.is_empty(), "the first stream was told something");
    alice.call("list_changed", &json!({"kind": "tools"})).await?;
    ensure!(second.message().await?["method"] == "notifications/tools/list_changed", "the second is mute");
    Ok(())
}

/// A subscribed resource is told about on the server stream, and only while it is subscribed to.
#[tokio::test]
async fn a_subscribed_resource_is_told_about() -> Result<()> {
    let stack = house_with(&["--subscribe"]).await?;
    let (alice, _, _) = stack.session("alice").await?;
    let mut stream = Events::of(alice.open_stream().await?)?;
    let uri = json!({"uri": "fixture://note"});
    alice.request("resources/subscribe", &uri).await?;
    alice.call("touch_resource", &json!({})).await?;
    let told = stream.message().await?;
    ensure!(told["method"] == "notifications/resources/updated" && told["params"] == uri, "{told}");
    alice.request("resources/unsubscribe", &uri).await?;
    alice.call("touch_resource", &json!({})).await?;
    alice.call("list_changed", &json!({"kind": "tools"})).await?;
    ensure!(stream.message().await?["method"] == "notifications/tools/list_changed", "told after unsubscribing");
    Ok(())
}

/// Traps 6 and 8: the client's id is translated, no result follows, and the id can be used again.
#[tokio::test]
async fn a_cancelled_call_is_cancelled_in_the_worker_and_gets_no_result() -> Result<()> {
    let stack = house_with(&["--obey-cancel"]).await?;
    let (alice, _, _) = stack.session("alice").await?;
    let call = |arguments: Value| request(&json!("c"), "tools/call", &json!({"name": "slow", "arguments": arguments}));
    let slow = call(json!({"ms": 600_000}));
    let open = alice.post(&slow);
    let cancelled = async {
        while received(&alice, Some("tools/call")).await?.iter().all(|line| !line.contains("600000")) {}
        let cancel = notification("notifications/cancelled", &json!({"requestId": "c", "reason": "changed my mind"}));
        ensure!(alice.post(&cancel).await?.status == 202, "not accepted");
        Ok(())
    };
    let (answer, ()) = tokio::try_join!(open, cancelled)?;
    // T76. Only a stream that can be resumed, which a slow answer becomes, ends with an error in place of an answer.
    ensure!(answer.status == 200 && answer.result().is_err(), "{} {}", answer.status, answer.body);
    let lines = received(&alice, Some("notifications/cancelled")).await?;
    let sent: Value = serde_json::from_str(lines.first().map_or("null", String::as_str))?;
    ensure!(sent["params"]["reason"] == "changed my mind" && sent["params"]["requestId"].is_number(), "{lines:?}");
    alice.post(&call(json!({"ms": 1}))).await?.result()?;
    Ok(())
}

/// T21: a stream ends with its answer.
#[tokio::test]
async fn a_stream_ends_after_its_answer() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let params = json!({"name": "progress", "arguments": {"n": 2}, "_meta": {"progressToken": 1}});
    let mut events = Events::of(alice.open_post(&request(&json!(1), "tools/call", &params)).await?)?;
    let messages = events.rest().await?;
    ensure!(messages.len() == 3 && messages[2]["id"] == 1, "{messages:?}");
    Ok(())
}
