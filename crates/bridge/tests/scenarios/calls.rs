use std::time::Duration;

use bridge::observer::SkippedLine;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::house::{Events, Frame, House, body, call, refusal, soon, text};

#[tokio::test(start_paused = true)]
async fn answers_out_of_order_find_their_questions() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let replies: Vec<_> = (0..9).map(|n| client.start(call(n, "slow"))).collect();
    let mut requests = Vec::new();
    for _ in 0..9 {
        requests.push(worker.expect("tools/call").await);
    }
    // The worker's ids are its own; the content says whose answer it is.
    for request in requests.iter().rev() {
        worker.answer(request, json!({"for": request["id"]})).await;
    }
    for (n, reply) in replies.into_iter().enumerate() {
        let answer = body(soon(reply).await.expect("post"));
        assert_eq!(answer["id"], n);
        assert_eq!(answer["result"]["for"], requests[n]["id"]);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_2_a_worker_that_passes_ids_through_float64_damages_none() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    for id in [
        "1152921504606846976",
        "\"1152921504606846976\"",
        "0",
        "\"\"",
        "-1",
        "\"a\\u00e9\\\"b\"",
        "98765432109876543210",
    ] {
        let reply = client.start(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#));
        let request = worker.expect("tools/list").await;
        let through_float = request["id"].as_f64().expect("a number");
        worker.say(format!(r#"{{"jsonrpc":"2.0","id":{through_float},"result":{{}}}}"#)).await;
        let answer = text(soon(reply).await.expect("post"));
        assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_3_a_question_of_the_worker_with_the_id_of_an_open_call_is_no_answer() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(0, "ask"));
    let request = worker.expect("tools/call").await;
    worker
        .say(json!({"jsonrpc":"2.0","id":request["id"],"method":"elicitation/create","params":{"message":"?"}}))
        .await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let question = events.data().await;
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(
        client.post(json!({"jsonrpc":"2.0","id":question["id"],"result":{"action":"accept"}})).await.status,
        202
    );
    let answered = worker.next().await;
    assert_eq!((&answered["id"], &answered["result"]["action"]), (&request["id"], &json!("accept")));
    worker.answer(&request, json!({"done":true})).await;
    assert_eq!(events.rest().await, [json!({"jsonrpc":"2.0","id":0,"result":{"done":true}})]);
}

#[tokio::test(start_paused = true)]
async fn trap_4_progress_tokens_are_the_workers_own_and_restored_on_the_way_back() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let with_token = |id: i64, token: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x","_meta":{{"progressToken":{token},"k":1}}}}}}"#
        )
    };
    // The same value in two types, as two clients behind one session might use it.
    let (one, two) = (client.start(with_token(1, "7")), client.start(with_token(2, "\"7\"")));
    let (first, second) = (worker.next().await, worker.next().await);
    let token = |request: &Value| request["params"]["_meta"]["progressToken"].clone();
    assert_ne!(token(&first), token(&second));
    assert_eq!(first["params"]["_meta"]["k"], 1);
    for request in [&first, &second] {
        let progress = json!({"progressToken": token(request), "progress": 1, "message": request["id"]});
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":progress})).await;
        worker.answer(request, json!({})).await;
    }
    for (reply, token) in [(one, json!(7)), (two, json!("7"))] {
        let events = Events::of(soon(reply).await.expect("post")).rest().await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["params"]["progressToken"], token);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_5_progress_after_the_answer_or_for_nobody_is_dropped() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let mut stream = client.stream().await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    let progress = json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":request["id"],"progress":1}});
    // The call had no token, so this is for nobody.
    worker.say(&progress).await;
    worker.answer(&request, json!({})).await;
    worker.say(&progress).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/resources/list_changed"})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({}));
    assert_eq!(stream.data().await["method"], "notifications/resources/list_changed");
    assert_eq!(house.seen.dropped.lock().expect("lock").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn trap_6_a_cancellation_names_the_workers_id_and_ends_the_post() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call("mine", "slow"));
    let request = worker.expect("tools/call").await;
    let cancel = |id: Value| json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":id,"reason":"bored \u{e9}"}});
    // Unknown, malformed and already answered ones are ignored (T76); `initialize` can't be cancelled (T75).
    for other in [json!("other"), json!(request["id"]), json!("init"), json!(null), json!([1])] {
        assert_eq!(client.post(cancel(other)).await.status, 202);
    }
    assert_eq!(client.post(cancel(json!("mine"))).await.status, 202);
    let cancelled = worker.expect("notifications/cancelled").await;
    assert_eq!(cancelled["params"], json!({"requestId":request["id"],"reason":"bored \u{e9}"}));
    // No answer is sent (T76), and the connection is not left hanging.
    assert_eq!(Events::of(soon(reply).await.expect("post")).rest().await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn trap_7_a_lost_connection_is_no_cancellation() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let lost = client.start(call(1, "slow"));
    let request = worker.expect("tools/call").await;
    lost.abort();
    assert!(lost.await.is_err());
    worker.answer(&request, json!({})).await;
    // Nothing but the next call reaches the worker.
    let next = client.start(call(1, "next"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({"next":true})).await;
    assert_eq!(body(soon(next).await.expect("post"))["result"]["next"], true);
}

#[tokio::test(start_paused = true)]
async fn trap_8_the_late_answer_to_a_cancelled_call_is_dropped() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(5, "slow"));
    let request = worker.expect("tools/call").await;
    client.post(json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}})).await;
    soon(reply).await.expect("post");
    worker.expect("notifications/cancelled").await;
    // The id is free again; the late answer must not be taken for the new call's.
    let again = client.start(call(5, "again"));
    let second = worker.expect("tools/call").await;
    worker.answer(&request, json!({"late":true})).await;
    worker.answer(&second, json!({"late":false})).await;
    assert_eq!(body(soon(again).await.expect("post"))["result"]["late"], false);
    assert_eq!(*house.seen.skipped.lock().expect("lock"), [SkippedLine::Late]);
}

#[tokio::test(start_paused = true)]
async fn trap_9_a_call_without_an_answer_ends_at_its_deadline_and_the_worker_is_told() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let begun = Instant::now();
    let reply = client.start(call(1, "endless"));
    let request = worker.expect("tools/call").await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let error = events.data().await;
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!(1), &json!(-32001)));
    assert_eq!(begun.elapsed(), Duration::from_mins(5));
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], request["id"]);
    // It is asked whether it is still there, and it is.
    let ping = worker.expect("ping").await;
    worker.answer(&ping, json!({})).await;
    let next = client.start(call(2, "quick"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(next).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn trap_9_a_wedged_worker_is_ended_and_the_next_call_has_a_fresh_one() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(1, "endless"));
    worker.expect("tools/call").await;
    Events::of(soon(reply).await.expect("post")).data().await;
    worker.stopped().await;
    let next = client.start(call(2, "quick"));
    let mut fresh = house.worker().await;
    fresh.greet().await;
    fresh.expect("notifications/initialized").await;
    let request = fresh.expect("tools/call").await;
    fresh.answer(&request, json!({"fresh":true})).await;
    assert_eq!(body(soon(next).await.expect("post"))["result"]["fresh"], true);
}

#[tokio::test(start_paused = true)]
async fn trap_17_json_if_the_answer_is_first_and_events_if_anything_goes_before_it() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let plain = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(text(soon(plain).await.expect("post")), r#"{"id":1,"jsonrpc":"2.0","result":{}}"#);

    let logged = client.start(call(2, "x"));
    let request = worker.expect("tools/call").await;
    let log = json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"working"}});
    worker.say(&log).await;
    worker.answer(&request, json!({})).await;
    let events = Events::of(soon(logged).await.expect("post")).rest().await;
    assert_eq!(events, [log, json!({"jsonrpc":"2.0","id":2,"result":{}})]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_becomes_an_event_stream_after_five_seconds_with_keep_alives() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let begun = Instant::now();
    let reply = client.start(call(1, "slow"));
    let request = worker.expect("tools/call").await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(events.frame().await, Some(Frame::Comment));
    assert_eq!(events.frame().await, Some(Frame::Comment));
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
    worker.answer(&request, json!({})).await;
    assert_eq!(events.rest().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_24_an_id_that_is_open_can_not_be_opened_again() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call("a/b", "slow"));
    let request = worker.expect("tools/call").await;
    let double = client.post(r#"{"jsonrpc":"2.0","id":"a\/b","method":"tools/list"}"#).await;
    assert_eq!((double.status, text(double)), (400, r#"{"jsonrpc":"2.0","id":"a\/b","error":{"code":-32600,"message":"a request with this id is open already; ids may be used again only after their answer"}}"#.to_owned()));
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
    let again = client.start(call("a/b", "x"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(again).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn trap_25_every_refusal_has_the_requests_id_where_it_can_be_read() {
    let house = House::new();
    let (mut client, _worker) = house.session("2025-11-25").await;
    let id_of = |reply| body(reply)["id"].clone();
    assert_eq!(id_of(client.post(r#"{"jsonrpc":"2.0","id":"a","method":"x","params":7}"#).await), "a");
    assert_eq!(id_of(client.post(r#"{"jsonrpc":"1.0","id":3,"method":"x"}"#).await), 3);
    assert_eq!(id_of(client.post("{").await), json!(null));
    client.version = Some("2019-01-01".to_owned());
    assert_eq!(id_of(client.post(call(9, "x")).await), 9);
    client.version = None;
    client.session = Some("nonsense".to_owned());
    let unknown = client.post(call("s", "x")).await;
    assert_eq!((unknown.status, id_of(unknown)), (404, json!("s")));
}

#[tokio::test(start_paused = true)]
async fn t61_an_unsupported_version_is_refused_by_name_and_any_legacy_one_accepted() {
    let house = House::new();
    let (mut client, mut worker) = house.session("2025-11-25").await;
    for version in ["2026-07-28", "1", ""] {
        client.version = Some(version.to_owned());
        let reply = client.post(call(1, "x")).await;
        assert_eq!(reply.status, 400, "{version}");
        let message = body(reply)["error"]["message"].to_string();
        assert!(message.contains("2025-03-26, 2025-06-18, 2025-11-25"), "{message}");
        assert_eq!(client.get(None).await.status, 400);
    }
    // Trap 29: lenient between the revisions of the era.
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        client.version = Some(version.to_owned());
        let reply = client.start(call(1, "x"));
        let request = worker.expect("tools/call").await;
        worker.answer(&request, json!({})).await;
        assert_eq!(soon(reply).await.expect("post").status, 200, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_32_the_capability_and_the_gateways_address_stay_inside() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    let line = format!(
        r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32603,"message":"no [sha: {}] at http://127.0.0.1:4001/a and http:\/\/127.0.0.1:4001\/b"}}}}"#,
        request["id"], worker.request.token
    );
    worker.say(line).await;
    assert_eq!(
        text(soon(reply).await.expect("post")),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no [sha: [redacted]] at https://forge.example/a and https:\/\/forge.example\/b"}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn what_goes_in_comes_out_save_the_id() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start("{ \"x-new\":[1e400, 12345678901234567890123],\n \"params\":{\"arguments\":{\"b\":1,\"a\":1,\"b\":2},\"name\":\"n\"},\"method\":\"tools\\/call\",\"id\":\"q\" ,\"jsonrpc\":\"2.0\"}");
    let line = worker.line().await.expect("a line");
    assert!(line.starts_with("{ \"x-new\":[1e400, 12345678901234567890123], \"params\":{\"arguments\":{\"b\":1,\"a\":1,\"b\":2},\"name\":\"n\"},\"method\":\"tools\\/call\",\"id\":"), "{line}");
    let id = line.rsplit("\"id\":").next().and_then(|rest| rest.split(' ').next()).expect("an id").to_owned();
    worker
        .say(format!("{{\"vendor\":{{\"z\":0.10}},\"result\":{{\"n\":1.0E+2}},\"id\":{id},\"jsonrpc\":\"2.0\"}}"))
        .await;
    assert_eq!(
        text(soon(reply).await.expect("post")),
        "{\"vendor\":{\"z\":0.10},\"result\":{\"n\":1.0E+2},\"id\":\"q\",\"jsonrpc\":\"2.0\"}"
    );
}

#[tokio::test(start_paused = true)]
async fn ping_is_answered_here_and_the_workers_ping_too() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    assert_eq!(
        body(client.post(json!({"jsonrpc":"2.0","id":"p","method":"ping"})).await),
        json!({"jsonrpc":"2.0","id":"p","result":{}})
    );
    worker.say(json!({"jsonrpc":"2.0","id":"w","method":"ping"})).await;
    assert_eq!(worker.next().await, json!({"jsonrpc":"2.0","id":"w","result":{}}));
}

#[tokio::test(start_paused = true)]
async fn doubled_members_reach_no_worker() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let smuggled =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"delete_repo"}}"#;
    assert_eq!(refusal(client.post(smuggled).await), (400, -32600));
    let reply = client.start(call(2, "fine"));
    let request = worker.expect("tools/call").await;
    assert_eq!(request["params"]["name"], "fine");
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
}
