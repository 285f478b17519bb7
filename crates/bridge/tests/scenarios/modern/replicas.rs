//! A call that waits for its client belongs to the replica that asked.

use bridge::replica::{Held, Via};
use bridge::reply::{PostHead, Reply, ReplyBody};
use serde_json::{Value, json};

use super::asking::{asked, only_key, retried};
use super::caller::{Caller, everything, head, on_worker};
use crate::house::{body, refusal, soon};
use crate::replicas::Commune;

async fn post_via(caller: &Caller, via: Via, message: &Value) -> Reply {
    caller.post_as(PostHead { via, ..head(message) }, message.to_string()).await
}

fn elsewhere(reply: Reply) -> Option<(String, Held)> {
    match reply.body {
        ReplyBody::Elsewhere(elsewhere) => Some((elsewhere.replica.to_string(), elsewhere.held)),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_sent_to_the_replica_that_asked_and_is_good_once_there() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (caller, mut worker) = on_worker(&one.house, everything()).await;
    let caller = caller.able();
    let there = Caller::new(&two.house, "alice").able();
    let request = caller.call(1, "x");
    let (call, result) = asked(&caller, &mut worker, &request).await;
    let retry = retried(&request, 2, &result, json!({ only_key(&result): {"action":"accept"} }));
    assert_eq!(elsewhere(there.post(&retry).await), Some(("one".to_owned(), Held::Parked)));
    // In another replica's name it goes nowhere else.
    assert_eq!(
        elsewhere(post_via(&there, Via::Replica(Held::Parked), &retry).await),
        Some(("one".to_owned(), Held::Parked))
    );
    let mut bob = Caller::new(&two.house, "bob");
    bob.capabilities = caller.capabilities.clone();
    let reply = tokio::spawn({
        let (caller, retry) = (caller.clone(), retry.clone());
        async move { post_via(&caller, Via::Replica(Held::Parked), &retry).await }
    });
    assert_eq!(worker.next().await["result"], json!({"action":"accept"}));
    worker.answer(&call, json!({"content":[]})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["content"], json!([]));
    assert_eq!(refusal(post_via(&caller, Via::Replica(Held::Parked), &retry).await), (200, -32602));
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_replica_is_gone_or_knows_nothing_of_it_is_told_to_start_again() {
    let commune = Commune::default();
    let (one, two) = (commune.member("one"), commune.member("two"));
    let (caller, mut worker) = on_worker(&one.house, everything()).await;
    let caller = caller.able();
    let there = Caller::new(&two.house, "alice").able();
    let request = caller.call(1, "x");
    let (_call, result) = asked(&caller, &mut worker, &request).await;
    let retry = retried(&request, 2, &result, json!({ only_key(&result): {"action":"accept"} }));
    assert_eq!(refusal(post_via(&there, Via::Refused, &retry).await), (200, -32602));
    one.die();
    let answer = body(there.post(&retry).await);
    assert_eq!(answer["error"]["code"], -32602);
    assert!(answer["error"]["message"].as_str().expect("text").contains("start again"), "{answer}");
}
