//! Requests in the other direction (traps 3, 15, 16).

use anyhow::{Result, ensure};
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use serde_json::{Value, json};

use super::house;

async fn asks(mcp: &Mcp, id: &Value, kind: &str) -> Result<(Events, Value)> {
    let params = json!({"name": "ask", "arguments": {"kind": kind}});
    let mut events = Events::of(mcp.open_post(&request(id, "tools/call", &params)).await?)?;
    let question = events.message().await?;
    Ok((events, question))
}

async fn reply(mcp: &Mcp, id: &Value, member: &str, value: Value) -> Result<()> {
    let answer = mcp.post(&json!({"jsonrpc": "2.0", "id": id, member: value}).to_string()).await?;
    ensure!(answer.status == 202 && answer.body.is_empty(), "{} {}", answer.status, answer.body);
    Ok(())
}

/// W25, W26: the worker counts its questions from 1, as the client does its requests.
#[tokio::test]
async fn a_question_goes_to_the_client_and_its_answer_back_to_the_worker() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for (kind, method, result) in [
        (
            "sampling",
            "sampling/createMessage",
            json!({"role": "assistant", "content": {"type": "text", "text": "yes"}}),
        ),
        ("elicitation", "elicitation/create", json!({"action": "accept", "content": {"answer": "yes"}})),
        ("roots", "roots/list", json!({"roots": [{"uri": "file:///yes"}]})),
    ] {
        let (mut events, question) = asks(&alice, &json!(1), kind).await?;
        ensure!(question["method"] == method && !question["id"].is_null(), "{question}");
        reply(&alice, &question["id"], "result", result.clone()).await?;
        let answer = events.message().await?;
        ensure!(answer["id"] == 1, "{answer}");
        ensure!(answer["result"]["structuredContent"] == json!({"result": result}), "{answer}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_may_answer_a_question_with_an_error() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let (mut events, question) = asks(&alice, &json!("x"), "elicitation").await?;
    let error = json!({"code": -32042, "message": "not today"});
    reply(&alice, &question["id"], "error", error.clone()).await?;
    let answer = events.message().await?;
    ensure!(answer["result"]["structuredContent"] == json!({"error": error}), "{answer}");
    Ok(())
}

/// Trap 16: an answer belongs to the session that it was sent in.
#[tokio::test]
async fn an_answer_in_another_session_is_not_taken() -> Result<()> {
    let stack = house().await?;
    let (alice, _, tokens) = stack.session("alice").await?;
    let (bob, _, _) = stack.session("bob").await?;
    let mut other = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    other.initialize("2025-11-25").await?;
    let (mut events, question) = asks(&alice, &json!(1), "elicitation").await?;
    for stranger in [&bob, &other, &alice.without_session()] {
        reply(stranger, &question["id"], "result", json!({"action": "stolen"})).await?;
    }
    reply(&alice, &question["id"], "result", json!({"action": "mine"})).await?;
    let answer = events.message().await?.to_string();
    ensure!(answer.contains("mine") && !answer.contains("stolen"), "{answer}");
    Ok(())
}

/// Several questions at once, answered in another order, each to its own call.
#[tokio::test]
async fn answers_find_their_questions() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let mut open = Vec::new();
    let mut questions = Vec::new();
    for id in 1..=3 {
        let params = json!({"name": "ask", "arguments": {"kind": "elicitation", "params": {"message": id}}});
        let response = alice.open_post(&request(&json!(id), "tools/call", &params)).await?;
        let mut events = Events::of(response)?;
        questions.push(events.message().await?);
        open.push(events);
    }
    for question in questions.iter().rev() {
        let named = question["params"]["message"].clone();
        reply(&alice, &question["id"], "result", json!({"action": "accept", "content": {"asked": named}})).await?;
    }
    for (index, events) in open.iter_mut().enumerate() {
        let answer = events.message().await?;
        let asked = &answer["result"]["structuredContent"]["result"]["content"]["asked"];
        ensure!(answer["id"] == json!(index + 1) && *asked == json!(index + 1), "{answer}");
    }
    Ok(())
}

/// The broker is the worker's client, too: it answers a ping by itself.
#[tokio::test]
async fn a_workers_ping_is_answered_by_the_broker() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let answer = alice.send_call("ask", &json!({"kind": "ping"})).await?;
    ensure!(answer.messages()?.len() == 1, "the client was asked: {}", answer.body);
    ensure!(answer.result()?["structuredContent"] == json!({"result": {}}), "{}", answer.body);
    Ok(())
}
