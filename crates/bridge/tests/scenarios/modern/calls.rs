use serde_json::{Value, json};

use super::caller::{Caller, SERVER_INFO, everything, on_worker};
use crate::house::{Events, Frame, House, body, soon};

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_worker_as_an_older_client_would_have_sent_it() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let meta = json!({"traceparent":"00-x-y-01","progressToken":"p","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}});
    let mut request = caller.request("one", "tools/call", json!({"name":"t","arguments":{"n":1},"_meta":meta}));
    request["params"]["inputResponses"] = json!({});
    let reply = caller.start(&request);
    let call = worker.expect("tools/call").await;
    assert!(call["id"].is_u64());
    assert_eq!(
        call["params"],
        json!({"name":"t","arguments":{"n":1},"_meta":{"traceparent":"00-x-y-01","progressToken":call["id"]}})
    );
    worker.answer(&call, json!({"content":[],"_meta":{"own":1}})).await;
    let reply = soon(reply).await.expect("post");
    assert_eq!(reply.status, 200);
    let answer = body(reply);
    assert_eq!(answer["id"], "one");
    assert_eq!(
        answer["result"],
        json!({"resultType":"complete","content":[],"_meta":{"own":1,SERVER_INFO:{"name":"puppet","version":"1"}}})
    );
}

#[tokio::test(start_paused = true)]
async fn trap_4_and_p01_progress_goes_before_the_answer_under_the_clients_own_token() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let request = |id: i64| caller.request(id, "tools/call", json!({"name":"t","_meta":{"progressToken":1}}));
    let (one, two) = (caller.start(&request(1)), caller.start(&request(2)));
    let (first, second) = (worker.expect("tools/call").await, worker.expect("tools/call").await);
    for (call, progress) in [(&second, 2), (&first, 1)] {
        let token = &call["params"]["_meta"]["progressToken"];
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":progress}})).await;
        worker.answer(call, json!({})).await;
        // Trap 5: after the answer it belongs nowhere.
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":9}})).await;
    }
    for (reply, number) in [(one, 1), (two, 2)] {
        let events = Events::of(soon(reply).await.expect("post")).rest().await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["params"], json!({"progressToken":1,"progress":number}));
        assert_eq!((&events[1]["id"], &events[1]["result"]["resultType"]), (&json!(number), &json!("complete")));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_7_a_client_that_leaves_cancels_its_call_before_and_after_the_stream_has_begun() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let waiting = caller.start(&caller.call(1, "x"));
    let call = worker.expect("tools/call").await;
    waiting.abort();
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
    // After 5 s without an answer it is a stream.
    let streaming = caller.start(&caller.call(2, "x"));
    let call = worker.expect("tools/call").await;
    let mut events = Events::of(soon(streaming).await.expect("post"));
    assert_eq!(events.frame().await, Some(Frame::Comment));
    assert_eq!(events.frame().await, Some(Frame::Comment));
    drop(events);
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], call["id"]);
    // Trap 8: it is answered all the same.
    worker.answer(&call, json!({})).await;
    worker.heard().await;
    assert_eq!(house.seen.skipped.lock().expect("lock").len(), 1);
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_there_is_a_worker_has_no_call_made() {
    let house = House::new();
    let (caller, worker) = on_worker(&house, everything()).await;
    worker.stopped().await;
    let waiting = caller.start(&caller.call(1, "left"));
    let mut worker = house.worker().await;
    waiting.abort();
    let stays = caller.start(&caller.call(2, "stays"));
    worker.greet_with(everything()).await;
    worker.expect("notifications/initialized").await;
    let call = worker.expect("tools/call").await;
    assert_eq!(call["params"]["name"], "stays");
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(stays).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn answered_requests_are_not_cancelled_when_their_connection_closes() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let request = caller.request(1, "tools/call", json!({"name":"t","_meta":{"progressToken":1}}));
    let reply = caller.start(&request);
    let call = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":call["id"],"progress":1}})).await;
    worker.answer(&call, json!({})).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    events.data().await;
    events.data().await;
    drop(events);
    worker.heard().await;
}

#[tokio::test(start_paused = true)]
async fn e01_error_codes_of_the_older_era_are_not_passed_on() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let mut answered = async |request: &Value, error: Value| {
        let reply = caller.start(request);
        let call = worker.next().await;
        worker.say(json!({"jsonrpc":"2.0","id":call["id"],"error":error})).await;
        let reply = soon(reply).await.expect("post");
        let status = reply.status;
        (status, body(reply)["error"].clone())
    };
    let read = caller.request(1, "resources/read", json!({"uri":"a:b"}));
    let (status, error) = answered(&read, json!({"code":-32002,"message":"gone"})).await;
    assert_eq!((status, error), (200, json!({"code":-32602,"message":"gone","data":{"uri":"a:b"}})));
    let (_, error) = answered(&read, json!({"code":-32002,"message":"gone","data":{"uri":"c:d"}})).await;
    assert_eq!(error, json!({"code":-32602,"message":"gone","data":{"uri":"c:d"}}));
    let call = caller.call(2, "x");
    for code in [-32042, -32020, -32021, -32022, -32099] {
        let (status, error) = answered(&call, json!({"code":code,"message":"m"})).await;
        assert_eq!((status, error), (200, json!({"code":-32603,"message":"m"})), "{code}");
    }
    let (status, error) = answered(&call, json!({"code":-32601,"message":"m"})).await;
    assert_eq!((status, &error["code"]), (404, &json!(-32601)));
    let own = json!({"code":-32000,"message":"m","data":{"n":12_345_678_901_234_567_890_u64}});
    assert_eq!(answered(&call, own.clone()).await, (200, own));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_answers_what_it_had_and_another_takes_what_it_had_not() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let reply = caller.start(&caller.call("x", "x"));
    worker.expect("tools/call").await;
    worker.exit(3);
    let answer = body(soon(reply).await.expect("post"));
    assert_eq!(answer["id"], "x");
    assert!(answer["error"]["message"].as_str().expect("text").contains("exit code 3"));
    let reply = caller.start(&caller.call(2, "x"));
    let mut worker = super::caller::begin(&house, everything()).await;
    let call = worker.expect("tools/call").await;
    worker.answer(&call, json!({})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn trap_28_a_grants_worker_serves_its_own_callers_only() {
    let house = House::new();
    let (alice, mut worker) = on_worker(&house, everything()).await;
    let bob = Caller::new(&house, "bob");
    let bobs = bob.start(&bob.call(1, "bobs"));
    let mut other = super::caller::begin(&house, everything()).await;
    let alices = alice.start(&alice.call(1, "alices"));
    assert_eq!(worker.expect("tools/call").await["params"]["name"], "alices");
    let call = other.expect("tools/call").await;
    assert_eq!(call["params"]["name"], "bobs");
    other.answer(&call, json!({"of":"bob"})).await;
    assert_eq!(body(soon(bobs).await.expect("post"))["result"]["of"], "bob");
    assert!(!alices.is_finished());
}
