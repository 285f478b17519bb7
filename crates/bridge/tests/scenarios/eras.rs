//! What a program speaks is found with processes that are used for nothing else, once per version of the program.

use bridge::profile::WorkerEra;
use serde_json::{Value, json};

use crate::house::{Client, House, Puppet, body, call, discovery, initialize, refusal, soon};

const UNKNOWN_METHOD: i64 = -32601;

fn auto() -> House {
    House::of_era(WorkerEra::Auto, |_| {})
}

async fn declines(worker: &mut Puppet, code: i64) {
    let request = worker.next().await;
    worker.say(json!({"jsonrpc":"2.0","id":request["id"],"error":{"code":code,"message":"no"}})).await;
}

/// Serves one `initialize` with a worker of the legacy era.
async fn legacy_session(house: &House, client: &Client) -> Puppet {
    let reply = client.start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    worker.greet().await;
    assert!(soon(reply).await.expect("post").session_id.is_some());
    worker
}

#[tokio::test(start_paused = true)]
async fn a_program_that_knows_no_discover_is_legacy_and_asked_only_once() {
    let house = auto();
    let client = house.client("alice");
    let reply = client.start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    declines(&mut probe, UNKNOWN_METHOD).await;
    probe.stopped().await;
    let mut worker = house.worker().await;
    worker.greet().await;
    assert!(soon(reply).await.expect("post").session_id.is_some());
    legacy_session(&house, &house.client("bob")).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_assigned_to_nobody_and_serves_nobody() {
    let house = auto();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    declines(&mut probe, UNKNOWN_METHOD).await;
    let mut worker = house.worker().await;
    worker.greet().await;
    soon(reply).await.expect("post");
    let accesses = house.issuer.accesses.lock().expect("lock");
    assert_eq!(accesses.len(), 2);
    assert!(accesses[0].assigned.lock().expect("lock").is_empty());
    assert_ne!(probe.request.token, worker.request.token);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_exits_at_the_question_is_legacy() {
    let house = auto();
    let client = house.client("alice");
    let reply = client.start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    probe.expect("server/discover").await;
    probe.exit(1);
    let mut worker = house.worker().await;
    worker.greet().await;
    assert!(soon(reply).await.expect("post").session_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_program_that_says_nothing_is_legacy_for_now_and_asked_again_later() {
    let house = auto();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    probe.expect("server/discover").await;
    let mut worker = house.worker().await;
    worker.greet().await;
    soon(reply).await.expect("post");
    legacy_session(&house, &house.client("alice")).await;
    tokio::time::advance(std::time::Duration::from_mins(6)).await;
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    declines(&mut probe, UNKNOWN_METHOD).await;
    let mut worker = house.worker().await;
    worker.greet().await;
    soon(reply).await.expect("post");
}

#[tokio::test(start_paused = true)]
async fn a_program_of_both_eras_keeps_the_handshake_for_sessions() {
    let house = auto();
    let reply = house.client("alice").start(initialize("2025-06-18"));
    let mut probe = house.worker().await;
    probe.discovered().await;
    let mut second = house.worker().await;
    second.greet().await;
    second.stopped().await;
    let mut worker = house.worker().await;
    let params = worker.greet().await;
    assert_eq!(params["clientInfo"]["name"], "test");
    assert!(soon(reply).await.expect("post").session_id.is_some());
    // The worker that a grant shares is driven in the newer era.
    let reply = house.client("alice").start(call(1, "x"));
    let mut shared = house.worker().await;
    shared.discovered().await;
    let request = shared.expect("tools/call").await;
    shared.answer(&request, json!({"content":[]})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({"content":[]}));
}

#[tokio::test(start_paused = true)]
async fn a_new_version_of_the_program_is_asked_anew() {
    let house = auto();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    declines(&mut probe, UNKNOWN_METHOD).await;
    let mut worker = house.worker().await;
    worker.greet().await;
    soon(reply).await.expect("post");
    house.upgrade();
    let mut client = house.client("alice");
    let reply = client.start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    probe.discovered().await;
    let mut second = house.worker().await;
    declines(&mut second, -32022).await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    let reply = soon(reply).await.expect("post");
    client.session.clone_from(&reply.session_id);
    assert_eq!(body(reply)["result"]["serverInfo"]["name"], "modern puppet");
}

#[tokio::test(start_paused = true)]
async fn many_first_callers_wait_for_one_question() {
    let house = auto();
    let replies: Vec<_> = (0..8).map(|number| house.client("alice").start(call(number, "x"))).collect();
    let mut probe = house.worker().await;
    probe.discovered().await;
    let mut second = house.worker().await;
    declines(&mut second, UNKNOWN_METHOD).await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    for _ in 0..replies.len() {
        let request = worker.expect("tools/call").await;
        worker.answer(&request, json!({})).await;
    }
    for reply in replies {
        assert_eq!(soon(reply).await.expect("post").status, 200);
    }
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn a_program_said_to_be_modern_that_is_not_is_refused_with_a_word_to_the_operator() {
    let house = House::of_era(WorkerEra::Modern, |_| {});
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    declines(&mut probe, UNKNOWN_METHOD).await;
    let reply = soon(reply).await.expect("post");
    assert_eq!(reply.status, 503);
    let text = body(reply)["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("worker-era"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_program_of_another_stateless_revision_is_tried_with_the_handshake() {
    let house = auto();
    let mut other: Value = discovery();
    other["supportedVersions"] = json!(["2027-01-01"]);
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    let request = probe.expect("server/discover").await;
    probe.answer(&request, other).await;
    let mut second = house.worker().await;
    second.greet().await;
    let mut worker = house.worker().await;
    worker.greet().await;
    assert!(soon(reply).await.expect("post").session_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_program_that_can_not_be_started_is_no_verdict() {
    let house = auto();
    let error = bridge::process::SpawnError::Program { program: "worker".to_owned(), reason: "not there".to_owned() };
    house.fail_next_start(error);
    assert_eq!(refusal(house.client("alice").post(initialize("2025-11-25")).await).0, 503);
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut probe = house.worker().await;
    declines(&mut probe, UNKNOWN_METHOD).await;
    let mut worker = house.worker().await;
    worker.greet().await;
    assert!(soon(reply).await.expect("post").session_id.is_some());
}
