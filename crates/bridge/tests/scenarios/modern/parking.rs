//! Calls whose client has been sent away, and what can happen until it is back.

use std::time::Duration;

use serde_json::json;

use super::asking::{asked, only_key, question, retried};
use super::caller::{Caller, everything, on_worker};
use crate::house::{House, body, refusal, soon};

#[tokio::test(start_paused = true)]
async fn r05_to_r07_a_state_is_good_once_for_its_grant_and_its_request() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (call, result) = asked(&caller, &mut worker, &request).await;
    let answers = json!({ only_key(&result): {"action":"accept"} });
    let retry = retried(&request, 2, &result, answers.clone());
    let mut bob = Caller::new(&house, "bob");
    bob.capabilities = caller.capabilities.clone();
    let mut bad = Vec::new();
    for (path, value) in [
        ("/params/requestState", json!(format!("{}-TAMPERED", result["requestState"].as_str().expect("text")))),
        ("/params/requestState", json!(5)),
        ("/params/name", json!("y")),
        ("/params/arguments", json!({"other":true})),
        ("/params/inputResponses", json!(null)),
        ("/params/inputResponses", json!({ only_key(&result): 5 })),
    ] {
        let mut changed = retry.clone();
        *changed.pointer_mut(path).expect("there") = value;
        bad.push(changed);
    }
    let mut other_method = retry.clone();
    other_method["method"] = json!("prompts/get");
    bad.push(other_method);
    for bad in &bad {
        assert_eq!(refusal(caller.post(bad).await), (200, -32602), "{bad}");
    }
    assert_eq!(refusal(bob.post(&retry).await), (200, -32602));
    // All that has spoiled nothing.
    let reply = caller.start(&retry);
    assert_eq!(worker.next().await["result"], json!({"action":"accept"}));
    assert_eq!(refusal(caller.post(&retry).await), (200, -32602));
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    assert_eq!(refusal(caller.post(&retry).await), (200, -32602));
}

#[tokio::test(start_paused = true)]
async fn r08_what_is_missing_is_asked_for_again() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (call, mut result) = asked(&caller, &mut worker, &request).await;
    for answers in [json!({"wrong":{}}), json!({})] {
        let again = body(caller.post(&retried(&request, 2, &result, answers)).await)["result"].clone();
        assert_eq!(again["inputRequests"], result["inputRequests"]);
        assert_ne!(again["requestState"], result["requestState"]);
        result = again;
    }
    let reply = caller.start(&retried(&request, 3, &result, json!({ only_key(&result): {} })));
    worker.next().await;
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn r09_a_client_that_does_not_come_back_has_its_call_cancelled() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (call, result) = asked(&caller, &mut worker, &request).await;
    assert_eq!(house.bridge.figures().calls, 0);
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
    let ping = worker.expect("ping").await;
    worker.answer(&ping, json!({})).await;
    let refused = worker.next().await;
    assert_eq!((&refused["id"], refused["error"].is_object()), (&json!("q"), true));
    let late = body(caller.post(&retried(&request, 2, &result, json!({ only_key(&result): {} }))).await);
    assert!(late["error"].is_object(), "{late}");
    // It is not in the way of others.
    let (_, result) = asked(&caller, &mut worker, &request).await;
    assert!(result["requestState"].is_string());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_the_client_is_away_waits_for_it() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    for error in [false, true] {
        let (call, result) = asked(&caller, &mut worker, &request).await;
        if error {
            worker.say(json!({"jsonrpc":"2.0","id":call["id"],"error":{"code":-32603,"message":"gave up"}})).await;
        } else {
            worker.answer(&call, json!({"alone":true})).await;
        }
        worker.heard().await;
        let answer = body(caller.post(&retried(&request, "back", &result, json!({ only_key(&result): {} }))).await);
        assert_eq!(answer["id"], "back");
        assert_eq!(answer["error"]["message"] == "gave up", error);
        assert_eq!(answer["result"]["alone"] == true, !error);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_takes_its_waiting_calls_along_and_the_client_is_told() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (_, result) = asked(&caller, &mut worker, &request).await;
    worker.exit(4);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let answer = body(caller.post(&retried(&request, 2, &result, json!({ only_key(&result): {} }))).await);
    assert!(answer["error"]["message"].as_str().expect("an error").contains("exit code 4"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_after_its_retry_cancels_the_call() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (call, result) = asked(&caller, &mut worker, &request).await;
    let reply = caller.start(&retried(&request, 2, &result, json!({ only_key(&result): {} })));
    worker.next().await;
    reply.abort();
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
}

#[tokio::test(start_paused = true)]
async fn a_user_may_leave_so_many_questions_open_and_no_more() {
    let house = House::with(|config| config.max_parked_calls_per_user = 1);
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    asked(&caller, &mut worker, &caller.call(1, "x")).await;
    let reply = caller.start(&caller.call(2, "y"));
    let call = worker.expect("tools/call").await;
    worker.say(question("second")).await;
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
    assert_eq!(soon(reply).await.expect("post").status, 429);
}

#[tokio::test(start_paused = true)]
async fn a_further_question_of_a_call_whose_client_is_away_is_asked_when_it_is_back() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let request = caller.call(1, "x");
    let (call, result) = asked(&caller, &mut worker, &request).await;
    worker.say(question("later")).await;
    worker.heard().await;
    let again = caller.post(&retried(&request, 2, &result, json!({ only_key(&result): {"n":1} }))).await;
    assert_eq!(worker.next().await["id"], "q");
    let again = body(again)["result"].clone();
    let reply = caller.start(&retried(&request, 3, &again, json!({ only_key(&again): {"n":2} })));
    assert_eq!(worker.next().await, json!({"jsonrpc":"2.0","id":"later","result":{"n":2}}));
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}
