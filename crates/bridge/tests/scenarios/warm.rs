//! Workers that are started before anybody needs them (issue: warm workers; W01).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bridge::process::SpawnError;
use bridge::profile::WorkerEra;
use serde_json::json;

use crate::house::{House, Puppet, body, call, initialize, principal, soon};

fn warm(number: usize) -> House {
    House::with(|config| config.warm_workers = number)
}

/// Begins a session that is given this worker.
async fn session_on(house: &House, user: &str, worker: &mut Puppet) -> crate::house::Client {
    let mut client = house.client(user);
    let reply = client.start(initialize("2025-11-25"));
    worker.greet().await;
    client.session = soon(reply).await.expect("post").session_id;
    client.post(json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await;
    worker.expect("notifications/initialized").await;
    client
}

async fn idle(house: &House, number: usize) {
    while house.bridge.figures().warm_workers != number {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_gets_a_worker_that_was_there_before_it() {
    let house = warm(1);
    let mut worker = house.worker().await;
    let access = house.issuer.accesses.lock().expect("lock")[0].clone();
    assert!(access.assigned.lock().expect("lock").is_empty(), "it belongs to somebody already");
    let client = session_on(&house, "alice", &mut worker).await;
    assert_eq!(*access.assigned.lock().expect("lock").first().expect("assigned"), principal("alice"));
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({"warm":true})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["warm"], true);
    // Another one takes its place among those that wait.
    let next = house.worker().await;
    assert_ne!(next.request.token, worker.request.token);
    assert_eq!(house.seen.warm_used.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_had_a_user_is_never_given_to_another() {
    let house = warm(1);
    let mut first = house.worker().await;
    let client = session_on(&house, "alice", &mut first).await;
    let mut second = house.worker().await;
    client.delete().await;
    first.stopped().await;
    session_on(&house, "bob", &mut second).await;
    for access in house.issuer.accesses.lock().expect("lock").iter() {
        let assigned = access.assigned.lock().expect("lock");
        assert!(assigned.windows(2).all(|pair| pair[0].user == pair[1].user), "{assigned:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_while_it_waits_is_replaced_and_the_operator_is_told() {
    let house = warm(1);
    house.worker().await.exit(3);
    let mut next = house.worker().await;
    assert_eq!(house.seen.warm_lost.load(Ordering::SeqCst), 1);
    session_on(&house, "alice", &mut next).await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_while_it_waits_is_started_less_and_less_often() {
    let house = warm(2);
    let begun = tokio::time::Instant::now();
    for _ in 0..8 {
        house.worker().await.exit(1);
    }
    assert!(begun.elapsed() >= Duration::from_secs(15), "{:?}", begun.elapsed());
    // The breaker is the same that a session meets.
    let reply = house.client("alice").post(initialize("2025-11-25")).await;
    assert_eq!(reply.status, 503);
    assert!(reply.retry_after.is_some_and(|seconds| seconds > 1), "{:?}", reply.retry_after);
}

#[tokio::test(start_paused = true)]
async fn workers_killed_from_outside_do_not_trip_the_breaker() {
    let house = warm(1);
    for _ in 0..6 {
        house.worker().await.killed();
    }
    // Whatever the pool waits for, a session has a process of its own started.
    let reply = house.client("alice").start(initialize("2025-11-25"));
    house.worker().await.greet().await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    assert_eq!(house.bridge.figures().failed_starts, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_costs_a_moment_and_not_the_session() {
    let house = warm(1);
    let mut mute = house.worker().await;
    let reply = house.client("alice").start(initialize("2025-11-25"));
    mute.expect("initialize").await;
    let refill = house.worker().await;
    let mut fresh = house.worker().await;
    mute.stopped().await;
    fresh.greet().await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    assert_eq!(house.bridge.figures().failed_starts, 0, "the program is not to blame");
    drop(refill);
}

#[tokio::test(start_paused = true)]
async fn the_old_and_those_of_an_older_program_are_replaced() {
    let house = House::with(|config| {
        config.warm_workers = 1;
        config.warm_worker_lifetime = Duration::from_mins(1);
    });
    let old = house.worker().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    old.stopped().await;
    let of_yesterday = house.worker().await;
    house.upgrade();
    let reply = house.client("alice").start(initialize("2025-11-25"));
    let mut own = house.worker().await;
    own.greet().await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    of_yesterday.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn they_count_within_the_cap_and_make_room_for_users() {
    let house = House::with(|config| {
        config.max_sessions = 2;
        config.warm_workers = 2;
    });
    let (mut first, mut second) = (house.worker().await, house.worker().await);
    let _alice = session_on(&house, "alice", &mut first).await;
    assert_eq!((house.bridge.figures().workers, house.bridge.figures().warm_workers), (1, 1));
    let bob = session_on(&house, "bob", &mut second).await;
    assert_eq!((house.bridge.figures().workers, house.bridge.figures().warm_workers), (2, 0));
    assert!(!house.worker_waits().await);
    bob.delete().await;
    idle(&house, 1).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_broker_stops_they_end_and_no_more_are_started() {
    let house = warm(2);
    let (first, second) = (house.worker().await, house.worker().await);
    house.bridge.drain(Duration::from_secs(5)).await;
    first.stopped().await;
    second.stopped().await;
    assert!(!house.worker_waits().await);
    assert_eq!(house.bridge.figures().warm_workers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_program_of_2026_07_28_is_asked_and_warmed_before_the_first_client() {
    let house = House::of_era(WorkerEra::Modern, |config| config.warm_workers = 1);
    let mut probe = house.worker().await;
    probe.discovered().await;
    let mut worker = house.worker().await;
    let mut client = house.client("alice");
    let reply = client.start(initialize("2025-11-25"));
    worker.discovered().await;
    client.session = soon(reply).await.expect("post").session_id;
    assert!(client.session.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_room_is_not_asked_without_end() {
    let house = House::build_failing(
        20,
        || SpawnError::Exhausted("no more processes".to_owned()),
        |config| {
            config.warm_workers = 1;
        },
    );
    let begun = tokio::time::Instant::now();
    let mut worker = house.worker().await;
    assert!(begun.elapsed() >= Duration::from_mins(5), "{:?}", begun.elapsed());
    session_on(&house, "alice", &mut worker).await;
}
