//! The traps of mcp.md §7.6 that have no better place.

use serde_json::json;

use super::caller::{begin, everything, head, on_worker};
use crate::house::{Events, House, body, call, soon};

#[tokio::test(start_paused = true)]
async fn traps_1_and_24_the_same_id_open_twice_is_two_requests() {
    // In the stateless era nothing tells two conversations of one grant apart, and each counts for itself: their ids are no
    // duplicates of one client. So trap 24's refusal stays with sessions.
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let (one, two) = (caller.start(&caller.call(1, "one")), caller.start(&caller.call(1, "two")));
    let (first, second) = (worker.expect("tools/call").await, worker.expect("tools/call").await);
    assert_ne!(first["id"], second["id"]);
    worker.answer(&second, json!({"of":second["params"]["name"]})).await;
    worker.answer(&first, json!({"of":first["params"]["name"]})).await;
    for (reply, name) in [(one, "one"), (two, "two")] {
        assert_eq!(body(soon(reply).await.expect("post"))["result"]["of"], name);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_2_ids_of_every_kind_come_back_as_they_were() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    for id in [json!(0), json!(""), json!("1"), json!(1), json!(-5), json!(1_u64 << 60), json!("0")] {
        let reply = caller.start(&caller.call(id.clone(), "x"));
        let call = worker.expect("tools/call").await;
        worker.answer(&call, json!({})).await;
        assert_eq!(body(soon(reply).await.expect("post"))["id"], id);
    }
    for id in ["null", "1.5", "[1]", "{}"] {
        let text = caller.call("ID", "x").to_string().replace("\"ID\"", id);
        assert_eq!(caller.post_as(head(&caller.call(1, "x")), text).await.status, 400, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_3_a_workers_question_under_an_open_calls_number_is_no_answer_to_it() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let caller = caller.able();
    let reply = caller.start(&caller.call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.say(super::asking::question(request["id"].clone())).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["resultType"], "input_required");
}

#[tokio::test(start_paused = true)]
async fn trap_9_a_call_that_takes_too_long_is_cancelled_and_a_mute_worker_replaced() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let reply = caller.start(&caller.call(1, "slow"));
    let call = worker.expect("tools/call").await;
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
    let last = Events::of(soon(reply).await.expect("post")).rest().await.pop().expect("an answer");
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(-32001)));
    worker.expect("ping").await;
    worker.stopped().await;
    let reply = caller.start(&caller.call(2, "x"));
    let mut worker = begin(&house, everything()).await;
    let call = worker.expect("tools/call").await;
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn trap_17_plain_json_or_a_stream_is_chosen_when_the_first_message_is_there() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let request = caller.request(1, "tools/call", json!({"name":"x","_meta":{"progressToken":"t"}}));
    for streams in [false, true] {
        let reply = caller.start(&request);
        let call = worker.expect("tools/call").await;
        if streams {
            worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":call["id"],"progress":1}})).await;
        }
        worker.answer(&call, json!({})).await;
        let reply = soon(reply).await.expect("post");
        let count = if streams {
            Events::of(reply).rest().await.len()
        } else {
            body(reply).as_object().expect("one").len() - 2
        };
        assert_eq!(count, 1 + usize::from(streams));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_22_line_breaks_outside_strings_do_not_reach_the_worker() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let request = caller.call(1, "a\nb");
    let text = serde_json::to_string_pretty(&request).expect("JSON");
    let (poster, head) = (caller.clone(), head(&request));
    let reply = tokio::spawn(async move { poster.post_as(head, text).await });
    let sent = worker.expect("tools/call").await;
    assert_eq!(sent["params"]["name"], "a\nb");
    worker.answer(&sent, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn trap_23_a_slow_client_loses_notifications_before_answers_and_holds_up_nobody() {
    let house = House::with(|config| config.stream.queue = 4);
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let reply = caller.start(&caller.request(1, "tools/call", json!({"name":"x","_meta":{"progressToken":1}})));
    let request = worker.expect("tools/call").await;
    for progress in 0..50 {
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":request["id"],"progress":progress}})).await;
    }
    worker.heard().await;
    let events = Events::of(soon(reply).await.expect("post"));
    worker.answer(&request, json!({"end":true})).await;
    worker.heard().await;
    let all = events.rest().await;
    assert!(all.len() <= 6);
    assert_eq!(all.last().expect("the answer")["result"]["end"], true);
}

#[tokio::test(start_paused = true)]
async fn trap_26_an_old_session_id_makes_no_difference_to_a_modern_request() {
    let house = House::new();
    let (session, _own) = house.session("2025-11-25").await;
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let request = caller.call(1, "x");
    for id in [session.session.clone(), Some("unknown".to_owned())] {
        let mut head = head(&request);
        head.session_id = id;
        let (poster, text) = (caller.clone(), request.to_string());
        let reply = tokio::spawn(async move { poster.post_as(head, text).await });
        let call = worker.expect("tools/call").await;
        worker.answer(&call, json!({})).await;
        let reply = soon(reply).await.expect("post");
        assert_eq!((reply.status, &reply.session_id), (200, &None));
    }
}

#[tokio::test(start_paused = true)]
async fn both_eras_share_the_endpoint_and_callers_without_a_session_the_worker() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let legacy = house.client("alice");
    let (one, two) = (legacy.start(call(1, "legacy")), caller.start(&caller.call(1, "modern")));
    let requests = [worker.expect("tools/call").await, worker.expect("tools/call").await];
    for request in &requests {
        worker.answer(request, json!({"of":request["params"]["name"]})).await;
    }
    let (one, two) = (body(soon(one).await.expect("post")), body(soon(two).await.expect("post")));
    assert_eq!(one, json!({"jsonrpc":"2.0","id":1,"result":{"of":"legacy"}}));
    assert_eq!((&two["result"]["of"], &two["result"]["resultType"]), (&json!("modern"), &json!("complete")));
    // A legacy caller's call can't be asked, and makes it unclear whom a question is about.
    let legacy_call = legacy.start(call(2, "legacy"));
    let request = worker.expect("tools/call").await;
    worker.say(super::asking::question(0)).await;
    assert_eq!(worker.next().await["error"]["code"], -32601);
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(legacy_call).await.expect("post").status, 200);
}
