//! Several bridges on one store: each session has one owner, and a request finds it.

mod commune;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bridge::replica::{Held, Via};
use bridge::reply::{PostHead, Reply, ReplyBody};
use serde_json::{Value, json};

pub(crate) use self::commune::{Commune, Member};
use crate::house::{Client, Events, Puppet, body, call, refusal, soon, status_and_text};

const VERSION: &str = "2025-06-18";

/// The same client at another replica.
fn at(member: &Member, client: &Client) -> Client {
    Client { bridge: member.house.bridge.clone(), ..client.clone() }
}

async fn post_via(client: &Client, via: Via, message: &Value) -> Reply {
    let head = PostHead { session_id: client.session.clone(), via, ..PostHead::default() };
    soon(client.bridge.post(&client.who, head, message.to_string().into())).await
}

/// Where a reply says that the request belongs.
fn elsewhere(reply: Reply) -> (String, Held) {
    match reply.body {
        ReplyBody::Elsewhere(elsewhere) => (elsewhere.replica.to_string(), elsewhere.held),
        _ => panic!("answered here: {}", status_and_text(reply)),
    }
}

/// Calls a tool of a session that gets a fresh worker for it.
async fn call_revived(member: &Member, client: &Client) -> (Puppet, Value) {
    let reply = client.start(call(7, "whoami"));
    let mut worker = member.house.worker().await;
    let params = worker.greet().await;
    assert_eq!(params["clientInfo"]["name"], "test", "not the client's own handshake");
    worker.expect("notifications/initialized").await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({"by":member.id()})).await;
    (worker, body(soon(reply).await.expect("post"))["result"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_request_for_anothers_session_is_sent_there_and_answered_there_only_under_the_right_epoch() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, mut worker) = one.house.session(VERSION).await;
    let stranger = at(&two, &client);
    for _ in 0..2 {
        assert_eq!(elsewhere(stranger.post(call(1, "x")).await), ("one".to_owned(), Held::Session { epoch: 1 }));
    }
    assert_eq!(commune.takes(), 1, "where it is was not remembered");
    assert_eq!(elsewhere(stranger.get(None).await).0, "one");
    assert_eq!(elsewhere(stranger.delete().await).0, "one");
    let hop = |epoch| Via::Replica(Held::Session { epoch });
    // The one that is asked in another's name answers, or says that it is not the one; it asks nobody else.
    assert_eq!(elsewhere(post_via(&stranger, hop(1), &call(1, "x")).await).0, "one");
    assert_eq!(
        elsewhere(post_via(&client, hop(2), &call(1, "x")).await),
        ("one".to_owned(), Held::Session { epoch: 1 })
    );
    let message = call(5, "x");
    let reply = post_via(&client, hop(1), &message);
    let answer = async {
        let request = worker.expect("tools/call").await;
        worker.answer(&request, json!({"ok":true})).await;
    };
    let (reply, ()) = tokio::join!(reply, answer);
    assert_eq!(body(reply)["result"], json!({"ok":true}));
    assert!(!two.house.worker_waits().await, "a second worker was started for the session");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_owner_has_died_is_taken_over_with_its_handshake() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, _worker) = one.house.session(VERSION).await;
    one.die();
    let (_worker, result) = call_revived(&two, &at(&two, &client)).await;
    assert_eq!(result, json!({"by":"two"}));
    assert_eq!(commune.owner(), ("two".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_of_a_dead_owner_does_not_keep_the_session_from_being_taken() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, _worker) = one.house.session(VERSION).await;
    let client = at(&two, &client);
    assert_eq!(elsewhere(client.post(call(1, "x")).await).0, "one");
    one.die();
    for via in [Via::Again, Via::Refused] {
        let reply = post_via(&client, via, &json!({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})).await;
        assert_eq!(reply.status, 202);
    }
    assert_eq!(commune.owner(), ("two".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn of_replicas_that_take_a_session_at_once_one_gets_it() {
    for round in 0..20 {
        let commune = Commune::default();
        let owner = commune.member("owner");
        let rivals: Vec<Member> = (0..4).map(|number| commune.member(&format!("rival {number}"))).collect();
        let (client, _worker) = owner.house.session(VERSION).await;
        owner.die();
        let note = json!({"jsonrpc":"2.0","method":"notifications/roots/list_changed"});
        let replies: Vec<_> = rivals.iter().map(|rival| at(rival, &client).start(&note)).collect();
        let mut taken = Vec::new();
        for (reply, rival) in replies.into_iter().zip(&rivals) {
            let reply = soon(reply).await.expect("post");
            if reply.status == 202 {
                taken.push(rival.id().to_owned());
            } else {
                elsewhere(reply);
            }
        }
        assert_eq!(taken.len(), 1, "round {round}: {taken:?}");
        assert_eq!(commune.owner(), (taken[0].clone(), 2));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_fenced_owner_still_has_to_write_is_refused_and_its_session_dropped() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, mut worker) = one.house.session(VERSION).await;
    // It believes to own the session still: its own clock has not told it yet.
    one.seem_dead();
    let (_theirs, _) = call_revived(&two, &at(&two, &client)).await;
    let before = one.store().only();
    let reply = client.start(json!({"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}));
    let request = worker.expect("logging/setLevel").await;
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
    worker.stopped().await;
    assert_eq!(one.store().only(), before, "a fenced owner has written");
    let accesses = one.house.issuer.accesses.lock().expect("lock").clone();
    assert!(accesses[0].revoked.load(Ordering::SeqCst) > 0, "its worker could still reach Forgejo");
    assert_eq!(elsewhere(client.post(call(3, "x")).await).0, "two");
}

#[tokio::test(start_paused = true)]
async fn an_owner_without_its_lease_serves_no_session_and_goes_on_when_it_has_one_again() {
    let commune = Commune::default();
    let one = commune.member("one");
    let (client, worker) = one.house.session(VERSION).await;
    let mut stream = client.stream().await;
    let waiting = client.start(call(1, "slow"));
    one.lose_lease();
    // Even before it is told: the request looks itself.
    assert_eq!(refusal(client.post(call(2, "x")).await), (503, -32000));
    assert_eq!(refusal(client.post(crate::house::initialize(VERSION)).await).0, 503);
    one.house.bridge.lose_sessions();
    assert_eq!(soon(waiting).await.expect("post").status, 503);
    while stream.frame().await.is_some() {}
    let accesses = one.house.issuer.accesses.lock().expect("lock").clone();
    assert!(accesses[0].revoked.load(Ordering::SeqCst) > 0, "its worker could still reach Forgejo");
    worker.stopped().await;
    one.revive();
    let (_worker, result) = call_revived(&one, &client).await;
    assert_eq!(result, json!({"by":"one"}));
    assert_eq!(commune.owner(), ("one".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_being_taken_when_the_lease_is_lost_is_not_served() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, _worker) = one.house.session(VERSION).await;
    one.die();
    let held = commune.hold_takes().await;
    let reply = at(&two, &client).start(call(1, "x"));
    held.until_somebody_waits().await;
    two.house.bridge.lose_sessions();
    drop(held);
    assert_eq!(refusal(soon(reply).await.expect("post")), (503, -32000));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_is_released_and_any_replica_takes_it_without_asking() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, mut worker) = one.house.session(VERSION).await;
    let reply = client.start(json!({"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}));
    let request = worker.expect("logging/setLevel").await;
    worker.answer(&request, json!({})).await;
    soon(reply).await.expect("post");
    worker.stopped().await;
    soon(commune.released()).await;
    let client = at(&two, &client);
    let reply = client.start(call(7, "x"));
    let mut worker = two.house.worker().await;
    worker.greet().await;
    worker.expect("notifications/initialized").await;
    let level = worker.expect("logging/setLevel").await;
    assert_eq!(level["params"]["level"], "debug", "the release came before the last change");
    worker.answer(&level, json!({})).await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    assert_eq!(commune.owner(), ("two".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_session_with_an_open_stream_is_kept_without_its_worker() {
    let commune = Commune::default();
    let one = commune.member("one");
    let (client, worker) = one.house.session(VERSION).await;
    let _stream = client.stream().await;
    worker.stopped().await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(commune.owner(), ("one".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_stops_releases_what_rests_at_once_and_the_rest_as_its_calls_end() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (resting, _worker) = one.house.session(VERSION).await;
    let (busy, mut worker) = one.house.session_of("bob", VERSION).await;
    let reply = busy.start(call(1, "slow"));
    let request = worker.expect("tools/call").await;
    let bridge = one.house.bridge.clone();
    let drained = tokio::spawn(async move { bridge.drain(Duration::from_mins(10)).await });
    let (_worker, result) = loop {
        let client = at(&two, &resting);
        match post_via(&client, Via::Again, &json!({"jsonrpc":"2.0","method":"notifications/roots/list_changed"}))
            .await
            .status
        {
            202 => break call_revived(&two, &client).await,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(result, json!({"by":"two"}));
    assert_eq!(elsewhere(at(&two, &busy).post(call(2, "x")).await).0, "one");
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    soon(drained).await.expect("drain");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_owner_and_goes_on_at_the_next_one() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (client, _worker) = one.house.session("2025-11-25").await;
    let mut stream = client.stream().await;
    let id = loop {
        if let Some(crate::house::Frame::Priming(id)) = stream.frame().await {
            break id;
        }
    };
    one.die();
    one.house.bridge.lose_sessions();
    while stream.frame().await.is_some() {}
    let mut again = Events::of(at(&two, &client).get(Some(&id)).await);
    assert!(again.frame().await.is_some());
    assert_eq!(commune.owner(), ("two".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn the_way_to_forgejo_of_a_sessions_worker_is_open_only_under_the_lease() {
    let commune = Commune::default();
    let one = commune.member("one");
    let (_client, _worker) = one.house.session(VERSION).await;
    let access = one.house.issuer.accesses.lock().expect("lock")[0].clone();
    let lease = access.lease.lock().expect("lock").clone().expect("no lease");
    assert!(lease.is_held());
    one.lose_lease();
    assert!(!lease.is_held());
}
