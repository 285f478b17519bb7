use std::time::Duration;

use bridge::observer::SkippedLine;
use bridge::process::SpawnError;
use serde_json::{Value, json};

use crate::house::{Events, House, Puppet, body, call, initialize, refusal, soon};

async fn answered(worker: &mut Puppet) {
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
}

/// Begins a session and lets its worker die before it greets.
async fn failed_start(house: &House) -> bridge::reply::Reply {
    let reply = house.client("alice").start(initialize("2025-11-25"));
    house.worker().await.exit(1);
    soon(reply).await.expect("post")
}

#[tokio::test(start_paused = true)]
async fn a_dying_worker_answers_its_calls_at_once_with_the_reason() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let replies: Vec<_> = (0..3).map(|n| client.start(call(n, "x"))).collect();
    let first = worker.expect("tools/call").await;
    worker.expect("tools/call").await;
    worker.expect("tools/call").await;
    // The one that was answered before the end has its answer.
    worker.answer(&first, json!({"in time":true})).await;
    worker.exit(134);
    let mut replies = replies.into_iter();
    assert_eq!(body(soon(replies.next().expect("three")).await.expect("post"))["result"]["in time"], true);
    for (n, reply) in replies.enumerate() {
        let reply = soon(reply).await.expect("post");
        assert_eq!(reply.status, 200);
        let answer = body(reply);
        assert_eq!(answer["id"], n + 1);
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains("exit code 134") && !message.contains("last words"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_dead_worker_never_got_is_given_to_the_next_one() {
    let house = House::new();
    let (client, worker) = house.session("2025-11-25").await;
    // More than the pipe holds: the first call is stuck in it half, the second one behind it.
    let big = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"big","arguments":{"x":"x".repeat(200_000)}}});
    let first = client.start(big);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let second = client.start(call(2, "small"));
    tokio::time::sleep(Duration::from_millis(1)).await;
    worker.exit(9);
    assert_eq!(refusal(soon(first).await.expect("post")), (200, -32000));
    let mut fresh = house.worker().await;
    fresh.greet().await;
    fresh.expect("notifications/initialized").await;
    let request = fresh.expect("tools/call").await;
    assert_eq!(request["params"]["name"], "small");
    fresh.answer(&request, json!({"fresh":true})).await;
    assert_eq!(body(soon(second).await.expect("post")), json!({"jsonrpc":"2.0","id":2,"result":{"fresh":true}}));
}

#[tokio::test(start_paused = true)]
async fn trap_21_what_is_no_message_is_skipped_and_counted() {
    let house = House::with(|config| config.max_line_bytes = 10_000);
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    for line in [
        "INFO starting",
        "{\"jsonrpc\":\"2.0\"",
        "",
        "[]",
        "{}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"result\":{}}",
    ] {
        worker.say(line).await;
    }
    worker.say("x".repeat(50_000)).await;
    worker.say(json!({"jsonrpc":"2.0","id":4711,"result":{}})).await;
    worker.say(json!({"jsonrpc":"2.0","id":"4711","result":{}})).await;
    worker.answer(&request, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({}));
    let skipped = house.seen.skipped.lock().expect("lock").clone();
    let count = |why| skipped.iter().filter(|skipped| **skipped == why).count();
    assert_eq!(
        (count(SkippedLine::NotAMessage), count(SkippedLine::TooLong), count(SkippedLine::UnknownId)),
        (5, 1, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_that_lost_its_id_ends_the_call_if_there_is_but_one() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let panicked = json!({"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"panic recovered"}});
    let reply = client.start(call("mine", "x"));
    worker.expect("tools/call").await;
    worker.say(&panicked).await;
    let answer = body(soon(reply).await.expect("post"));
    assert_eq!((&answer["id"], &answer["error"]["message"]), (&json!("mine"), &json!("panic recovered")));
    // Of two it can't be told which.
    let replies = [client.start(call(1, "x")), client.start(call(2, "x"))];
    let requests = [worker.expect("tools/call").await, worker.expect("tools/call").await];
    worker.say(&panicked).await;
    for (request, reply) in requests.iter().zip(replies) {
        worker.answer(request, json!({})).await;
        assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_21_a_worker_that_prints_only_garbage_is_killed() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(1, "x"));
    worker.expect("tools/call").await;
    for _ in 0..100 {
        worker.say("\u{1b}[31mpanic").await;
    }
    let message = body(soon(reply).await.expect("post"))["error"]["message"].to_string();
    assert!(message.contains("no MCP"), "{message}");
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_start_is_tried_less_and_less_often() {
    let house = House::new();
    for _ in 0..2 {
        assert_eq!(failed_start(&house).await.status, 503);
    }
    // The breaker is open: nothing is started, and the client learns when to come back.
    let reply = house.client("alice").post(initialize("2025-11-25")).await;
    assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
    assert!(!house.worker_waits().await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(failed_start(&house).await.status, 503);
    let reply = house.client("bob").post(initialize("2025-11-25")).await;
    assert_eq!((reply.status, reply.retry_after), (503, Some(2)));
    // One that starts closes it for all.
    tokio::time::sleep(Duration::from_secs(2)).await;
    house.session("2025-11-25").await;
    house.session_of("bob", "2025-11-25").await;
    assert_eq!((house.bridge.figures().starts, house.bridge.figures().failed_starts), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn the_breaker_counts_the_programs_failures_only() {
    let house = House::new();
    for _ in 0..10 {
        house.fail_next_start(SpawnError::Exhausted("no more processes".to_owned()));
        let reply = house.client("alice").post(initialize("2025-11-25")).await;
        assert_eq!(reply.status, 503);
        let message = body(reply)["error"]["message"].to_string();
        assert!(!message.contains("no more processes"), "the operator's words stay in the log: {message}");
    }
    house.session("2025-11-25").await;
    for _ in 0..2 {
        house.fail_next_start(SpawnError::Program { program: "x".to_owned(), reason: "not there".to_owned() });
        assert_eq!(house.client("alice").post(initialize("2025-11-25")).await.status, 503);
    }
    assert_eq!(house.client("alice").post(initialize("2025-11-25")).await.retry_after, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_crashes_at_every_call_is_not_restarted_for_ever() {
    let house = House::new();
    let (client, first) = house.session("2025-11-25").await;
    let mut ready = Some(first);
    for n in 0..5 {
        let reply = client.start(call(n, "crash"));
        let mut worker = if let Some(worker) = ready.take() {
            worker
        } else {
            let mut worker = house.worker().await;
            worker.greet().await;
            worker.expect("notifications/initialized").await;
            worker
        };
        worker.expect("tools/call").await;
        worker.exit(2);
        assert_eq!(refusal(soon(reply).await.expect("post")), (200, -32000));
    }
    let reply = client.post(call(9, "x")).await;
    assert_eq!(reply.status, 503);
    assert!(reply.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let reply = client.start(call(10, "x"));
    let mut worker = house.worker().await;
    worker.greet().await;
    worker.expect("notifications/initialized").await;
    answered(&mut worker).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_closes_its_output_is_ended() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(1, "x"));
    worker.expect("tools/call").await;
    let mut silent = worker.close_output();
    assert_eq!(refusal(soon(reply).await.expect("post")), (200, -32000));
    while silent.next_line().await.is_ok_and(|line| line.is_some()) {}
}

#[tokio::test(start_paused = true)]
async fn the_profiles_calls_are_made_after_every_handshake_and_before_the_clients() {
    let house = House::repeating(json!({"name":"set_context","arguments":{"repo":"a/b"}}));
    let mut client = house.client("alice");
    let reply = client.start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    worker.greet().await;
    client.session = soon(reply).await.expect("post").session_id;
    client.post(json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await;
    let reply = client.start(call(1, "mine"));
    let prepared = |request: &Value| assert_eq!(request["params"]["name"], "set_context");
    serve_prepared(&mut worker, prepared).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    worker.exit(0);
    let reply = client.start(call(2, "mine"));
    let mut worker = house.worker().await;
    worker.greet().await;
    serve_prepared(&mut worker, prepared).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

async fn serve_prepared(worker: &mut Puppet, prepared: impl Fn(&Value)) {
    worker.expect("notifications/initialized").await;
    let own = worker.expect("tools/call").await;
    prepared(&own);
    worker.heard().await;
    worker.answer(&own, json!({})).await;
    let request = worker.expect("tools/call").await;
    assert_eq!(request["params"]["name"], "mine");
    worker.answer(&request, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_may_answer_in_batches_and_with_carriage_returns() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    let batch = format!(
        "[{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\r\"params\":{{}}}}, {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}]",
        request["id"]
    );
    worker.say(batch).await;
    let events = Events::of(soon(reply).await.expect("post")).rest().await;
    assert_eq!(
        events,
        [
            json!({"jsonrpc":"2.0","method":"notifications/message","params":{}}),
            json!({"jsonrpc":"2.0","id":1,"result":{}})
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_learns_nothing_of_the_operators_log() {
    let house = House::new();
    let reply = failed_start(&house).await;
    let text = body(reply).to_string();
    assert!(!text.contains("last words"), "{text}");
}
