//! Sessions: whose they are, what they outlast, how they end (mcp.md §3.5).

use anyhow::{Result, ensure};
use e2e::browser::{Browser, Person};
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use e2e::oauth_client::OAuthClient;
use e2e::processes::exists;
use e2e::stack::eventually;
use e2e::through_worker::WorkerProcess;
use serde_json::json;

use super::{ensure_error, house};

/// T53, W20: 404 and never 410, because only 404 makes clients initialize again.
#[tokio::test]
async fn a_session_that_is_not_there_is_404_for_every_method() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for id in ["never-issued", "00000000-0000-0000-0000-000000000000", "%", &"x".repeat(2000)] {
        let mut lost = alice.clone();
        lost.session = Some(id.to_owned());
        ensure_error(&lost.send("tools/list", &json!({})).await?, 404, -32001)?;
        ensure_error(
            &lost.post(&json!({"jsonrpc": "2.0", "method": "notifications/x"}).to_string()).await?,
            404,
            -32001,
        )?;
        ensure!(lost.open_stream().await?.status() == 404, "GET {id}");
        ensure!(lost.delete().await? == 404, "DELETE {id}");
    }
    Ok(())
}

/// T54: the same answer as for an unknown one.
#[tokio::test]
async fn a_session_is_not_there_for_another_user_or_client() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let (_, bob) = stack.log_in("bob").await?;
    let other_client = OAuthClient::register(&stack.broker.url, "another client").await?;
    let other_client = other_client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    for stranger in [alice.with_token(&bob.access_token), alice.with_token(&other_client.access_token)] {
        let mut lost = stranger.clone();
        lost.session = Some("never-issued".to_owned());
        let (foreign, unknown) = (stranger.send("ping", &json!({})).await?, lost.send("ping", &json!({})).await?);
        ensure_error(&foreign, 404, -32001)?;
        ensure!(foreign.error()? == unknown.error()?, "a stranger learns that the session exists: {}", foreign.body);
        ensure!(stranger.open_stream().await?.status() == 404, "GET");
        ensure!(stranger.delete().await? == 404, "DELETE");
    }
    ensure!(!alice.tools().await?.is_empty(), "the owner's session was harmed");
    Ok(())
}

/// W21.
#[tokio::test]
async fn a_session_goes_on_after_its_clients_token_refresh() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let before = WorkerProcess::of(&mcp).await?.pid;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    ensure!(renewed.access_token != tokens.access_token, "not rotated");
    let mcp = mcp.with_token(&renewed.access_token);
    ensure!(WorkerProcess::of(&mcp).await?.pid == before, "the worker was replaced");
    Ok(())
}

/// design.md §6: bound to user and client; a newer grant of theirs takes the session along.
#[tokio::test]
async fn a_session_moves_to_the_newer_grant_of_its_user_and_client() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, old) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    let new = client.log_in(&Browser::new()?, &Person::named("alice").read_only()).await?;
    let mcp = mcp.with_token(&new.access_token);
    ensure!(WorkerProcess::of(&mcp).await?.pid == worker, "the worker was replaced");
    // It now has the newer grant's rights, and nothing of the older one's.
    let write = mcp.send_call("create_issue", &json!({"owner": "alice", "repo": "hello", "title": "no"})).await?;
    ensure!(write.body.contains("read-only"), "the session kept the older grant's rights: {}", write.body);
    client.revoke(&old.refresh_token).await?;
    ensure!(WorkerProcess::of(&mcp).await?.pid == worker, "the older grant's end ended the session");
    client.revoke(&new.refresh_token).await?;
    eventually("the worker ends with its grant", || !exists(worker)).await?;
    Ok(())
}

#[tokio::test]
async fn delete_ends_the_session_and_its_worker() -> Result<()> {
    let stack = house().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let worker = WorkerProcess::of(&mcp).await?.pid;
    ensure!(mcp.delete().await? == 204, "DELETE");
    eventually("the worker is gone", || !exists(worker)).await?;
    ensure_error(&mcp.send("ping", &json!({})).await?, 404, -32001)?;
    ensure!(mcp.open_stream().await?.status() == 404, "GET after DELETE");
    ensure!(mcp.delete().await? == 404, "DELETE after DELETE");
    Ok(())
}

/// A call that is open when its session is deleted is answered, not left hanging.
#[tokio::test]
async fn delete_answers_the_call_that_is_open() -> Result<()> {
    let stack = house().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let call = request(&json!(77), "tools/call", &json!({"name": "ask", "arguments": {"kind": "roots"}}));
    let mut events = Events::of(mcp.open_post(&call).await?)?;
    ensure!(events.message().await?["method"] == "roots/list", "the call has not begun");
    ensure!(mcp.delete().await? == 204, "DELETE");
    let last = events.message().await?;
    ensure!(last["id"] == 77 && last["error"]["message"].is_string(), "{last}");
    Ok(())
}

/// T50, T51: each `initialize` begins another session, even with the header of one.
#[tokio::test]
async fn every_initialize_begins_another_session_with_an_id_that_cannot_be_guessed() -> Result<()> {
    let stack = house().await?;
    let (first, _, _) = stack.session("alice").await?;
    let mut second = first.clone();
    second.initialize("2025-06-18").await?;
    let ids = [&first, &second].map(|mcp| mcp.session.clone().unwrap_or_default());
    ensure!(ids[0] != ids[1], "the same id twice");
    for id in &ids {
        ensure!(id.len() >= 32 && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{id}");
    }
    ensure!(WorkerProcess::of(&first).await?.pid != WorkerProcess::of(&second).await?.pid, "one worker for two");
    Ok(())
}

/// Two connections of one user, each with its own worker and its own rights.
#[tokio::test]
async fn two_clients_of_one_user_do_not_share_a_worker() -> Result<()> {
    let stack = house().await?;
    let (writing, _, _) = stack.session("alice").await?;
    let reader = OAuthClient::register(&stack.broker.url, "reader").await?;
    let tokens = reader.log_in(&Browser::new()?, &Person::named("alice").read_only()).await?;
    let mut reading = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    reading.initialize("2025-11-25").await?;
    let issue = json!({"owner": "alice", "repo": "hello", "title": "by the one that writes"});
    ensure!(reading.send_call("create_issue", &issue).await?.body.contains("read-only"), "the reader wrote");
    writing.call("create_issue", &issue).await?;
    Ok(())
}
