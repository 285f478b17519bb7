//! A session whose requests arrive at any replica.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use e2e::replicas::Replicas;
use e2e::stack::until_ok;
use e2e::through_worker::WorkerProcess;
use serde_json::json;

use super::{house, workers_in_all};

#[tokio::test]
async fn a_login_changes_replica_at_each_step_and_its_tokens_are_good_everywhere() -> Result<()> {
    let replicas = house(3).await?;
    let (client, tokens) = replicas.log_in("alice").await?;
    for index in 0..3 {
        let text = replicas.session(index, &tokens).await?.call_text("get_my_user_info", &json!({})).await?;
        ensure!(text.contains("alice"), "{text}");
        let text = replicas.modern(index, &tokens)?.call_text("get_my_user_info", &json!({})).await?;
        ensure!(text.contains("alice"), "{text}");
    }
    let renewed = client.refresh(&tokens.refresh_token).await?;
    replicas.session(0, &renewed).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_is_served_by_one_worker_wherever_its_requests_arrive() -> Result<()> {
    let replicas = house(3).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let worker = WorkerProcess::of(&owner).await?.pid;
    for index in [1, 2, 0, 1] {
        let client = replicas.at(index, &owner)?;
        ensure!(WorkerProcess::of(&client).await?.pid == worker, "another worker answered at replica {index}");
        // With something before the answer, as an event stream.
        client.request("logging/setLevel", &json!({"level": "debug"})).await?;
        let logged = client.send_call("log", &json!({"level": "debug"})).await?;
        ensure!(logged.body.contains("notifications/message"), "{}", logged.body);
        // A notification and an answer to a question that nobody asked.
        let note = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
        ensure!(client.post(note).await?.status == 202);
        ensure!(client.post(r#"{"jsonrpc":"2.0","id":77,"result":{}}"#).await?.status == 202);
    }
    workers_in_all(&replicas, 1).await?;
    ensure!(replicas.at(2, &owner)?.delete().await? == 204, "DELETE over a hop");
    for index in 0..3 {
        let gone = replicas.at(index, &owner)?.send("ping", &json!({})).await?;
        ensure!(gone.status == 404, "{index}: {} {}", gone.status, gone.body);
    }
    workers_in_all(&replicas, 0).await
}

#[tokio::test]
async fn streams_and_progress_pass_through_a_hop_as_they_come() -> Result<()> {
    let replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let client = replicas.at(1, &owner)?;
    let mut stream = Events::of(client.open_stream().await?)?;
    let params =
        json!({"name": "progress", "arguments": {"n": 2, "interval_ms": 300}, "_meta": {"progressToken": "p"}});
    let mut call = Events::of(client.open_post(&request(&json!("slow"), "tools/call", &params)).await?)?;
    let first = call.message().await?;
    ensure!(first["method"] == "notifications/progress" && first["params"]["progressToken"] == "p", "{first}");
    ensure!(call.message().await?["params"]["progress"] == 2);
    ensure!(call.message().await?["id"] == "slow");
    // The change is told on the stream, which runs over the other replica.
    owner.call("list_changed", &json!({"kind": "tools", "add": "another"})).await?;
    let event = loop {
        let event = stream.next().await?.context("the stream ended")?;
        if event.data.contains("notifications/tools/list_changed") {
            break event.id.context("no id")?;
        }
    };
    // A client that comes back with the last event that it has seen gets what it has missed.
    owner.call("list_changed", &json!({"kind": "tools", "add": "third"})).await?;
    drop(stream);
    let mut resumed = Events::of(client.resume_stream(Some(&event)).await?)?;
    ensure!(resumed.message().await?["method"] == "notifications/tools/list_changed");
    Ok(())
}

#[tokio::test]
async fn a_read_only_connection_and_a_cancelled_call_are_what_they_are_without_a_hop() -> Result<()> {
    let replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let client = replicas.at(1, &owner)?;
    let params =
        json!({"name": "progress", "arguments": {"n": 600, "interval_ms": 100}, "_meta": {"progressToken": 1}});
    let mut call = Events::of(client.open_post(&request(&json!("slow"), "tools/call", &params)).await?)?;
    call.message().await?;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}});
    ensure!(replicas.at(0, &owner)?.post(&note.to_string()).await?.status == 202);
    call.rest().await?;
    let text = client.call_text("get_my_user_info", &json!({})).await?;
    ensure!(text.contains("alice"), "{text}");
    // Somebody else's token does not open the session, at whichever replica.
    let (_, bobs) = replicas.log_in("bob").await?;
    for index in 0..2 {
        let stolen = replicas.at(index, &owner)?.with_token(&bobs.access_token);
        ensure!(stolen.send("ping", &json!({})).await?.status == 404, "replica {index}");
    }
    Ok(())
}

#[tokio::test]
async fn a_revocation_ends_the_worker_at_the_owner() -> Result<()> {
    let replicas = house(2).await?;
    let (client, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    WorkerProcess::of(&replicas.at(1, &owner)?).await?;
    let mut at_the_other = client.clone();
    at_the_other.issuer.clone_from(&replicas.brokers[1].url);
    at_the_other.revoke(&tokens.refresh_token).await?;
    workers_in_all(&replicas, 0).await?;
    for index in 0..2 {
        until_ok("the token is refused", || async {
            let status = replicas.at(index, &owner)?.send("ping", &json!({})).await?.status;
            ensure!(status == 401, "{status}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// The limit of a user holds over all brokers: busy workers elsewhere count, idle ones make room.
#[tokio::test]
async fn a_users_workers_at_all_replicas_count_against_his_limit() -> Result<()> {
    let more = Settings::default().with("MAX_SESSIONS_PER_USER", "2");
    let replicas = Replicas::start(2, &children::fixture("2.34.1")?, &more).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let (one, two) = (replicas.session(0, &tokens).await?, replicas.session(0, &tokens).await?);
    let params =
        json!({"name": "progress", "arguments": {"n": 3000, "interval_ms": 100}, "_meta": {"progressToken": 1}});
    let mut busy = Vec::new();
    for session in [&one, &two] {
        let mut call = Events::of(session.open_post(&request(&json!("slow"), "tools/call", &params)).await?)?;
        call.message().await?;
        busy.push(call);
    }
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}});
    let third = Mcp::new(&replicas.brokers[1].url, &tokens.access_token)?;
    until_ok("the other replica has heard of them", || async {
        let answer = third.post(&initialize.to_string()).await?;
        ensure!(answer.status == 429, "{} {}", answer.status, answer.body);
        Ok(())
    })
    .await?;
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}});
    ensure!(one.post(&note.to_string()).await?.status == 202);
    until_ok("there is room again", || replicas.session(1, &tokens)).await?;
    // The idle one has made room, and comes back when it is needed.
    until_ok("no more than two workers", || async {
        let workers = replicas.workers();
        ensure!(workers.iter().sum::<usize>() == 2, "{workers:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn every_child_is_served_over_a_hop_and_goes_on_elsewhere() -> Result<()> {
    let (present, absent) = children::table()?;
    for child in &present {
        let mut replicas = Replicas::start(2, child, &Settings::default()).await?;
        let (_, tokens) = replicas.log_in("alice").await?;
        let owner = replicas.session(0, &tokens).await.with_context(|| child.label.clone())?;
        let tools = owner.tools().await?;
        let client = replicas.at(1, &owner)?;
        ensure!(client.tools().await? == tools, "{}: another list over the hop", child.label);
        replicas.brokers[0].kill().await?;
        ensure!(client.tools().await.with_context(|| child.label.clone())? == tools, "{}: another list", child.label);
    }
    for absent in absent {
        println!("not here: {absent:?}");
    }
    Ok(())
}
