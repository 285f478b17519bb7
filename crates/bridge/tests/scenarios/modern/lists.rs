use serde_json::{Value, json};

use super::caller::{Caller, begin, everything, on_worker};
use crate::house::{House, Puppet, body, soon};

async fn listed(caller: &Caller, worker: &mut Puppet, params: Value, result: Value) -> Value {
    let reply = caller.start(&caller.request(1, "tools/list", params));
    let request = worker.expect("tools/list").await;
    worker.answer(&request, result).await;
    body(soon(reply).await.expect("post"))["result"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_changes_the_worker_tells_is_asked_for_once_per_page() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let first = listed(&caller, &mut worker, json!({}), json!({"tools":[{"name":"a"}],"nextCursor":"2"})).await;
    assert_eq!((&first["resultType"], &first["cacheScope"]), (&json!("complete"), &json!("private")));
    assert!(first["ttlMs"].as_u64().is_some_and(|ttl| ttl > 0));
    listed(&caller, &mut worker, json!({"cursor":"2"}), json!({"tools":[{"name":"b"}]})).await;
    let again = caller.post(&caller.request("again", "tools/list", json!({}))).await;
    let again = body(again);
    assert_eq!((&again["id"], &again["result"]), (&json!("again"), &first));
    let second = body(caller.post(&caller.request(3, "tools/list", json!({"cursor":"2"}))).await);
    assert_eq!(second["result"]["tools"][0]["name"], "b");
    worker.heard().await;
}

#[tokio::test(start_paused = true)]
async fn d06_a_change_makes_the_next_request_go_to_the_worker() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    listed(&caller, &mut worker, json!({}), json!({"tools":[{"name":"a"}]})).await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})).await;
    worker.heard().await;
    let changed = listed(&caller, &mut worker, json!({}), json!({"tools":[]})).await;
    assert_eq!(changed["tools"], json!([]));
    // A change that overtakes an answer: which of the two the answer shows is unknown.
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})).await;
    worker.heard().await;
    let reply = caller.start(&caller.request(1, "tools/list", json!({})));
    let request = worker.expect("tools/list").await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})).await;
    worker.answer(&request, json!({"tools":["old"]})).await;
    soon(reply).await.expect("post");
    assert_eq!(listed(&caller, &mut worker, json!({}), json!({"tools":["new"]})).await["tools"], json!(["new"]));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_which_the_worker_tells_nothing_is_asked_for_each_time_and_keeps_for_no_time() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, json!({"tools":{}})).await;
    for _ in 0..2 {
        let result = listed(&caller, &mut worker, json!({}), json!({"tools":[]})).await;
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")));
    }
}

#[tokio::test(start_paused = true)]
async fn d05_a_list_is_kept_for_its_grant_and_outlives_the_worker_but_not_the_programs_version() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    listed(&caller, &mut worker, json!({}), json!({"tools":["alices"]})).await;
    worker.exit(0);
    // Bob's own worker is asked.
    let bob = Caller::new(&house, "bob");
    let bobs = bob.start(&bob.request(1, "tools/list", json!({})));
    let mut other = begin(&house, everything()).await;
    let request = other.expect("tools/list").await;
    other.answer(&request, json!({"tools":["bobs"]})).await;
    assert_eq!(body(soon(bobs).await.expect("post"))["result"]["tools"], json!(["bobs"]));
    let kept = body(caller.post(&caller.request(1, "tools/list", json!({}))).await);
    assert_eq!(kept["result"]["tools"], json!(["alices"]));
    assert!(!house.worker_waits().await);
    house.upgrade();
    let reply = caller.start(&caller.call(1, "x"));
    let mut worker = begin(&house, everything()).await;
    let call = worker.expect("tools/call").await;
    worker.answer(&call, json!({})).await;
    soon(reply).await.expect("post");
    assert_eq!(listed(&caller, &mut worker, json!({}), json!({"tools":["new"]})).await["tools"], json!(["new"]));
}

#[tokio::test(start_paused = true)]
async fn d02_reading_a_resource_says_how_long_it_keeps_and_errors_do_not() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let read = caller.request(1, "resources/read", json!({"uri":"a:b"}));
    for (answer, kept) in [(json!({"contents":[]}), true), (Value::Null, false)] {
        let reply = caller.start(&read);
        let request = worker.expect("resources/read").await;
        if kept {
            worker.answer(&request, answer).await;
        } else {
            worker.say(json!({"jsonrpc":"2.0","id":request["id"],"error":{"code":-32602,"message":"m"}})).await;
        }
        let answer = body(soon(reply).await.expect("post"));
        assert_eq!(answer["result"]["ttlMs"].is_u64(), kept);
        assert_eq!(answer["result"]["cacheScope"] == "private", kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_grant_makes_the_next_request_go_to_the_worker() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    listed(&caller, &mut worker, json!({}), json!({"tools":[{"name":"a"}]})).await;
    house.bridge.grant_changed("another grant");
    assert_eq!(body(caller.post(&caller.request(1, "tools/list", json!({}))).await)["result"]["tools"][0]["name"], "a");
    house.bridge.grant_changed(&caller.who.grant);
    assert_eq!(listed(&caller, &mut worker, json!({}), json!({"tools":[]})).await["tools"], json!([]));
    // An answer from before the change is not kept after it.
    let reply = caller.start(&caller.request(1, "prompts/list", json!({})));
    let request = worker.expect("prompts/list").await;
    house.bridge.grant_changed(&caller.who.grant);
    worker.answer(&request, json!({"prompts":["old"]})).await;
    soon(reply).await.expect("post");
    let reply = caller.start(&caller.request(1, "prompts/list", json!({})));
    let request = worker.expect("prompts/list").await;
    worker.answer(&request, json!({"prompts":["new"]})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["prompts"], json!(["new"]));
}
