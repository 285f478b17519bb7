//! Input-required results on their way through the broker (mcp.md §3.11).

use serde_json::{Value, json};

use super::{Modern, answer, awake, modern_house, request, tool};
use crate::house::{Puppet, body, principal, refusal, soon};

const STATE: &str = "of the worker, \"opaque\" \u{e9}";

fn asking(state: Option<&str>) -> Value {
    let elicit = json!({"method":"elicitation/create","params":{"message":"who?","requestedSchema":{"type":"object"}}});
    let mut result = json!({"resultType":"input_required","inputRequests":{"user_name":elicit}});
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    result
}

fn retry(id: i64, name: &str, state: &Value) -> Value {
    let responses = json!({"user_name":{"action":"accept","content":{"n":1}}});
    request(id, "tools/call", json!({"name":name,"arguments":{},"inputResponses":responses,"requestState":state}))
}

/// The state that the client gets to see.
async fn asked(client: &Modern, worker: &mut Puppet) -> Value {
    let reply = client.start(&tool(1, "x"));
    answer(worker, "tools/call", asking(Some(STATE))).await;
    let result = body(soon(reply).await.expect("post"))["result"].clone();
    assert_eq!(result["inputRequests"], asking(None)["inputRequests"]);
    assert_eq!((result.get("ttlMs"), result.get("cacheScope")), (None, None));
    result["requestState"].clone()
}

#[tokio::test(start_paused = true)]
async fn r04_and_r05_the_state_is_sealed_towards_the_client_and_whole_towards_the_worker() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let state = asked(&client, &mut worker).await;
    assert!(!state.as_str().expect("a string").contains("opaque"));
    let reply = client.start(&retry(2, "x", &state));
    let sent = worker.expect("tools/call").await;
    assert_eq!((&sent["params"]["requestState"], &sent["params"]["name"]), (&json!(STATE), &json!("x")));
    assert_eq!(sent["params"]["inputResponses"]["user_name"]["action"], "accept");
    worker.answer(&sent, asking(Some("second"))).await;
    let second = body(soon(reply).await.expect("post"))["result"]["requestState"].clone();
    assert_ne!(second, state);
    let reply = client.start(&retry(3, "x", &second));
    let sent = worker.expect("tools/call").await;
    assert_eq!(sent["params"]["requestState"], "second");
    worker.answer(&sent, json!({"resultType":"complete"})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({"resultType":"complete"}));
}

#[tokio::test(start_paused = true)]
async fn r06_and_r07_a_state_that_is_used_foreign_or_changed_reaches_no_worker() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let state = asked(&client, &mut worker).await;
    let bob = Modern { who: principal("bob"), ..client.clone() };
    let mut changed = state.as_str().expect("a string").to_owned();
    changed.pop();
    assert_eq!(refusal(client.post(&retry(2, "y", &state)).await), (200, -32602));
    assert_eq!(refusal(bob.post(&retry(3, "x", &state)).await), (200, -32602));
    for bad in [json!(changed), json!(STATE), json!(7), json!("")] {
        assert_eq!(refusal(client.post(&retry(4, "x", &bad)).await), (200, -32602), "{bad}");
    }
    let reply = client.start(&retry(5, "x", &state));
    answer(&mut worker, "tools/call", json!({"resultType":"complete"})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["id"], 5);
    assert_eq!(refusal(client.post(&retry(6, "x", &state)).await), (200, -32602));
    worker.heard().await;
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn r02_questions_without_a_state_need_none_back() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let reply = client.start(&tool(1, "x"));
    answer(&mut worker, "tools/call", asking(None)).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], asking(None));
    let reply = client.start(&retry(2, "x", &Value::Null));
    let sent = worker.expect("tools/call").await;
    assert_eq!(sent["params"]["requestState"], Value::Null);
    worker.answer(&sent, json!({"resultType":"complete"})).await;
    soon(reply).await.expect("post");
}

#[tokio::test(start_paused = true)]
async fn r01_a_list_is_never_answered_with_a_question() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let reply = client.start(&request(1, "tools/list", json!({})));
    answer(&mut worker, "tools/list", asking(Some(STATE))).await;
    assert_eq!(refusal(soon(reply).await.expect("post")), (200, -32603));
}

#[tokio::test(start_paused = true)]
async fn a_state_survives_the_worker_that_gave_it() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let state = asked(&client, &mut worker).await;
    worker.exit(0);
    let reply = client.start(&retry(2, "x", &state));
    let mut worker = house.worker().await;
    worker.discovered().await;
    let sent = worker.expect("tools/call").await;
    assert_eq!(sent["params"]["requestState"], STATE);
    worker.answer(&sent, json!({"resultType":"complete"})).await;
    soon(reply).await.expect("post");
}
