use std::time::Duration;

use bridge::observer::DroppedMessage;
use serde_json::{Value, json};

use crate::house::{Client, Events, Frame, House, Puppet, body, call, refusal, soon};

fn changed(what: &str) -> Value {
    json!({"jsonrpc":"2.0","method":format!("notifications/{what}/list_changed")})
}

async fn streaming_call(client: &Client, worker: &mut Puppet) -> (Events, Value) {
    let reply = client.start(call("c", "slow"));
    let request = worker.expect("tools/call").await;
    (Events::of(soon(reply).await.expect("post")), request)
}

#[tokio::test(start_paused = true)]
async fn trap_13_t32_a_change_goes_to_exactly_one_stream() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let mut stream = client.stream().await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.say(changed("tools")).await;
    worker.answer(&request, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["id"], 1);
    assert_eq!(stream.data().await, changed("tools"));
    drop(stream);
    // Without a server stream it goes on the running call's.
    let reply = client.start(call(2, "x"));
    let request = worker.expect("tools/call").await;
    worker.say(changed("prompts")).await;
    worker.answer(&request, json!({})).await;
    let events = Events::of(soon(reply).await.expect("post")).rest().await;
    assert_eq!(events[0], changed("prompts"));
    // With neither it waits for the next one.
    worker.say(changed("resources")).await;
    assert_eq!(client.stream().await.data().await, changed("resources"));
}

#[tokio::test(start_paused = true)]
async fn a_second_server_stream_takes_over_and_the_first_ends() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let first = client.stream().await;
    let mut second = client.stream().await;
    assert_eq!(first.rest().await, Vec::<Value>::new());
    worker.say(changed("tools")).await;
    assert_eq!(second.data().await, changed("tools"));
    assert_eq!(house.bridge.figures().streams, 1);
}

#[tokio::test(start_paused = true)]
async fn t42_what_a_lost_connection_missed_is_replayed_after_its_last_event() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let mut stream = client.stream().await;
    for what in ["one", "two", "three"] {
        worker.say(changed(what)).await;
    }
    let (id, _) = stream.event().await;
    stream.event().await;
    stream.event().await;
    drop(stream);
    let mut again = Events::of(client.get(Some(&id)).await);
    assert_eq!((again.data().await, again.data().await), (changed("two"), changed("three")));
    worker.say(changed("four")).await;
    assert_eq!(again.data().await, changed("four"));
}

#[tokio::test(start_paused = true)]
async fn t43_t45_a_posts_stream_is_resumed_by_get_with_its_own_messages_only() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let (mut events, request) = streaming_call(&client, &mut worker).await;
    // T44: an id to resume from, before there is anything to say.
    let Some(Frame::Priming(id)) = events.frame().await else { panic!("no priming event") };
    drop(events);
    worker.say(changed("tools")).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}})).await;
    worker.answer(&request, json!({"kept":true})).await;
    worker.heard().await;
    let resumed = Events::of(client.get(Some(&id)).await).rest().await;
    assert_eq!(resumed, [json!({"jsonrpc":"2.0","id":"c","result":{"kept":true}})]);
    // The others went where there was nobody, and wait there.
    let mut stream = client.stream().await;
    assert_eq!(stream.data().await, changed("tools"));
    assert_eq!(stream.data().await["method"], "notifications/message");
}

#[tokio::test(start_paused = true)]
async fn t44_only_clients_that_know_them_get_priming_events() {
    let house = House::new();
    for (version, primed) in [("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true)] {
        let (client, mut worker) = house.session(version).await;
        let (mut events, _) = streaming_call(&client, &mut worker).await;
        assert_eq!(matches!(events.frame().await, Some(Frame::Priming(_))), primed, "{version}");
        assert_eq!(matches!(client.stream().await.frame().await, Some(Frame::Priming(_))), primed, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn t40_event_ids_are_unique_within_the_session() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let mut stream = client.stream().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        worker.say(changed("tools")).await;
        ids.push(stream.event().await.0);
        let (mut events, request) = streaming_call(&client, &mut worker).await;
        worker.answer(&request, json!(n)).await;
        ids.push(events.event().await.0);
        assert!(events.frame().await.is_none(), "T21: closed after the answer");
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_resume_is_no_stream() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let (mut events, request) = streaming_call(&client, &mut worker).await;
    worker.answer(&request, json!({})).await;
    let (last, _) = events.event().await;
    // An empty stream would be asked for again and again.
    assert_eq!(refusal(client.get(Some(&last)).await).0, 405);
    assert_eq!(refusal(client.get(Some("dead-4-1")).await).0, 405);
    // The server stream of an earlier life goes on as that of this one.
    let mut stream = Events::of(client.get(Some("dead-0-17")).await);
    worker.say(changed("tools")).await;
    assert_eq!(stream.data().await, changed("tools"));
}

#[tokio::test(start_paused = true)]
async fn trap_15_a_question_goes_on_the_running_calls_stream_first() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let mut stream = client.stream().await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    let ask = |id: &str| json!({"jsonrpc":"2.0","id":id,"method":"sampling/createMessage","params":{"messages":[]}});
    worker.say(ask("q1")).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let first = events.data().await;
    worker.answer(&request, json!({})).await;
    events.data().await;
    // No call: the server stream.
    worker.say(ask("q2")).await;
    let second = stream.data().await;
    assert_ne!(first["id"], second["id"]);
    for (question, id) in [(&second, "q2"), (&first, "q1")] {
        let answer = json!({"jsonrpc":"2.0","id":question["id"],"error":{"code":-1,"message":"no"}});
        assert_eq!(client.post(answer).await.status, 202);
        assert_eq!(worker.next().await, json!({"jsonrpc":"2.0","id":id,"error":{"code":-1,"message":"no"}}));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_15_a_question_that_nobody_hears_is_answered_with_an_error_and_taken_back() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let begun = tokio::time::Instant::now();
    worker.say(json!({"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{}})).await;
    let refused = worker.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(0), &json!(-32001)));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    worker.say(changed("tools")).await;
    assert_eq!(client.stream().await.data().await, changed("tools"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_answers_roots_list_holds_no_call_up() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let reply = client.start(call(1, "x"));
    let request = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","id":"r","method":"roots/list"})).await;
    assert_eq!(Events::of(soon(reply).await.expect("post")).data().await["method"], "roots/list");
    let begun = tokio::time::Instant::now();
    assert_eq!(worker.next().await["error"]["code"], -32001);
    assert!(begun.elapsed() <= Duration::from_secs(10));
    worker.answer(&request, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_the_worker_withdraws_is_withdrawn_at_the_client() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let mut stream = client.stream().await;
    worker.say(json!({"jsonrpc":"2.0","id":"w","method":"elicitation/create","params":{}})).await;
    let question = stream.data().await;
    worker
        .say(json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"w","reason":"x"}}))
        .await;
    assert_eq!(stream.data().await["params"], json!({"requestId":question["id"],"reason":"x"}));
    assert_eq!(client.post(json!({"jsonrpc":"2.0","id":question["id"],"result":{}})).await.status, 202);
    worker.heard().await;
}

#[tokio::test(start_paused = true)]
async fn trap_16_an_answer_reaches_only_the_session_that_was_asked() {
    let house = House::new();
    let (alice, mut worker) = house.session("2025-06-18").await;
    let (bob, mut bobs) = house.session_of("bob", "2025-06-18").await;
    let mut stream = alice.stream().await;
    worker.say(json!({"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{}})).await;
    let id = stream.data().await["id"].clone();
    let answer = |who: &str| json!({"jsonrpc":"2.0","id":id,"result":{"from":who}});
    assert_eq!(bob.post(answer("bob")).await.status, 202);
    bobs.heard().await;
    assert_eq!(alice.post(answer("alice")).await.status, 202);
    assert_eq!(worker.next().await, json!({"jsonrpc":"2.0","id":0,"result":{"from":"alice"}}));
    // Answered once is answered.
    assert_eq!(alice.post(answer("alice again")).await.status, 202);
    worker.heard().await;
}

#[tokio::test(start_paused = true)]
async fn trap_16_a_fresh_worker_is_not_given_the_answer_to_its_predecessors_question() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let mut stream = client.stream().await;
    let ask = json!({"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{}});
    worker.say(&ask).await;
    let old = stream.data().await["id"].clone();
    worker.exit(1);
    let reply = client.start(call(1, "x"));
    let mut worker = house.worker().await;
    worker.greet().await;
    worker.expect("notifications/initialized").await;
    worker.expect("tools/call").await;
    worker.say(&ask).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let new = events.data().await["id"].clone();
    assert_ne!(old, new);
    client.post(json!({"jsonrpc":"2.0","id":old,"result":{"to":"the dead"}})).await;
    client.post(json!({"jsonrpc":"2.0","id":new,"result":{"to":"the living"}})).await;
    assert_eq!(worker.next().await["result"]["to"], "the living");
}

#[tokio::test(start_paused = true)]
async fn trap_23_a_client_that_does_not_read_costs_notifications_but_no_answer_and_no_worker() {
    let house = House::with(|config| config.stream.queue = 10);
    let (client, mut worker) = house.session("2025-06-18").await;
    let (events, request) = streaming_call(&client, &mut worker).await;
    for n in 0..5000 {
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":n}})).await;
    }
    worker.answer(&request, json!({"done":true})).await;
    worker.heard().await;
    let events = events.rest().await;
    assert!(events.len() <= 11, "{}", events.len());
    assert_eq!(events.last(), Some(&json!({"jsonrpc":"2.0","id":"c","result":{"done":true}})));
    assert!(house.seen.dropped.lock().expect("lock").iter().all(|why| *why == DroppedMessage::SlowClient));
}

#[tokio::test(start_paused = true)]
async fn a_call_cancelled_on_an_open_stream_ends_it() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-11-25").await;
    let (events, _) = streaming_call(&client, &mut worker).await;
    client.post(json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}})).await;
    // It could be resumed, so it is told the end: else the client would come back for it.
    assert_eq!(events.rest().await[0]["error"]["code"], -32000);
}

#[tokio::test(start_paused = true)]
async fn a_changed_grant_is_told_to_its_sessions_and_to_no_others() {
    let house = House::new();
    let client = house.client("alice");
    let reply = client.start(crate::house::initialize("2025-06-18"));
    let mut worker = house.worker().await;
    worker.greet_with(json!({"tools":{"listChanged":true},"prompts":{},"resources":{"listChanged":true}})).await;
    let session = soon(reply).await.expect("post").session_id;
    let client = Client { session, ..client };
    let (other, mut others_worker) = house.session_of("bob", "2025-06-18").await;
    let (mut stream, mut others) = (client.stream().await, other.stream().await);
    house.bridge.grant_changed(&client.who.grant);
    for list in ["tools", "resources"] {
        assert_eq!(stream.data().await, changed(list));
    }
    others_worker.say(changed("prompts")).await;
    assert_eq!(others.data().await, changed("prompts"));
}

#[tokio::test(start_paused = true)]
async fn a_changed_grant_is_told_to_a_session_whose_worker_sleeps() {
    let house = House::new();
    let (client, mut worker) = house.session("2025-06-18").await;
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}));
    let request = worker.expect("tools/list").await;
    worker.answer(&request, json!({"tools":[]})).await;
    soon(reply).await.expect("post");
    let mut stream = client.stream().await;
    // Idle workers are stopped.
    tokio::time::sleep(Duration::from_hours(2)).await;
    worker.stopped().await;
    house.bridge.grant_changed(&client.who.grant);
    loop {
        match stream.frame().await {
            Some(Frame::Comment | Frame::Priming(_)) => {}
            Some(Frame::Event { data, .. }) => break assert_eq!(data, changed("tools")),
            None => panic!("the stream ended"),
        }
    }
}
