use std::time::Duration;

use bridge::reply::ReplyBody;
use serde_json::{Value, json};

use crate::house::{Client, Events, House, body, call, initialize, refusal, soon};

#[tokio::test(start_paused = true)]
async fn the_end_of_a_grant_ends_its_sessions_workers_streams_and_records() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let (bob, mut bobs) = house.session_of("bob", "2025-11-25").await;
    let (_asleep, asleep) = house.session("2025-11-25").await;
    let stream = client.stream().await;
    let shared = Client { session: None, ..client.clone() };
    let shared_call = shared.start(call(1, "x"));
    let mut shared_worker = house.worker().await;
    shared_worker.greet().await;
    shared_worker.expect("notifications/initialized").await;
    shared_worker.expect("tools/call").await;
    let running = client.start(call(1, "slow"));
    worker.expect("tools/call").await;
    house.bridge.end_grant("grant of alice").await;
    for reply in [running, shared_call] {
        let error = body(soon(reply).await.expect("post"))["error"]["message"].to_string();
        assert!(error.contains("revoked"), "{error}");
    }
    assert_eq!(stream.rest().await, Vec::<Value>::new());
    worker.stopped().await;
    asleep.stopped().await;
    shared_worker.stopped().await;
    assert_eq!(&*house.store.only().user, "bob");
    // A request that was let in just before begins nothing any more.
    for late in [call(2, "x"), initialize("2025-11-25")] {
        assert_eq!(client.post(&late).await.status, 404);
        assert_eq!(shared.post(&late).await.status, 404);
    }
    let reply = bob.start(call(1, "x"));
    let request = bobs.expect("tools/call").await;
    bobs.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_ends_while_its_worker_starts_gets_no_session() {
    let house = House::new();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    let request = worker.expect("initialize").await;
    house.bridge.end_grant("grant of alice").await;
    worker.answer(&request, json!({"protocolVersion":"2025-11-25","capabilities":{}})).await;
    assert_eq!(soon(reply).await.expect("post").status, 404);
    assert!(house.store.records.lock().expect("lock").is_empty());
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_credential_makes_unanswered_calls_401_and_tells_open_streams() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let mut stream = client.stream().await;
    let begun = client.start(call(1, "slow"));
    worker.expect("tools/call").await;
    let mut events = Events::of(soon(begun).await.expect("post"));
    let waiting = client.start(call(2, "x"));
    worker.expect("tools/call").await;
    house.bridge.log_in_again("alice");
    let reply = soon(waiting).await.expect("post");
    assert!(reply.status == 401 && matches!(reply.body, ReplyBody::LogInAgain));
    for error in [events.data().await, stream.data().await] {
        assert!(error["error"]["message"].to_string().contains("log in again"), "{error}");
    }
    assert_eq!((events.frame().await, stream.frame().await), (None, None));
    for _ in 0..2 {
        worker.expect("notifications/cancelled").await;
    }
    // The session is still there for the time after the login, and so is its stream.
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})).await;
    assert_eq!(client.stream().await.data().await["method"], "notifications/tools/list_changed");
}

#[tokio::test(start_paused = true)]
async fn a_dead_credential_reaches_calls_that_wait_for_a_worker_too() {
    let house = House::new();
    let (client, worker) = house.session("2025-11-25").await;
    worker.stopped().await;
    let waiting = client.start(call(1, "x"));
    let mut worker = house.worker().await;
    let request = worker.expect("initialize").await;
    house.bridge.log_in_again("alice");
    assert_eq!(soon(waiting).await.expect("post").status, 401);
    worker.answer(&request, json!({"protocolVersion":"2025-11-25","capabilities":{}})).await;
    worker.expect("notifications/initialized").await;
    worker.heard().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_worker_that_never_starts() {
    let house = House::new();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    worker.expect("initialize").await;
    let begun = tokio::time::Instant::now();
    soon(house.bridge.drain(Duration::from_secs(8))).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(soon(reply).await.expect("post").status, 503);
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_calls_finish_ends_streams_and_workers_and_begins_nothing_new() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let (bob, idle) = house.session_of("bob", "2025-11-25").await;
    let stream = client.stream().await;
    let running = client.start(call(1, "slow"));
    let request = worker.expect("tools/call").await;
    let bridge = house.bridge.clone();
    let drain = tokio::spawn(async move { bridge.drain(Duration::from_secs(10)).await });
    idle.stopped().await;
    assert_eq!(stream.rest().await, Vec::<Value>::new());
    for reply in [client.post(call(2, "x")).await, bob.post(initialize("2025-11-25")).await] {
        assert_eq!((reply.status, reply.retry_after), (503, Some(5)));
    }
    worker.answer(&request, json!({"finished":true})).await;
    assert_eq!(body(soon(running).await.expect("post"))["result"]["finished"], true);
    soon(drain).await.expect("drain");
    worker.stopped().await;
    assert_eq!(house.bridge.figures().workers, 0);
    assert_eq!(house.store.records.lock().expect("lock").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_ever() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let running = client.start(call(1, "endless"));
    worker.expect("tools/call").await;
    let begun = tokio::time::Instant::now();
    soon(house.bridge.drain(Duration::from_secs(4))).await;
    assert!(begun.elapsed() <= Duration::from_secs(4));
    let error = body(soon(running).await.expect("post"));
    assert!(error["error"]["message"].to_string().contains("shutting down"), "{error}");
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn delete_ends_a_session_with_its_calls_streams_and_record() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let stream = client.stream().await;
    let running = client.start(call(1, "slow"));
    worker.expect("tools/call").await;
    assert_eq!(client.delete().await.status, 204);
    assert_eq!(refusal(soon(running).await.expect("post")), (200, -32000));
    assert_eq!(stream.rest().await, Vec::<Value>::new());
    worker.stopped().await;
    assert!(house.store.records.lock().expect("lock").is_empty());
    // T53: ended, so that the client initializes again.
    assert_eq!(client.delete().await.status, 404);
    assert_eq!(client.get(None).await.status, 404);
    assert_eq!(client.post(call(1, "x")).await.status, 404);
    assert_eq!(client.post(json!({"jsonrpc":"2.0","method":"notifications/x"})).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn when_the_last_handle_is_gone_the_workers_end() {
    let house = House::new();
    let (client, worker) = house.session("2025-11-25").await;
    drop(client);
    let House { bridge, .. } = house;
    drop(bridge);
    worker.stopped().await;
}
