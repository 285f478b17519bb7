use std::time::Duration;

use bridge::reply::ReplyBody;
use serde_json::json;

use super::asking::{asked, only_key, retried};
use super::caller::{everything, on_worker};
use crate::house::{Events, House, body, refusal, soon};

#[tokio::test(start_paused = true)]
async fn a_dead_credential_makes_calls_401_and_tells_streams() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let able = caller.able();
    let request = able.call(0, "asks");
    let (_, result) = asked(&able, &mut worker, &request).await;
    let plain = caller.start(&caller.call(1, "x"));
    worker.expect("tools/call").await;
    let streaming = caller.start(&caller.request(2, "tools/call", json!({"name":"x","_meta":{"progressToken":1}})));
    let call = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":call["id"],"progress":1}})).await;
    let streaming = Events::of(soon(streaming).await.expect("post"));
    let mut listen = caller.request("l", "subscriptions/listen", json!({}));
    listen["params"]["notifications"] = json!({"toolsListChanged":true});
    let listening = Events::of(caller.post(&listen).await);
    house.bridge.log_in_again("alice");
    let reply = soon(plain).await.expect("post");
    assert!(reply.status == 401 && matches!(reply.body, ReplyBody::LogInAgain));
    for (events, id) in [(streaming, json!(2)), (listening, json!("l"))] {
        let last = events.rest().await.pop().expect("an error");
        assert_eq!(last["id"], id);
        assert!(last["error"]["message"].as_str().expect("text").contains("log in"));
    }
    // Whoever comes back with an answer is to log in as well.
    let back = able.post(&retried(&request, 3, &result, json!({ only_key(&result): {} }))).await;
    assert_eq!(back.status, 401);
}

#[tokio::test(start_paused = true)]
async fn an_ended_grant_ends_calls_listens_and_what_was_kept() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let reply = caller.start(&caller.call(1, "x"));
    worker.expect("tools/call").await;
    house.bridge.end_grant(&caller.who.grant).await;
    let answer = body(soon(reply).await.expect("post"));
    assert!(answer["error"]["message"].as_str().expect("text").contains("revoked"));
    worker.stopped().await;
    assert_eq!(refusal(caller.post(&caller.call(2, "x")).await).0, 404);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_calls_but_not_for_clients_that_are_away_or_listen() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let able = caller.able();
    asked(&able, &mut worker, &able.call(0, "asks")).await;
    let mut listen = caller.request("l", "subscriptions/listen", json!({}));
    listen["params"]["notifications"] = json!({"toolsListChanged":true});
    let listening = Events::of(caller.post(&listen).await);
    let reply = caller.start(&caller.call(1, "x"));
    let call = worker.expect("tools/call").await;
    let bridge = house.bridge.clone();
    let drained = tokio::spawn(async move { bridge.drain(Duration::from_mins(10)).await });
    assert_eq!(listening.rest().await.last().expect("a response")["result"]["resultType"], "complete");
    assert_eq!(refusal(caller.post(&caller.call(2, "x")).await).0, 503);
    worker.answer(&call, json!({"in":"time"})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["in"], "time");
    soon(drained).await.expect("drained");
    worker.stopped().await;
    assert_eq!(house.bridge.figures().workers, 0);
}
