use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Client, Events, House, Puppet, body, call, initialize, principal, soon};

/// A fresh worker of a session that exists already, brought to where the last one was.
async fn revived(house: &House) -> Puppet {
    let mut worker = house.worker().await;
    worker.greet().await;
    worker.expect("notifications/initialized").await;
    worker
}

async fn served(client: &Client, worker: &mut Puppet) -> Value {
    let reply = client.start(call(77, "x"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({"served":true})).await;
    body(soon(reply).await.expect("post"))
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_and_the_next_call_wakes_another_without_the_client_noticing() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    served(&client, &mut worker).await;
    worker.stopped().await;
    assert_eq!(house.seen.hibernated.load(Ordering::SeqCst), 1);
    let reply = client.start(call(1, "x"));
    let mut worker = house.worker().await;
    let params = worker.greet().await;
    assert_eq!(params, initialize("2025-11-25")["params"]);
    worker.expect("notifications/initialized").await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post")), json!({"jsonrpc":"2.0","id":1,"result":{}}));
    assert_eq!(house.seen.revived.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_survives_a_restart_of_the_broker() {
    let house = House::new();
    let (client, worker) = house.session("2025-11-25").await;
    house.bridge.drain(Duration::from_secs(10)).await;
    worker.stopped().await;
    let house = House::on(house.store.clone(), |_| {});
    let client = Client { bridge: house.bridge.clone(), ..client };
    let reply = client.start(call(1, "x"));
    let mut worker = revived(&house).await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn log_level_and_subscriptions_come_back_with_a_fresh_worker() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    for (method, params, good) in [
        ("logging/setLevel", json!({"level":"debug"}), true),
        ("logging/setLevel", json!({"level":"nonsense"}), false),
        ("resources/subscribe", json!({"uri":"a:1"}), true),
        ("resources/subscribe", json!({"uri":"a:2"}), true),
        ("resources/subscribe", json!({"uri":"a:3"}), false),
        ("resources/unsubscribe", json!({"uri":"a:1"}), true),
    ] {
        let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":method,"params":params}));
        let request = worker.expect(method).await;
        assert_eq!(request["params"], params);
        let (outcome, value) =
            if good { ("result", json!({})) } else { ("error", json!({"code":-32602,"message":"no"})) };
        worker.say(json!({"jsonrpc":"2.0","id":request["id"],outcome:value})).await;
        soon(reply).await.expect("post");
    }
    worker.exit(1);
    let reply = client.start(call(1, "x"));
    let mut worker = revived(&house).await;
    let level = worker.expect("logging/setLevel").await;
    assert_eq!(level["params"], json!({"level":"debug"}));
    worker.answer(&level, json!({})).await;
    let subscribe = worker.expect("resources/subscribe").await;
    assert_eq!(subscribe["params"], json!({"uri":"a:2"}));
    // What can't be restored does not cost the session.
    worker.say(json!({"jsonrpc":"2.0","id":subscribe["id"],"error":{"code":-32603,"message":"gone"}})).await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    let record = house.store.only();
    assert_eq!(
        (record.log_level.as_deref(), record.subscriptions.as_slice()),
        (Some("debug"), &["a:2".to_owned()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_stays_open_while_the_worker_sleeps_and_hears_of_changed_tools_after_it_woke() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let mut stream = client.stream().await;
    let list = |client: &Client| client.start(json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}));
    let reply = list(&client);
    let request = worker.expect("tools/list").await;
    worker.answer(&request, json!({"tools":["old"]})).await;
    soon(reply).await.expect("post");
    worker.stopped().await;
    assert_eq!(house.bridge.figures().streams, 1);
    for (tools, changed) in [("old", false), ("new", true)] {
        let reply = client.start(call(1, "x"));
        let mut worker = revived(&house).await;
        for _ in 0..2 {
            let request = worker.next().await;
            let result = if request["method"] == "tools/list" { json!({"tools":[tools]}) } else { json!({}) };
            worker.answer(&request, result).await;
        }
        soon(reply).await.expect("post");
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/prompts/list_changed"})).await;
        let mut heard = vec![stream.data().await["method"].clone()];
        if changed {
            heard.push(stream.data().await["method"].clone());
            heard.sort_by_key(ToString::to_string);
            assert_eq!(heard, ["notifications/prompts/list_changed", "notifications/tools/list_changed"]);
        } else {
            assert_eq!(heard, ["notifications/prompts/list_changed"]);
        }
        worker.exit(0);
    }
}

#[tokio::test(start_paused = true)]
async fn live_subscriptions_keep_a_worker_and_an_open_stream_alone_does_not() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:1"}}));
    let request = worker.expect("resources/subscribe").await;
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
    let mut stream = client.stream().await;
    tokio::time::sleep(Duration::from_hours(5)).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:1"}})).await;
    assert_eq!(stream.data().await["params"]["uri"], "a:1");
    drop(stream);
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_id_never_comes_back_is_hibernated_after_a_minute_and_can_still_be_used() {
    let house = House::new();
    let mut client = house.client("alice");
    let reply = client.start(initialize("2025-11-25"));
    let mut worker = house.worker().await;
    worker.greet().await;
    client.session = soon(reply).await.expect("post").session_id;
    let begun = tokio::time::Instant::now();
    worker.stopped().await;
    assert!(begun.elapsed() <= Duration::from_secs(66), "{:?}", begun.elapsed());
    let reply = client.start(call(1, "x"));
    let mut worker = house.worker().await;
    worker.greet().await;
    // The client has not said `initialized`, so nobody does.
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_gave_up_their_workers_leave_the_memory_before_the_next_sweep_and_come_back() {
    let house = House::with(|config| {
        config.max_sessions_per_user = 1;
        config.sweep_interval = Duration::from_hours(1);
    });
    // The first tick of the sweep is at once.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (first, _) = house.session("2025-11-25").await;
    let mut others = Vec::new();
    for _ in 0..5 {
        others.push(house.session("2025-11-25").await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(house.bridge.figures().sessions, 1);
    let reply = first.start(call(1, "x"));
    let mut again = revived(&house).await;
    let request = again.expect("tools/call").await;
    again.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn hibernated_sessions_leave_the_memory_and_come_back_from_the_store() {
    let house = House::new();
    let (client, worker) = house.session("2025-11-25").await;
    worker.stopped().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(house.bridge.figures().sessions, 0);
    let reply = client.start(call(1, "x"));
    let mut worker = revived(&house).await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn t54_trap_28_a_session_is_found_by_its_user_and_client_only() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let mut stranger = client.clone();
    stranger.who = principal("mallory");
    let mut other_client = client.clone();
    other_client.who.client = "another client".into();
    for intruder in [stranger, other_client] {
        let answers = [intruder.post(call(1, "x")).await, intruder.get(None).await, intruder.delete().await];
        let mut unknown = intruder.clone();
        unknown.session = Some("A".repeat(43));
        let expected = body(unknown.post(call(1, "x")).await)["error"].clone();
        for answer in answers {
            assert_eq!(answer.status, 404);
            assert_eq!(body(answer)["error"], expected);
        }
    }
    served(&client, &mut worker).await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_grant_of_the_same_user_and_client_takes_the_session_along() {
    let house = House::new();
    let (mut client, mut worker) = house.session("2025-11-25").await;
    client.who.grant = "a newer grant".into();
    assert_eq!(served(&client, &mut worker).await["result"]["served"], true);
    assert_eq!(&*house.store.only().grant, "a newer grant");
    let access = house.issuer.accesses.lock().expect("lock")[0].clone();
    assert_eq!(access.assigned.lock().expect("lock").last(), Some(&client.who));
    // The end of the old grant no longer concerns it, that of the new one does.
    house.bridge.end_grant("grant of alice").await;
    served(&client, &mut worker).await;
    house.bridge.end_grant("a newer grant").await;
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_initializes_again_gets_another_session_and_keeps_the_first() {
    let house = House::new();
    let (client, mut first) = house.session("2025-11-25").await;
    let reply = client.start(initialize("2025-06-18"));
    let mut second = house.worker().await;
    second.greet().await;
    let reply = soon(reply).await.expect("post");
    assert!(reply.session_id.is_some() && reply.session_id != client.session);
    served(&client, &mut first).await;
}

#[tokio::test(start_paused = true)]
async fn last_seen_is_written_at_most_once_a_minute() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = house.store.updates.load(Ordering::SeqCst);
    for _ in 0..50 {
        served(&client, &mut worker).await;
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(house.store.updates.load(Ordering::SeqCst), before);
    for _ in 0..50 {
        served(&client, &mut worker).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(house.store.updates.load(Ordering::SeqCst), before + 1);
    assert!(house.store.only().last_seen > house.store.only().created_at);
}

#[tokio::test(start_paused = true)]
async fn changes_wait_for_a_store_that_is_away() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    house.store.broken.store(true, Ordering::SeqCst);
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"error"}}));
    let request = worker.expect("logging/setLevel").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    tokio::time::sleep(Duration::from_mins(1)).await;
    house.store.broken.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(house.store.only().log_level.as_deref(), Some("error"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_session_is_503_not_404_while_the_store_is_away() {
    let house = House::new();
    let mut client = house.client("alice");
    client.session = Some("A".repeat(43));
    house.store.broken.store(true, Ordering::SeqCst);
    let reply = client.post(call(1, "x")).await;
    assert_eq!((reply.status, reply.retry_after), (503, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn concurrent_calls_to_a_sleeping_session_wake_one_worker() {
    let house = House::new();
    let (client, worker) = house.session("2025-11-25").await;
    worker.stopped().await;
    let client = Arc::new(client);
    let replies: Vec<_> = (0..20).map(|n| client.start(call(n, "x"))).collect();
    let mut worker = revived(&house).await;
    for _ in 0..20 {
        let request = worker.expect("tools/call").await;
        worker.answer(&request, json!({})).await;
    }
    for (n, reply) in replies.into_iter().enumerate() {
        assert_eq!(body(soon(reply).await.expect("post"))["id"], n);
    }
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn trap_31_a_stream_that_ends_with_its_token_ends_no_call() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.start(call(1, "slow"));
    let request = worker.expect("tools/call").await;
    // The endpoint drops the stream when the token has expired; the client comes back with a new token.
    drop(Events::of(soon(reply).await.expect("post")));
    worker.answer(&request, json!({})).await;
    assert_eq!(served(&client, &mut worker).await["result"]["served"], true);
}
