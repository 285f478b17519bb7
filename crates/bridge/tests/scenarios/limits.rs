use serde_json::json;

use crate::house::{Events, House, body, call, initialize, refusal, soon};

#[tokio::test(start_paused = true)]
async fn over_the_users_cap_his_longest_idle_worker_makes_room() {
    let house = House::with(|config| config.max_sessions_per_user = 2);
    let (_first, first) = house.session("2025-11-25").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let (second, mut seconds) = house.session("2025-11-25").await;
    let (_third, _thirds) = house.session("2025-11-25").await;
    first.stopped().await;
    assert_eq!(house.bridge.figures().workers, 2);
    let reply = second.start(call(1, "x"));
    let request = seconds.expect("tools/call").await;
    seconds.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_workers_are_all_busy_is_told_to_wait_and_others_are_not() {
    let house = House::with(|config| config.max_sessions_per_user = 1);
    let (client, mut worker) = house.session("2025-11-25").await;
    let running = client.start(call(1, "slow"));
    let request = worker.expect("tools/call").await;
    let reply = client.post(initialize("2025-11-25")).await;
    assert_eq!((reply.status, reply.retry_after), (429, Some(5)));
    house.session_of("bob", "2025-11-25").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(running).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_house_is_503_and_an_idle_worker_of_anybody_makes_room_first() {
    let house = House::with(|config| config.max_sessions = 2);
    let (alice, mut alices) = house.session_of("alice", "2025-11-25").await;
    let (_bob, bobs) = house.session_of("bob", "2025-11-25").await;
    let running = alice.start(call(1, "slow"));
    let request = alices.expect("tools/call").await;
    let (carol, mut carols) = house.session_of("carol", "2025-11-25").await;
    bobs.stopped().await;
    let also_running = carol.start(call(1, "slow"));
    let carols_request = carols.expect("tools/call").await;
    let reply = house.client("dave").post(initialize("2025-11-25")).await;
    assert_eq!((reply.status, reply.retry_after), (503, Some(5)));
    alices.answer(&request, json!({})).await;
    carols.answer(&carols_request, json!({})).await;
    assert_eq!(soon(running).await.expect("post").status, 200);
    assert_eq!(soon(also_running).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn open_calls_are_capped_by_user_and_by_worker() {
    let house = House::with(|config| {
        config.max_calls_per_user = 3;
        config.max_calls_per_worker = 2;
    });
    let (client, mut worker) = house.session("2025-11-25").await;
    let running: Vec<_> = (0..2).map(|n| client.start(call(n, "slow"))).collect();
    let requests = [worker.expect("tools/call").await, worker.expect("tools/call").await];
    let over_worker = client.post(call(2, "x")).await;
    assert_eq!((over_worker.status, over_worker.retry_after), (503, Some(1)));
    let (other, mut others) = house.session("2025-11-25").await;
    let third = other.start(call(3, "slow"));
    let third_request = others.expect("tools/call").await;
    let over_user = other.post(call(4, "x")).await;
    assert_eq!((over_user.status, over_user.retry_after, body(over_user)["id"].clone()), (429, Some(1), json!(4)));
    // Another user is not concerned.
    let (bob, mut bobs) = house.session_of("bob", "2025-11-25").await;
    let bobs_call = bob.start(call(1, "x"));
    let request = bobs.expect("tools/call").await;
    bobs.answer(&request, json!({})).await;
    assert_eq!(soon(bobs_call).await.expect("post").status, 200);
    worker.answer(&requests[0], json!({})).await;
    worker.answer(&requests[1], json!({})).await;
    others.answer(&third_request, json!({})).await;
    for reply in running.into_iter().chain([third]) {
        assert_eq!(soon(reply).await.expect("post").status, 200);
    }
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_a_clear_503() {
    let house = House::with(|config| config.worker_queue = 2);
    let (client, _worker) = house.session("2025-11-25").await;
    // Nobody reads: one is in the pipe, as many as the queue holds wait behind it.
    let big = |n: i64| json!({"jsonrpc":"2.0","id":n,"method":"tools/call","params":{"x":"x".repeat(100_000)}});
    let _waiting: Vec<_> = (0..4).map(|n| client.start(big(n))).collect();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let mut replies = Vec::new();
    for n in 10..14 {
        replies.push(client.start(big(n)));
    }
    let reply = soon(replies.pop().expect("four")).await.expect("post");
    assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
    assert_eq!(refusal(reply), (503, -32000));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_in_bytes_too() {
    let house = House::with(|config| config.worker_queue_bytes = 250_000);
    let (client, _worker) = house.session("2025-11-25").await;
    let big = |n: i64| json!({"jsonrpc":"2.0","id":n,"method":"tools/call","params":{"x":"x".repeat(100_000)}});
    let mut waiting = Vec::new();
    for n in 0..2 {
        waiting.push(client.start(big(n)));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(refusal(client.post(big(7)).await), (503, -32000));
}

#[tokio::test(start_paused = true)]
async fn server_streams_are_capped_by_user() {
    let house = House::with(|config| config.max_streams_per_user = 1);
    let (client, _worker) = house.session("2025-11-25").await;
    let stream = client.stream().await;
    let reply = client.get(None).await;
    assert_eq!((reply.status, reply.retry_after), (429, Some(5)));
    drop(stream);
    drop(Events::of(client.get(None).await));
    assert_eq!(house.bridge.figures().streams, 0);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_of_a_session_are_capped() {
    let house = House::with(|config| config.max_subscriptions = 1);
    let (client, mut worker) = house.session("2025-11-25").await;
    let subscribe = |uri: &str| json!({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":uri}});
    let reply = client.start(subscribe("a:1"));
    let request = worker.expect("resources/subscribe").await;
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
    assert_eq!(refusal(client.post(subscribe("a:2")).await), (200, -32000));
}

/// A client that loops `initialize` and ends nothing.
#[tokio::test(start_paused = true)]
async fn stored_sessions_are_capped_and_the_longest_unused_one_goes() {
    let house = House::with(|config| config.max_stored_sessions = 3);
    let (busy, mut busys) = house.session("2025-11-25").await;
    let running = busy.start(call(1, "slow"));
    let request = busys.expect("tools/call").await;
    let (streaming, _streamings) = house.session("2025-11-25").await;
    let _stream = streaming.stream().await;
    let (unused, unuseds) = house.session("2025-11-25").await;
    let (bob, _bobs) = house.session_of("bob", "2025-11-25").await;
    let (_newest, _newests) = house.session("2025-11-25").await;
    // Neither of the two older ones, which are in use, and nobody else's.
    unuseds.stopped().await;
    assert_eq!(house.store.records.lock().expect("lock").len(), 4);
    assert_eq!(unused.post(call(2, "x")).await.status, 404);
    assert_eq!(bob.post(json!({"jsonrpc":"2.0","method":"notifications/cancelled"})).await.status, 202);
    busys.answer(&request, json!({})).await;
    assert_eq!(soon(running).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_user_with_many_connections_is_capped_too() {
    let house = House::with(|config| config.max_stored_sessions_per_user = 2);
    let mut sessions = Vec::new();
    for grant in 0..4 {
        let mut client = house.client("alice");
        client.who.grant = format!("grant {grant}").into();
        let reply = client.start(initialize("2025-11-25"));
        let mut worker = house.worker().await;
        worker.greet().await;
        client.session = soon(reply).await.expect("post").session_id;
        sessions.push((client, worker));
    }
    assert_eq!(house.store.records.lock().expect("lock").len(), 2);
    assert_eq!(sessions[0].0.post(call(1, "x")).await.status, 404);
}

/// However one user presses, another gets his share of a full house.
#[tokio::test(start_paused = true)]
async fn one_user_cannot_starve_another() {
    let house = House::with(|config| {
        config.max_sessions = 4;
        config.max_sessions_per_user = 2;
    });
    let mut greedy = Vec::new();
    for _ in 0..2 {
        let (client, mut worker) = house.session_of("mallory", "2025-11-25").await;
        let running = client.start(call(1, "for ever"));
        worker.expect("tools/call").await;
        greedy.push((client, worker, running));
    }
    for _ in 0..20 {
        let reply = house.client("mallory").post(initialize("2025-11-25")).await;
        assert_eq!((reply.status, reply.retry_after), (429, Some(5)));
    }
    let (alice, mut alices) = house.session_of("alice", "2025-11-25").await;
    let reply = alice.start(call(1, "x"));
    let request = alices.expect("tools/call").await;
    alices.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    assert_eq!(house.bridge.figures().workers, 3);
}
