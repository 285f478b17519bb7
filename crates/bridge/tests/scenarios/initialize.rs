use serde_json::json;

use crate::house::{GATEWAY, House, body, call, initialize, principal, soon};

#[tokio::test(start_paused = true)]
async fn a_session_begins_lists_tools_and_ends() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let listed = client.start(json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}));
    let request = worker.expect("tools/list").await;
    worker.answer(&request, json!({"tools":[{"name":"get_issue"}]})).await;
    let answer = body(soon(listed).await.expect("post"));
    assert_eq!(answer, json!({"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"get_issue"}]}}));
    assert_eq!(client.delete().await.status, 204);
    worker.stopped().await;
    assert_eq!(client.post(call(2, "x")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn initialize_params_reach_the_worker_and_the_store_byte_for_byte() {
    let house = House::new();
    let params = r#"{"protocolVersion":"2025-06-18","capabilities":{"x-new":{"n":12345678901234567890123}},"clientInfo":{"version":"1","name":"é"}}"#;
    let reply =
        house.client("alice").start(format!(r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{params}}}"#));
    let mut worker = house.worker().await;
    let line = worker.line().await.expect("a line");
    assert!(line.contains(params), "{line}");
    worker.say(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26","capabilities":{}}}"#).await;
    let reply = soon(reply).await.expect("post");
    assert!(
        reply
            .session_id
            .as_ref()
            .is_some_and(|id| id.len() >= 32 && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)))
    );
    // Trap 29: what the worker chose is passed on and remembered.
    assert_eq!(body(reply)["result"]["protocolVersion"], "2025-03-26");
    let record = house.store.only();
    assert_eq!(
        (record.protocol_version.as_str(), &*record.initialize, record.initialized),
        ("2025-03-26", params.as_bytes(), false)
    );
}

#[tokio::test(start_paused = true)]
async fn the_worker_gets_the_gateway_and_a_capability_bound_to_the_grant() {
    let house = House::new();
    let (_client, worker) = house.session("2025-11-25").await;
    assert_eq!((worker.request.url.as_str(), worker.request.token.as_str()), (GATEWAY, "capability-0"));
    let access = house.issuer.accesses.lock().expect("lock")[0].clone();
    assert!(access.assigned.lock().expect("lock").iter().all(|who| *who == principal("alice")));
    assert_eq!(access.ready.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_declines_initialize_makes_no_session() {
    let house = House::new();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    let request = worker.expect("initialize").await;
    worker.say(json!({"jsonrpc":"2.0","id":request["id"],"error":{"code":-32602,"message":"no"}})).await;
    let reply = soon(reply).await.expect("post");
    assert_eq!(reply.session_id, None);
    assert_eq!(body(reply), json!({"jsonrpc":"2.0","id":"init","error":{"code":-32602,"message":"no"}}));
    assert!(house.store.records.lock().expect("lock").is_empty());
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_mute_worker_is_given_up_after_the_start_timeout() {
    let house = House::new();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let worker = house.worker().await;
    let reply = soon(reply).await.expect("post");
    assert_eq!((reply.status, reply.retry_after), (503, Some(2)));
    assert_eq!(body(reply)["id"], "init");
    worker.stopped().await;
    assert_eq!(house.bridge.figures().workers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_during_the_start_leaves_nothing_behind() {
    let house = House::new();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    let request = worker.expect("initialize").await;
    reply.abort();
    assert!(reply.await.is_err());
    worker.answer(&request, json!({"protocolVersion":"2025-11-25","capabilities":{}})).await;
    worker.stopped().await;
    assert!(house.store.records.lock().expect("lock").is_empty());
    assert_eq!(house.bridge.figures().workers, 0);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_there_is_no_session_and_no_worker_left() {
    let house = House::new();
    house.store.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    worker.greet().await;
    assert_eq!(soon(reply).await.expect("post").status, 503);
    worker.stopped().await;
}
