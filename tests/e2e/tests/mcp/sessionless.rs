//! Requests without a session id: served, because clients that do not echo the id are real (design.md §6).

use anyhow::{Result, ensure};
use e2e::through_worker::WorkerProcess;
use serde_json::json;

use super::{ensure_error, house, notification};

#[tokio::test]
async fn requests_without_a_session_are_served_on_a_worker_that_the_broker_initialized() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let bare = alice.without_session();
    ensure!(!bare.tools().await?.is_empty(), "tools/list");
    let text = bare.call_text("get_my_user_info", &json!({})).await?;
    ensure!(text.contains("alice"), "{text}");
    let (in_session, shared) = (WorkerProcess::of(&alice).await?.pid, WorkerProcess::of(&bare).await?.pid);
    ensure!(in_session != shared, "the session's worker serves requests that have none");
    ensure!(WorkerProcess::of(&bare).await?.pid == shared, "a worker for each request");
    Ok(())
}

#[tokio::test]
async fn two_users_without_sessions_do_not_meet() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let (bob, _, _) = stack.session("bob").await?;
    let mut pids = Vec::new();
    for (mcp, login, other) in [(&alice, "alice", "bob"), (&bob, "bob", "alice")] {
        let bare = mcp.without_session();
        let text = bare.call_text("get_my_user_info", &json!({})).await?;
        ensure!(text.contains(login) && !text.contains(other), "{text}");
        pids.push(WorkerProcess::of(&bare).await?.pid);
    }
    ensure!(pids[0] != pids[1], "trap 28: one worker for two users");
    Ok(())
}

/// Traps 10 and 12: what would change a worker that others use too is not done.
#[tokio::test]
async fn what_needs_a_session_is_answered_without_one() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let bare = alice.without_session();
    for method in ["notifications/initialized", "notifications/roots/list_changed", "notifications/cancelled"] {
        let answer = bare.post(&notification(method, &json!({"requestId": 1}))).await?;
        ensure!(answer.status == 202 && answer.body.is_empty(), "{method}: {} {}", answer.status, answer.body);
    }
    ensure!(bare.request("ping", &json!({})).await? == json!({}), "ping");
    ensure!(bare.request("logging/setLevel", &json!({"level": "debug"})).await? == json!({}), "setLevel");
    let logged = bare.call_text("log", &json!({"level": "info"})).await?;
    ensure!(logged.contains("\"sent\":false"), "setLevel had an effect: {logged}");
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let answer = bare.send(method, &json!({"uri": "fixture://note"})).await?;
        ensure_error(&answer, 200, -32601)?;
    }
    ensure!(bare.open_stream().await?.status() == 405, "GET");
    ensure!(bare.delete().await? == 400, "DELETE");
    Ok(())
}

/// Nobody can tell whom the worker means.
#[tokio::test]
async fn a_question_of_the_shared_worker_is_refused_to_it_at_once() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for kind in ["sampling", "elicitation", "roots"] {
        let text = alice.without_session().call_text("ask", &json!({"kind": kind})).await?;
        ensure!(text.contains("-32601"), "{kind}: {text}");
    }
    Ok(())
}

/// Trap 1: conversations on one worker may use the same ids.
#[tokio::test]
async fn two_conversations_without_sessions_may_use_the_same_ids() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let bare = alice.without_session();
    let body = |word: &str| {
        let params = json!({"name": "echo", "arguments": {"word": word}});
        e2e::mcp::request(&json!(1), "tools/call", &params)
    };
    let (first, second) =
        tokio::try_join!(async { bare.post(&body("one")).await }, async { bare.post(&body("two")).await },)?;
    ensure!(first.result()?["structuredContent"]["word"] == "one", "{}", first.body);
    ensure!(second.result()?["structuredContent"]["word"] == "two", "{}", second.body);
    Ok(())
}
