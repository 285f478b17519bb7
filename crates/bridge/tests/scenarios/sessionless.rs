use serde_json::json;

use crate::house::{Client, Events, House, Puppet, body, call, refusal, soon};

/// The shared worker, woken by a first call.
async fn shared(house: &House) -> (Client, Puppet) {
    let client = house.client("alice");
    let reply = client.start(call(0, "first"));
    let mut worker = house.worker().await;
    let params = worker.greet().await;
    assert_eq!(params["protocolVersion"], "2025-11-25");
    worker.expect("notifications/initialized").await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    let reply = soon(reply).await.expect("post");
    assert_eq!((reply.status, &reply.session_id), (200, &None));
    (client, worker)
}

#[tokio::test(start_paused = true)]
async fn trap_1_two_callers_may_use_the_same_ids_and_tokens_at_once() {
    let house = House::new();
    let (client, mut worker) = shared(&house).await;
    let request = |tool: &str| json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":tool,"_meta":{"progressToken":1}}});
    let (one, two) = (client.start(request("one")), client.start(request("two")));
    let (first, second) = (worker.next().await, worker.next().await);
    assert_ne!(first["id"], second["id"]);
    for request in [&second, &first] {
        let token = &request["params"]["_meta"]["progressToken"];
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":1,"message":request["params"]["name"]}})).await;
        worker.answer(request, json!({"tool":request["params"]["name"]})).await;
    }
    for (reply, tool) in [(one, "one"), (two, "two")] {
        let events = Events::of(soon(reply).await.expect("post")).rest().await;
        assert_eq!((&events[0]["params"]["message"], &events[0]["params"]["progressToken"]), (&json!(tool), &json!(1)));
        assert_eq!(events[1], json!({"jsonrpc":"2.0","id":1,"result":{"tool":tool}}));
    }
}

#[tokio::test(start_paused = true)]
async fn notifications_are_accepted_and_only_a_clear_cancellation_reaches_the_worker() {
    let house = House::new();
    let (client, mut worker) = shared(&house).await;
    let cancel = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}});
    for method in ["notifications/initialized", "notifications/roots/list_changed"] {
        assert_eq!(client.post(json!({"jsonrpc":"2.0","method":method})).await.status, 202);
    }
    let (one, two) = (client.start(call(1, "one")), client.start(call(1, "two")));
    let (first, second) = (worker.expect("tools/call").await, worker.expect("tools/call").await);
    // Whose call is meant? Nobody's is cancelled.
    assert_eq!(client.post(&cancel).await.status, 202);
    worker.answer(&first, json!({})).await;
    soon(one).await.expect("post");
    assert_eq!(client.post(&cancel).await.status, 202);
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], second["id"]);
    soon(two).await.expect("post");
}

#[tokio::test(start_paused = true)]
async fn process_wide_settings_are_not_for_callers_without_a_session() {
    let house = House::new();
    let (client, mut worker) = shared(&house).await;
    let request =
        |id: i64, method: &str| json!({"jsonrpc":"2.0","id":id,"method":method,"params":{"level":"debug","uri":"a:b"}});
    assert_eq!(body(client.post(request(1, "logging/setLevel")).await), json!({"jsonrpc":"2.0","id":1,"result":{}}));
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        assert_eq!(refusal(client.post(request(2, method)).await), (200, -32601));
    }
    // None of it has reached the worker.
    let reply = client.start(call(3, "x"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
}

#[tokio::test(start_paused = true)]
async fn the_shared_workers_questions_are_refused_at_once() {
    let house = House::new();
    let (client, mut worker) = shared(&house).await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","id":"q","method":"roots/list"})).await;
    let refused = worker.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("q"), &json!(-32601)));
    worker.say(json!({"jsonrpc":"2.0","id":"p","method":"ping"})).await;
    assert_eq!(worker.next().await["result"], json!({}));
    worker.answer(&request, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn log_messages_go_to_the_one_call_that_may_have_caused_them_or_nowhere() {
    let house = House::new();
    let (client, mut worker) = shared(&house).await;
    let log = json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}});
    let (one, two) = (client.start(call(1, "one")), client.start(call(2, "two")));
    let (first, second) = (worker.next().await, worker.next().await);
    worker.say(&log).await;
    worker.answer(&first, json!({})).await;
    assert_eq!(body(soon(one).await.expect("post"))["id"], 1);
    worker.say(&log).await;
    worker.answer(&second, json!({})).await;
    assert_eq!(Events::of(soon(two).await.expect("post")).rest().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_stream_and_nothing_to_delete_without_a_session() {
    let house = House::new();
    let client = house.client("alice");
    assert_eq!(refusal(client.get(None).await).0, 405);
    assert_eq!(refusal(client.delete().await), (400, -32600));
}

#[tokio::test(start_paused = true)]
async fn t60_batches_without_a_session_are_of_2025_03_26() {
    let house = House::new();
    let (mut client, mut worker) = shared(&house).await;
    for version in [None, Some("2025-03-26")] {
        client.version = version.map(str::to_owned);
        let reply = client.start(json!([call(1, "x")]));
        let request = worker.expect("tools/call").await;
        worker.answer(&request, json!({})).await;
        assert_eq!(body(soon(reply).await.expect("post")).as_array().map(Vec::len), Some(1));
    }
    client.version = Some("2025-06-18".to_owned());
    assert_eq!(refusal(client.post(json!([call(1, "x")])).await), (400, -32600));
}

#[tokio::test(start_paused = true)]
async fn each_grant_has_a_shared_worker_of_its_own_which_stops_when_idle() {
    let house = House::new();
    let (_, worker) = shared(&house).await;
    let bob = house.client("bob");
    let reply = bob.start(call(1, "x"));
    let mut bobs = house.worker().await;
    bobs.greet().await;
    bobs.expect("notifications/initialized").await;
    let request = bobs.expect("tools/call").await;
    bobs.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
    assert_eq!(house.bridge.figures().workers, 2);
    worker.stopped().await;
    bobs.stopped().await;
    assert_eq!(house.bridge.figures().workers, 0);
}
