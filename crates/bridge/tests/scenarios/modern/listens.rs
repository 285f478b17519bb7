use serde_json::{Value, json};

use super::caller::{Caller, SUBSCRIPTION_ID, begin, everything, on_worker};
use crate::house::{Events, House, Puppet, refusal, soon};

fn listen(caller: &Caller, id: impl Into<Value>, filter: Value) -> Value {
    let mut request = caller.request(id, "subscriptions/listen", json!({}));
    request["params"]["notifications"] = filter;
    request
}

async fn open(caller: &Caller, id: impl Into<Value>, filter: Value) -> (Events, Value) {
    let mut events = Events::of(caller.post(&listen(caller, id, filter)).await);
    let first = events.data().await;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    (events, first["params"].clone())
}

async fn say_changed(worker: &mut Puppet, list: &str) {
    worker.say(json!({"jsonrpc":"2.0","method":format!("notifications/{list}/list_changed")})).await;
}

#[tokio::test(start_paused = true)]
async fn trap_14_what_is_acknowledged_is_what_the_worker_can_keep() {
    let house = House::new();
    let all = json!({"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:b"]});
    let (caller, _worker) =
        on_worker(&house, json!({"tools":{"listChanged":true},"prompts":{"listChanged":false},"resources":{}})).await;
    let (_events, params) = open(&caller, 1, all).await;
    assert_eq!(params["notifications"], json!({"toolsListChanged":true}));
    // Nothing to tell: the stream is open all the same.
    let (mut events, params) = open(&caller, 2, json!({"promptsListChanged":true})).await;
    assert_eq!(params, json!({"notifications":{},"_meta":{SUBSCRIPTION_ID:2}}));
    assert_eq!(events.frame().await, Some(crate::house::Frame::Comment));
}

#[tokio::test(start_paused = true)]
async fn trap_13_a_change_reaches_every_listen_that_wants_it_under_its_own_id() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let (mut number, _) = open(&caller, 1, json!({"toolsListChanged":true})).await;
    let (mut text, params) = open(&caller, "1", json!({"toolsListChanged":true,"promptsListChanged":false})).await;
    assert_eq!(params, json!({"notifications":{"toolsListChanged":true},"_meta":{SUBSCRIPTION_ID:"1"}}));
    let (mut prompts, _) = open(&caller, 3, json!({"promptsListChanged":true})).await;
    say_changed(&mut worker, "tools").await;
    say_changed(&mut worker, "prompts").await;
    for (events, list, id) in
        [(&mut number, "tools", json!(1)), (&mut text, "tools", json!("1")), (&mut prompts, "prompts", json!(3))]
    {
        let told = events.data().await;
        assert_eq!(told["method"], format!("notifications/{list}/list_changed"));
        assert_eq!(told["params"]["_meta"][SUBSCRIPTION_ID], id);
    }
}

#[tokio::test(start_paused = true)]
async fn l04_log_messages_and_progress_never_travel_on_a_listen() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let (mut events, _) = open(&caller, 1, json!({"toolsListChanged":true})).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}})).await;
    worker
        .say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}))
        .await;
    say_changed(&mut worker, "tools").await;
    assert_eq!(events.data().await["method"], "notifications/tools/list_changed");
}

#[tokio::test(start_paused = true)]
async fn trap_12_a_resource_is_subscribed_to_once_however_many_listen_and_again_after_a_crash() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let (mut one, _) = open(&caller, 1, json!({"resourceSubscriptions":["a:b"]})).await;
    let request = worker.expect("resources/subscribe").await;
    assert_eq!(request["params"], json!({"uri":"a:b"}));
    worker.answer(&request, json!({})).await;
    let (two, _) = open(&caller, 2, json!({"resourceSubscriptions":["a:b","c:d"]})).await;
    let request = worker.expect("resources/subscribe").await;
    assert_eq!(request["params"]["uri"], "c:d");
    worker.answer(&request, json!({})).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}})).await;
    assert_eq!(one.data().await["params"], json!({"uri":"a:b","_meta":{SUBSCRIPTION_ID:1}}));
    // Nobody else listens to the second one.
    drop(two);
    let request = worker.expect("resources/unsubscribe").await;
    assert_eq!(request["params"]["uri"], "c:d");
    worker.answer(&request, json!({})).await;
    worker.exit(1);
    let mut worker = begin(&house, everything()).await;
    let request = worker.expect("resources/subscribe").await;
    assert_eq!(request["params"]["uri"], "a:b");
    worker.answer(&request, json!({})).await;
    // One within what was subscribed to.
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b/c"}})).await;
    assert_eq!(one.data().await["params"]["uri"], "a:b/c");
    drop(one);
    worker.expect("resources/unsubscribe").await;
}

#[tokio::test(start_paused = true)]
async fn an_open_listen_keeps_no_worker_unless_a_resource_is_watched() {
    let house = House::new();
    let (caller, worker) = on_worker(&house, everything()).await;
    let (lists, _) = open(&caller, 1, json!({"toolsListChanged":true})).await;
    worker.stopped().await;
    let watching = tokio::spawn({
        let caller = caller.clone();
        async move { open(&caller, 2, json!({"resourceSubscriptions":["a:b"]})).await }
    });
    let mut worker = begin(&house, everything()).await;
    let request = worker.expect("resources/subscribe").await;
    worker.answer(&request, json!({})).await;
    let (watching, _) = soon(watching).await.expect("listen");
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    worker.heard().await;
    drop(watching);
    let request = worker.expect("resources/unsubscribe").await;
    worker.answer(&request, json!({})).await;
    worker.stopped().await;
    drop(lists);
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_no_worker_ran_is_told_when_one_is_back() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let listed = caller.start(&caller.request(1, "tools/list", json!({})));
    let request = worker.expect("tools/list").await;
    worker.answer(&request, json!({"tools":["old"]})).await;
    soon(listed).await.expect("post");
    let (mut events, _) = open(&caller, 1, json!({"toolsListChanged":true})).await;
    worker.exit(1);
    let call = caller.start(&caller.call(2, "x"));
    let mut worker = begin(&house, everything()).await;
    for _ in 0..2 {
        let request = worker.next().await;
        let result = if request["method"] == "tools/list" { json!({"tools":["new"]}) } else { json!({}) };
        worker.answer(&request, result).await;
    }
    soon(call).await.expect("post");
    assert_eq!(events.data().await["method"], "notifications/tools/list_changed");
    // Another version of the program: all lists may be others.
    house.upgrade();
    worker.exit(1);
    let call = caller.start(&caller.call(3, "x"));
    let mut worker = begin(&house, everything()).await;
    assert_eq!(events.data().await["method"], "notifications/tools/list_changed");
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    soon(call).await.expect("post");
}

#[tokio::test(start_paused = true)]
async fn l05_a_listen_that_the_server_ends_ends_with_its_response() {
    let house = House::new();
    let (caller, _worker) = on_worker(&house, everything()).await;
    let (events, _) = open(&caller, "l", json!({"toolsListChanged":true})).await;
    house.bridge.end_grant(&caller.who.grant).await;
    let response = json!({"jsonrpc":"2.0","id":"l","result":{"resultType":"complete","_meta":{SUBSCRIPTION_ID:"l"}}});
    assert_eq!(events.rest().await, [response]);
}

#[tokio::test(start_paused = true)]
async fn listens_are_limited_and_malformed_filters_refused() {
    let house = House::with(|config| {
        config.max_streams_per_user = 1;
        config.max_subscriptions = 1;
    });
    let (caller, _worker) = on_worker(&house, everything()).await;
    for filter in
        [Value::Null, json!([]), json!({"toolsListChanged":"yes"}), json!({"resourceSubscriptions":["a:b","c:d"]})]
    {
        assert_eq!(refusal(caller.post(&listen(&caller, 1, filter.clone())).await), (200, -32602), "{filter}");
    }
    let (events, _) = open(&caller, 1, json!({})).await;
    assert_eq!(caller.post(&listen(&caller, 2, json!({}))).await.status, 429);
    drop(events);
    open(&caller, 3, json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_grant_is_told_to_those_who_listen_to_its_lists() {
    let house = House::new();
    let (caller, _worker) = on_worker(&house, everything()).await;
    let (mut events, _) = open(&caller, 1, json!({"toolsListChanged":true,"resourcesListChanged":true})).await;
    house.bridge.grant_changed(&caller.who.grant);
    for list in ["tools", "resources"] {
        let told = events.data().await;
        assert_eq!(told["method"], format!("notifications/{list}/list_changed"));
        assert_eq!(told["params"]["_meta"][SUBSCRIPTION_ID], 1);
    }
}
