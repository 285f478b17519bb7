//! `subscriptions/listen` passed through (mcp.md §3.10, L01 to L08).

use std::time::Duration;

use serde_json::{Value, json};

use super::{Modern, SUBSCRIPTION, answer, awake, modern_house, request, tool};
use crate::house::{Events, House, Puppet, soon};

const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

fn tagged(method: &str, listen: &Value, mut params: Value) -> Value {
    params["_meta"] = json!({SUBSCRIPTION:listen["id"],"other":[1]});
    json!({"jsonrpc":"2.0","method":method,"params":params})
}

async fn acknowledge(worker: &mut Puppet, listen: &Value) {
    let params = json!({"notifications":listen["params"]["notifications"]});
    worker.say(tagged(ACKNOWLEDGED, listen, params)).await;
}

/// An acknowledged listen as the client has it, and as the worker has it.
async fn listening(client: &Modern, worker: &mut Puppet, id: Value, filter: Value) -> (Events, Value) {
    let reply = client.start(&request(id.clone(), "subscriptions/listen", json!({"notifications":filter})));
    let listen = worker.expect("subscriptions/listen").await;
    assert_ne!(listen["id"], id);
    acknowledge(worker, &listen).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let acknowledged = events.data().await;
    assert_eq!((&acknowledged["method"], &acknowledged["params"]["_meta"][SUBSCRIPTION]), (&json!(ACKNOWLEDGED), &id));
    assert_eq!(acknowledged["params"]["notifications"], filter);
    (events, listen)
}

fn tools() -> Value {
    json!({"toolsListChanged":true})
}

#[tokio::test(start_paused = true)]
async fn l03_l07_each_listen_hears_its_own_under_its_own_id_in_its_own_type() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let (mut one, first) = listening(&client, &mut worker, json!("5"), tools()).await;
    let (mut two, second) = listening(&client, &mut worker, json!(5), tools()).await;
    worker.say(tagged("notifications/tools/list_changed", &second, json!({"n":2}))).await;
    worker.say(tagged("notifications/tools/list_changed", &first, json!({"n":1}))).await;
    let of_one = json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"n":1,"_meta":{SUBSCRIPTION:"5","other":[1]}}});
    assert_eq!(one.data().await, of_one);
    let of_two = two.data().await;
    assert_eq!((&of_two["params"]["n"], &of_two["params"]["_meta"][SUBSCRIPTION]), (&json!(2), &json!(5)));
}

#[tokio::test(start_paused = true)]
async fn l02_nothing_comes_before_the_acknowledgement() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let reply = client.start(&request(1, "subscriptions/listen", json!({"notifications":tools()})));
    let listen = worker.expect("subscriptions/listen").await;
    worker.say(tagged("notifications/tools/list_changed", &listen, json!({}))).await;
    acknowledge(&mut worker, &listen).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    assert_eq!(events.data().await["method"], ACKNOWLEDGED);
}

#[tokio::test(start_paused = true)]
async fn l05_and_l06_both_ways_in_which_a_worker_ends_a_listen_end_it_with_its_response() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let (responded, first) = listening(&client, &mut worker, json!("a"), tools()).await;
    let (cancelled, second) = listening(&client, &mut worker, json!("b"), tools()).await;
    let end = json!({"resultType":"complete","_meta":{SUBSCRIPTION:first["id"],"more":true}});
    worker.answer(&first, end).await;
    let cancel = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":second["id"]}});
    worker.say(cancel).await;
    assert_eq!(
        responded.rest().await,
        [json!({"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","_meta":{SUBSCRIPTION:"a","more":true}}})]
    );
    assert_eq!(
        cancelled.rest().await,
        [json!({"jsonrpc":"2.0","id":"b","result":{"resultType":"complete","_meta":{SUBSCRIPTION:"b"}}})]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_listen_in_the_worker() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let (events, listen) = listening(&client, &mut worker, json!(1), tools()).await;
    drop(events);
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], listen["id"]);
    assert_eq!(house.bridge.figures().streams, 0);
}

/// The worker that a call wakes, with the listens that it was given before.
async fn revived(house: &House, client: &Modern, listens: usize) -> (Puppet, Vec<Value>) {
    let reply = client.start(&tool(9, "wake"));
    let mut worker = house.worker().await;
    worker.discovered().await;
    let mut given = Vec::new();
    let mut call = None;
    while given.len() < listens || call.is_none() {
        let message = worker.next().await;
        match message["method"].as_str() {
            Some("subscriptions/listen") => given.push(message),
            Some("tools/call") => call = Some(message),
            Some("tools/list") => worker.answer(&message, json!({"tools":[{"name":"new"}]})).await,
            other => panic!("{other:?}"),
        }
    }
    worker.answer(&call.expect("a call"), json!({"resultType":"complete"})).await;
    soon(reply).await.expect("post");
    (worker, given)
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_while_its_listens_stay_and_what_changed_meanwhile_is_told() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let (mut events, _) = listening(&client, &mut worker, json!("l"), tools()).await;
    let reply = client.start(&request(1, "tools/list", json!({})));
    answer(&mut worker, "tools/list", json!({"tools":[{"name":"old"}]})).await;
    soon(reply).await.expect("post");
    worker.stopped().await;
    assert_eq!(house.bridge.figures().workers, 0);
    let (mut worker, listens) = revived(&house, &client, 1).await;
    acknowledge(&mut worker, &listens[0]).await;
    let reply = client.start(&tool(10, "x"));
    loop {
        let message = worker.next().await;
        if message["method"] == "tools/list" {
            worker.answer(&message, json!({"tools":[{"name":"new"}]})).await;
        } else {
            worker.answer(&message, json!({"resultType":"complete"})).await;
            break;
        }
    }
    soon(reply).await.expect("post");
    // No second acknowledgement, but the change.
    let told = events.data().await;
    assert_eq!(
        (&told["method"], &told["params"]["_meta"][SUBSCRIPTION]),
        (&json!("notifications/tools/list_changed"), &json!("l"))
    );
    worker.say(tagged("notifications/tools/list_changed", &listens[0], json!({"n":3}))).await;
    assert_eq!(events.data().await["params"]["n"], 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_to_a_resource_keeps_the_worker_and_gets_another_when_it_dies() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let filter = json!({"resourceSubscriptions":["a:b"]});
    let (mut events, _) = listening(&client, &mut worker, json!(1), filter).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(house.bridge.figures().workers, 1);
    worker.exit(1);
    let mut worker = house.worker().await;
    worker.discovered().await;
    let listen = worker.expect("subscriptions/listen").await;
    acknowledge(&mut worker, &listen).await;
    worker.say(tagged("notifications/resources/updated", &listen, json!({"uri":"a:b"}))).await;
    assert_eq!(events.data().await["params"]["uri"], "a:b");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_will_not_listen_says_so_to_the_client() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let reply = client.start(&request("x", "subscriptions/listen", json!({"notifications":{}})));
    let listen = worker.expect("subscriptions/listen").await;
    worker.say(json!({"jsonrpc":"2.0","id":listen["id"],"error":{"code":-32602,"message":"no"}})).await;
    let events = Events::of(soon(reply).await.expect("post")).rest().await;
    assert_eq!((&events[0]["id"], &events[0]["error"]["code"]), (&json!("x"), &json!(-32602)));
}

#[tokio::test(start_paused = true)]
async fn draining_ends_listens_in_good_order() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let (events, _) = listening(&client, &mut worker, json!(1), tools()).await;
    house.bridge.drain(Duration::from_secs(10)).await;
    assert_eq!(events.rest().await[0]["result"]["resultType"], "complete");
}

#[tokio::test(start_paused = true)]
async fn a_changed_grant_is_told_to_those_who_listen_to_its_lists() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let (mut events, _listen) = listening(&client, &mut worker, json!("5"), tools()).await;
    house.bridge.grant_changed(&client.who.grant);
    let told = events.data().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(told["params"]["_meta"][SUBSCRIPTION], "5");
}
