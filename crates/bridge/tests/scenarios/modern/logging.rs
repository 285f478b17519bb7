use serde_json::{Value, json};

use super::caller::{Caller, LOG_LEVEL, everything, on_worker};
use crate::house::{Events, House, body, soon};

fn call(caller: &Caller, id: i64, level: Option<&str>) -> Value {
    let meta = level.map_or(json!({}), |level| json!({ LOG_LEVEL: level }));
    caller.request(id, "tools/call", json!({"name":"x","_meta":meta}))
}

fn log(level: &str) -> Value {
    json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":level,"data":level}})
}

#[tokio::test(start_paused = true)]
async fn trap_10_the_worker_is_set_to_the_most_verbose_level_and_each_request_hears_its_own() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    for (wanted, set, heard) in [
        (None, None, 0),
        (Some("warning"), Some("warning"), 2),
        (Some("debug"), Some("debug"), 4),
        (Some("error"), None, 1),
        (None, None, 0),
    ] {
        let reply = caller.start(&call(&caller, 1, wanted));
        if let Some(level) = set {
            let request = worker.expect("logging/setLevel").await;
            assert_eq!(request["params"], json!({"level":level}));
            worker.answer(&request, json!({})).await;
        }
        let request = worker.expect("tools/call").await;
        for level in ["debug", "info", "warning", "emergency"] {
            worker.say(log(level)).await;
        }
        worker.answer(&request, json!({})).await;
        let reply = soon(reply).await.expect("post");
        if heard == 0 {
            assert_eq!(body(reply)["id"], 1);
        } else {
            assert_eq!(Events::of(reply).rest().await.len(), heard + 1, "{wanted:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trap_11_a_message_that_two_calls_can_have_caused_goes_to_neither() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let wants = caller.start(&call(&caller, 1, Some("debug")));
    worker.expect("logging/setLevel").await;
    let first = worker.expect("tools/call").await;
    let other = caller.start(&call(&caller, 2, None));
    let second = worker.expect("tools/call").await;
    worker.say(log("error")).await;
    worker.answer(&second, json!({})).await;
    assert_eq!(body(soon(other).await.expect("post"))["id"], 2);
    worker.say(log("error")).await;
    worker.answer(&first, json!({})).await;
    assert_eq!(Events::of(soon(wants).await.expect("post")).rest().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_logging_is_told_no_level() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, json!({"tools":{}})).await;
    let reply = caller.start(&call(&caller, 1, Some("debug")));
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}
