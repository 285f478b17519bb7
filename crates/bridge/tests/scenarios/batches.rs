use serde_json::json;

use crate::house::{Events, House, body, call, refusal, soon};

#[tokio::test(start_paused = true)]
async fn trap_18_a_batch_is_split_and_its_answers_come_together() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-03-26").await;
    let batch = json!([call(1, "a"), {"jsonrpc":"2.0","method":"notifications/roots/list_changed"}, call("two", "b"), {"jsonrpc":"2.0","id":3,"method":"ping"}]);
    let reply = client.start(batch);
    worker.expect("notifications/roots/list_changed").await;
    let (first, second) = (worker.expect("tools/call").await, worker.expect("tools/call").await);
    worker.answer(&second, json!("b")).await;
    worker.answer(&first, json!("a")).await;
    let mut answers = body(soon(reply).await.expect("post")).as_array().expect("an array").clone();
    answers.sort_by_key(|answer| answer["id"].to_string());
    assert_eq!(
        answers,
        [
            json!({"jsonrpc":"2.0","id":"two","result":"b"}),
            json!({"jsonrpc":"2.0","id":1,"result":"a"}),
            json!({"jsonrpc":"2.0","id":3,"result":{}}),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn trap_18_a_batch_becomes_a_stream_when_something_goes_before_its_answers() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-03-26").await;
    let reply = client.start(json!([call(1, "a"), call(2, "b")]));
    let (first, second) = (worker.expect("tools/call").await, worker.expect("tools/call").await);
    worker.answer(&first, json!("a")).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}})).await;
    worker.answer(&second, json!("b")).await;
    let events = Events::of(soon(reply).await.expect("post")).rest().await;
    let kinds: Vec<_> = events.iter().map(|event| event.get("method").or(event.get("id")).cloned()).collect();
    assert_eq!(kinds, [Some(json!(1)), Some(json!("notifications/message")), Some(json!(2))]);
}

#[tokio::test(start_paused = true)]
async fn trap_18_what_is_no_batch_to_serve() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-03-26").await;
    let notifications =
        json!([{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}, {"jsonrpc":"2.0","id":1,"result":{}}]);
    assert_eq!(client.post(notifications).await.status, 202);
    worker.expect("notifications/roots/list_changed").await;
    assert_eq!(refusal(client.post("[]").await), (400, -32600));
    let initialize = json!([{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}]);
    assert_eq!(refusal(client.post(initialize).await), (400, -32600));
    assert_eq!(refusal(client.post(json!([call(1, "a"), call(1, "b")])).await), (400, -32600));
    let modern = json!([{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}]);
    assert_eq!(refusal(client.post(modern).await), (400, -32600));
    // Nothing of the refused batches has reached the worker, and the id is free.
    let reply = client.start(json!([call(1, "last")]));
    let request = worker.expect("tools/call").await;
    assert_eq!(request["params"]["name"], "last");
    worker.answer(&request, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post")), json!([{"jsonrpc":"2.0","id":1,"result":{}}]));
}

#[tokio::test(start_paused = true)]
async fn trap_18_later_revisions_have_no_batches() {
    let house = House::new();
    for version in ["2025-06-18", "2025-11-25"] {
        let (client, _worker) = house.session(version).await;
        assert_eq!(refusal(client.post(json!([call(1, "a")])).await), (400, -32600), "{version}");
    }
}
