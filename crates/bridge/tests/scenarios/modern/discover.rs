use bridge::process::SpawnError;
use serde_json::json;

use super::caller::{Caller, SERVER_INFO, begin, everything, on_worker};
use crate::house::{House, body, soon};

#[tokio::test(start_paused = true)]
async fn d01_the_server_says_what_the_worker_can_do_and_a_modern_client_can_use() {
    let house = House::new();
    let caller = Caller::new(&house, "alice");
    let discovered = caller.start(&caller.request("d", "server/discover", json!({})));
    let mut worker = house.worker().await;
    let request = worker.expect("initialize").await;
    assert_eq!(request["params"]["protocolVersion"], "2025-11-25");
    let result = json!({"protocolVersion":"2025-11-25","capabilities":everything(),"serverInfo":{"name":"n","version":"1","title":"T"},"instructions":"Do."});
    worker.answer(&request, result).await;
    let reply = soon(discovered).await.expect("post");
    assert_eq!((reply.status, &reply.session_id), (200, &None));
    let answer = body(reply);
    assert_eq!(answer["id"], "d");
    let result = &answer["result"];
    assert_eq!((&result["resultType"], &result["supportedVersions"]), (&json!("complete"), &json!(["2026-07-28"])));
    assert_eq!((&result["instructions"], &result["cacheScope"]), (&json!("Do."), &json!("private")));
    assert!(result["ttlMs"].is_u64() && result.get("serverInfo").is_none());
    assert_eq!(result["_meta"][SERVER_INFO]["title"], "T");
    // Trap 19.
    let mut expected = everything();
    expected.as_object_mut().expect("object").remove("tasks");
    assert_eq!(result["capabilities"], expected);
}

#[tokio::test(start_paused = true)]
async fn once_learned_no_worker_is_needed_by_whomever_until_the_program_changes() {
    let house = House::new();
    let (caller, worker) = on_worker(&house, everything()).await;
    worker.stopped().await;
    assert_eq!(caller.discover().await["capabilities"]["completions"], json!({}));
    assert_eq!(Caller::new(&house, "bob").discover().await["capabilities"]["completions"], json!({}));
    assert!(!house.worker_waits().await);
    house.upgrade();
    let again = caller.start(&caller.request(2, "server/discover", json!({})));
    let _worker = begin(&house, json!({"tools":{}})).await;
    assert_eq!(body(soon(again).await.expect("post"))["result"]["capabilities"], json!({"tools":{}}));
}

#[tokio::test(start_paused = true)]
async fn a_program_that_was_never_seen_and_does_not_start_is_503() {
    let house = House::new();
    house.fail_next_start(SpawnError::Stopped);
    let caller = Caller::new(&house, "alice");
    let reply = caller.post(&caller.request(1, "server/discover", json!({}))).await;
    assert_eq!((reply.status, reply.retry_after.is_some()), (503, true));
    let again = caller.start(&caller.request(1, "server/discover", json!({})));
    let _worker = begin(&house, json!({})).await;
    assert_eq!(soon(again).await.expect("post").status, 200);
}
