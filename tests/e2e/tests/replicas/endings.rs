//! Replicas that die, stop, or are cut off: another one goes on.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::command::{Ended, run};
use e2e::events::Events;
use e2e::mcp::request;
use e2e::replicas::{LEASE_SECONDS, Replicas};
use e2e::stack::{eventually, until_ok};
use e2e::through_worker::WorkerProcess;
use rustix::process::Signal;
use serde_json::json;

use super::{house, workers_in_all};

#[tokio::test]
async fn the_sessions_of_a_killed_replica_go_on_at_another_and_their_clients_notice_nothing() -> Result<()> {
    let mut replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    owner.request("logging/setLevel", &json!({"level": "debug"})).await?;
    until_ok("the level is written", || async {
        let written = replicas.database.run("SELECT log_level FROM sessions")?;
        ensure!(written == "debug", "{written}");
        Ok(())
    })
    .await?;
    let client = replicas.at(1, &owner)?;
    WorkerProcess::of(&client).await?;
    let stream = Events::of(client.open_stream().await?)?;
    replicas.brokers[0].kill().await?;
    let killed = Instant::now();
    // Not one refusal: the request waits for the end of the lease.
    let logged = client.send_call("log", &json!({"level": "debug"})).await?;
    ensure!(logged.status == 200, "{} {}", logged.status, logged.body);
    ensure!(logged.body.contains("notifications/message"), "the level was lost: {}", logged.body);
    println!("taken over {} ms after the kill, lease {LEASE_SECONDS} s", killed.elapsed().as_millis());
    drop(stream);
    let again = Events::of(client.open_stream().await?)?;
    drop(again);
    // The one that comes back does not take it away again.
    replicas.restart(0).await?;
    let there = WorkerProcess::of(&client).await?.pid;
    ensure!(WorkerProcess::of(&replicas.at(0, &owner)?).await?.pid == there, "two workers answer for one session");
    workers_in_all(&replicas, 1).await
}

#[tokio::test]
async fn a_replica_that_is_told_to_stop_hands_its_sessions_over_at_once() -> Result<()> {
    let mut replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let client = replicas.at(1, &owner)?;
    let mut stream = Events::of(client.open_stream().await?)?;
    WorkerProcess::of(&client).await?;
    replicas.brokers[0].signal(Signal::TERM)?;
    stream.rest().await.context("the stream was cut, not ended")?;
    let text = client.call_text("get_my_user_info", &json!({})).await?;
    ensure!(text.contains("alice"), "{text}");
    ensure!(replicas.brokers[0].wait().await?.success());
    replicas.brokers[1].wait_for_line("POST").await?;
    let log = replicas.brokers[1].log();
    ensure!(!log.contains("can't be reached"), "it had to wait for the end of the lease");
    workers_in_all(&replicas, 1).await
}

/// Fencing: a replica that has slept through its lease finds that its sessions are another's.
#[tokio::test]
async fn a_replica_that_was_frozen_past_its_lease_ends_its_workers_and_serves_nothing_of_the_past() -> Result<()> {
    let replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let old = WorkerProcess::of(&owner).await?.pid;
    replicas.brokers[0].signal(Signal::STOP)?;
    let client = replicas.at(1, &owner)?;
    let new =
        until_ok("another replica serves the session", || async { Ok(WorkerProcess::of(&client).await?.pid) }).await;
    replicas.brokers[0].signal(Signal::CONT)?;
    let new = new?;
    ensure!(new != old);
    // Whatever arrives there now is answered by the one worker that there is, as soon as it has a lease again.
    let answered =
        until_ok("the frozen replica answers", || async { Ok(WorkerProcess::of(&owner).await?.pid) }).await?;
    ensure!(answered == new, "two workers answer for one session");
    eventually("the old worker ended", || !e2e::processes::exists(old)).await?;
    replicas.brokers[0].wait_for_line("has lost its lease").await?;
    replicas.brokers[0].wait_for_line("has a lease again").await?;
    let fresh = replicas.session(0, &tokens).await?;
    ensure!(fresh.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    Ok(())
}

#[tokio::test]
async fn a_restarted_replica_serves_its_own_sessions_without_waiting_for_its_earlier_lease() -> Result<()> {
    let mut replicas = house(1).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let session = replicas.session(0, &tokens).await?;
    replicas.brokers[0].kill().await?;
    replicas.restart(0).await?;
    ensure!(session.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    Ok(())
}

/// Fencing: one that can't reach the database stops before another may begin, and goes on when it can.
#[tokio::test]
async fn a_replica_that_is_cut_off_from_the_database_stops_serving_sessions_before_another_takes_them() -> Result<()> {
    let replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let old = WorkerProcess::of(&owner).await?.pid;
    let mut stream = Events::of(owner.open_stream().await?)?;
    replicas.links[0].cut();
    let client = replicas.at(1, &owner)?;
    // Until the lease is over the owner answers, over the hop as well.
    let new = until_ok("another replica serves the session", || async {
        let pid = WorkerProcess::of(&client).await?.pid;
        ensure!(pid != old, "the owner still serves it");
        Ok(pid)
    })
    .await?;
    let cut = replicas.brokers[0].log();
    ensure!(cut.contains("has lost its lease"), "the other one began before this one had stopped");
    ensure!(stream.rest().await.is_ok(), "the stream was cut, not ended");
    let refused = owner.send("ping", &json!({})).await?;
    ensure!(refused.status == 503 && refused.header("retry-after").is_some(), "{} {}", refused.status, refused.body);
    eventually("the old worker ended", || !e2e::processes::exists(old)).await?;
    let ready = reqwest::get(format!("{}/readyz", replicas.brokers[0].url)).await?;
    ensure!(ready.status() == 503, "{}", ready.status());
    replicas.links[0].mend();
    let answered = until_ok("it has a lease again", || async { Ok(WorkerProcess::of(&owner).await?.pid) }).await?;
    ensure!(answered == new, "two workers answer for one session");
    let fresh = replicas.session(0, &tokens).await?;
    ensure!(fresh.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    Ok(())
}

#[tokio::test]
async fn doctor_reaches_every_replica_and_names_the_one_that_does_not_answer() -> Result<()> {
    let mut replicas =
        Replicas::start(2, &children::fixture("2.34.1")?, &Settings::default().with("REPLICA_LEASE", "1m")).await?;
    let stdout = run(&["doctor"], &replicas.settings[0]).await?.stdout;
    let line = |check: &str, text: &str| {
        let found = text.lines().find(|line| line.contains(check)).map(str::to_owned);
        found.with_context(|| format!("no {check} in {text}"))
    };
    ensure!(line("replicas ", &stdout)?.contains("2 broker(s) hold a lease; each answers"), "{stdout}");
    ensure!(line("database-clock", &stdout)?.starts_with("ok"), "{stdout}");
    replicas.brokers[1].kill().await?;
    let Ended { code, stdout, .. } = run(&["doctor"], &replicas.settings[0]).await?;
    ensure!(code != Some(0) && line("replicas ", &stdout)?.contains(&replicas.internal[1]), "{stdout}");
    Ok(())
}

#[tokio::test]
async fn a_call_that_was_at_work_when_its_replica_died_is_answered_with_that_and_not_made_twice() -> Result<()> {
    let mut replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let owner = replicas.session(0, &tokens).await?;
    let client = replicas.at(1, &owner)?;
    let slow = request(&json!("slow"), "tools/call", &json!({"name": "slow", "arguments": {"ms": 60_000}}));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.post(&slow).await }
    });
    until_ok("the worker has the call", || async {
        let received = owner.call_text("received", &json!({})).await?;
        ensure!(received.contains("60000"), "{received}");
        Ok(())
    })
    .await?;
    replicas.brokers[0].kill().await?;
    let answer = waiting.await??;
    let error = answer.error()?;
    ensure!(answer.body.contains(r#""id":"slow""#) && error["code"] == -32000, "{}", answer.body);
    ensure!(error["message"].as_str().is_some_and(|text| text.contains("may have been carried out")), "{error}");
    ensure!(client.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    let received = client.call_text("received", &json!({})).await?;
    ensure!(!received.contains("60000"), "the call was made again: {received}");
    Ok(())
}
