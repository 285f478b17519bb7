//! Legacy clients on a worker that speaks 2026-07-28 alone.

use bridge::profile::WorkerEra;
use serde_json::{Value, json};

use crate::house::{Client, Events, House, Puppet, body, call, discovery, refusal, soon};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn house() -> House {
    House::of_era(WorkerEra::Modern, |_| {})
}

fn handshake(version: &str) -> Value {
    json!({"jsonrpc":"2.0","id":"init","method":"initialize","params":{
        "protocolVersion":version,"capabilities":{"elicitation":{},"roots":{"listChanged":true}},
        "clientInfo":{"name":"test","version":"1","weird":12_345_678_901_234_567_890_u64}}})
}

/// A session, its worker and the listen that the broker has opened there.
async fn session(house: &House) -> (Client, Puppet, Value) {
    let mut client = house.client("alice");
    let reply = client.start(handshake("2025-11-25"));
    house.worker().await.discovered().await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    let reply = soon(reply).await.expect("post");
    client.session.clone_from(&reply.session_id);
    let listen = initialized(&client, &mut worker).await;
    (client, worker, listen)
}

async fn initialized(client: &Client, worker: &mut Puppet) -> Value {
    assert_eq!(client.post(json!({"jsonrpc":"2.0","method":"notifications/initialized"})).await.status, 202);
    let listen = worker.expect("subscriptions/listen").await;
    acknowledge(worker, &listen).await;
    listen
}

async fn acknowledge(worker: &mut Puppet, listen: &Value) {
    let params = json!({"_meta":{SUBSCRIPTION:listen["id"]},"notifications":listen["params"]["notifications"]});
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":params})).await;
}

fn tagged(method: &str, listen: &Value, mut params: Value) -> Value {
    params["_meta"] = json!({SUBSCRIPTION:listen["id"]});
    json!({"jsonrpc":"2.0","method":method,"params":params})
}

/// An input-required result with these questions.
fn asking(questions: &Value) -> Value {
    json!({"resultType":"input_required","inputRequests":questions,"requestState":"worker's \"own\""})
}

fn elicit(message: &str) -> Value {
    json!({"method":"elicitation/create","params":{"mode":"form","message":message,"requestedSchema":{"type":"object"}}})
}

#[tokio::test(start_paused = true)]
async fn initialize_is_answered_from_what_the_worker_offers() {
    for (asked, answered) in [("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2099-01-01", "2025-11-25")]
    {
        let house = house();
        let reply = house.client("alice").start(handshake(asked));
        house.worker().await.discovered().await;
        house.worker().await.discovered().await;
        let reply = soon(reply).await.expect("post");
        assert!(reply.session_id.is_some());
        assert_eq!(
            body(reply),
            json!({"jsonrpc":"2.0","id":"init","result":{
                "protocolVersion":answered,"capabilities":discovery()["capabilities"],
                "serverInfo":{"name":"modern puppet","version":"2"},"instructions":"be kind"}})
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_says_what_the_client_said_once() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let text = r#"{"jsonrpc":"2.0","id":"1","params":{"z":1.50,"name":"x","_meta":{"progressToken":"p","mine":[1e3]},"a":18446744073709551616},"method":"tools/call"}"#;
    let reply = client.start(text);
    let line = worker.line().await.expect("a line");
    let request: Value = serde_json::from_str(&line).expect("JSON");
    let meta = &request["params"]["_meta"];
    assert_eq!(meta[VERSION], "2026-07-28");
    assert_eq!(meta[CAPABILITIES], json!({"elicitation":{},"roots":{"listChanged":true}}));
    assert!(line.contains(r#""weird":12345678901234567890"#), "{line}");
    assert_eq!((&meta[LEVEL], &meta["progressToken"]), (&json!("info"), &request["id"]));
    assert_eq!(meta[CLIENT_INFO]["name"], "test");
    for kept in [r#""z":1.50"#, r#""mine":[1e3]"#, r#""a":18446744073709551616"#] {
        assert!(line.contains(kept), "{line}");
    }
    let answer =
        format!(r#"{{"result":{{"resultType":"complete","big":1.0e400}},"id":{},"jsonrpc":"2.0"}}"#, request["id"]);
    worker.say(answer).await;
    let reply = crate::house::text(soon(reply).await.expect("post"));
    assert_eq!(reply, r#"{"result":{"resultType":"complete","big":1.0e400},"id":"1","jsonrpc":"2.0"}"#);
}

#[tokio::test(start_paused = true)]
async fn the_level_and_ping_are_the_brokers_own_business() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let request = |method: &str, params: Value| json!({"jsonrpc":"2.0","id":7,"method":method,"params":params});
    assert_eq!(body(client.post(request("ping", json!({}))).await)["result"], json!({}));
    assert_eq!(refusal(client.post(request("logging/setLevel", json!({"level":"loud"}))).await), (200, -32602));
    assert_eq!(body(client.post(request("logging/setLevel", json!({"level":"error"}))).await)["result"], json!({}));
    let reply = client.start(call(1, "x"));
    let sent = worker.expect("tools/call").await;
    assert_eq!(sent["params"]["_meta"][LEVEL], "error");
    let log = json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"x"}});
    worker.say(&log).await;
    worker.answer(&sent, json!({"resultType":"complete"})).await;
    assert_eq!(Events::of(soon(reply).await.expect("post")).rest().await[0], log);
    assert_eq!(house.store.only().log_level.as_deref(), Some("error"));
}

#[tokio::test(start_paused = true)]
async fn input_required_becomes_questions_on_the_calls_stream_until_it_is_complete() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call("c", "x"));
    let first = worker.expect("tools/call").await;
    worker.answer(&first, asking(&json!({"who":elicit("who?"),"where":{"method":"roots/list"}}))).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let mut roots = events.data().await;
    let mut who = events.data().await;
    if who["method"] == "roots/list" {
        std::mem::swap(&mut roots, &mut who);
    }
    assert_eq!((&roots["method"], &who["params"]["message"]), (&json!("roots/list"), &json!("who?")));
    assert_ne!(roots["id"], who["id"]);
    let answer = |question: &Value, result: Value| json!({"jsonrpc":"2.0","id":question["id"],"result":result});
    assert_eq!(client.post(answer(&who, json!({"action":"accept","content":{"n":"me"}}))).await.status, 202);
    assert_eq!(client.post(answer(&roots, json!({"roots":[]}))).await.status, 202);
    let retry = worker.expect("tools/call").await;
    assert_ne!(retry["id"], first["id"]);
    assert_eq!(retry["params"]["requestState"], "worker's \"own\"");
    assert_eq!(
        retry["params"]["inputResponses"],
        json!({"who":{"action":"accept","content":{"n":"me"}},"where":{"roots":[]}})
    );
    assert_eq!((&retry["params"]["name"], &retry["params"]["_meta"][VERSION]), (&json!("x"), &json!("2026-07-28")));
    worker.answer(&retry, asking(&json!({"more":elicit("more?")}))).await;
    let more = events.data().await;
    assert_eq!(client.post(answer(&more, json!({"action":"decline"}))).await.status, 202);
    let last = worker.expect("tools/call").await;
    assert_eq!(last["params"]["inputResponses"], json!({"more":{"action":"decline"}}));
    worker.answer(&last, json!({"resultType":"complete","content":[]})).await;
    assert_eq!(
        events.rest().await,
        [json!({"jsonrpc":"2.0","id":"c","result":{"resultType":"complete","content":[]}})]
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_to_a_url_gets_the_id_that_2025_11_25_wants() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call(1, "x"));
    let first = worker.expect("tools/call").await;
    let url = json!({"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a.example"}});
    worker.answer(&first, asking(&json!({"k":url}))).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    assert!(events.data().await["params"]["elicitationId"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_refuses_a_question_gets_an_error_for_its_call() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call(1, "x"));
    let first = worker.expect("tools/call").await;
    worker.answer(&first, asking(&json!({"a":elicit("a"),"b":elicit("b")}))).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let question = events.data().await;
    let error = json!({"jsonrpc":"2.0","id":question["id"],"error":{"code":-1,"message":"not now"}});
    assert_eq!(client.post(error).await.status, 202);
    let rest = events.rest().await;
    let text = rest.last().expect("an answer")["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("not now"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn trap_16_an_answer_comes_from_its_own_session_only_and_r09_nobody_has_to_answer() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call(1, "x"));
    let first = worker.expect("tools/call").await;
    worker.answer(&first, asking(&json!({"a":elicit("a")}))).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let question = events.data().await;
    let stranger = house.client("alice");
    assert_eq!(stranger.post(json!({"jsonrpc":"2.0","id":question["id"],"result":{}})).await.status, 202);
    // Nobody answers: the call ends with its deadline.
    assert_eq!(events.rest().await[0]["error"]["code"], -32001);
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_answers_can_be_cancelled() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call(1, "x"));
    let first = worker.expect("tools/call").await;
    worker.answer(&first, asking(&json!({"a":elicit("a")}))).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    events.data().await;
    let cancel = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}});
    assert_eq!(client.post(cancel).await.status, 202);
    events.rest().await;
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn answers_reach_the_next_worker_if_the_one_that_asked_is_gone() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call(1, "x"));
    let first = worker.expect("tools/call").await;
    worker.answer(&first, asking(&json!({"a":elicit("a")}))).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    let question = events.data().await;
    worker.exit(1);
    assert_eq!(
        client.post(json!({"jsonrpc":"2.0","id":question["id"],"result":{"action":"cancel"}})).await.status,
        202
    );
    let mut worker = house.worker().await;
    worker.discovered().await;
    let mut seen = [worker.next().await, worker.next().await];
    seen.sort_by_key(|message| message["method"].as_str().unwrap_or_default().to_owned());
    let [listen, retry] = seen;
    assert_eq!(listen["method"], "subscriptions/listen");
    assert_eq!(retry["params"]["inputResponses"], json!({"a":{"action":"cancel"}}));
    worker.answer(&retry, json!({"resultType":"complete"})).await;
    assert_eq!(events.rest().await[0]["result"]["resultType"], "complete");
}

#[tokio::test(start_paused = true)]
async fn changes_reach_the_server_stream_without_the_brokers_own_tag() {
    let house = house();
    let (client, mut worker, listen) = session(&house).await;
    assert_eq!(listen["params"]["notifications"], json!({"toolsListChanged":true,"resourcesListChanged":true}));
    let mut stream = client.stream().await;
    worker.say(tagged("notifications/tools/list_changed", &listen, json!({}))).await;
    let changed = stream.data().await;
    assert_eq!(changed, json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}));
    // Of another listen, or of none that there is.
    let other = json!({"id":77});
    worker.say(tagged("notifications/tools/list_changed", &other, json!({}))).await;
    worker.say(tagged("notifications/resources/list_changed", &listen, json!({"x":1}))).await;
    assert_eq!(stream.data().await["params"], json!({"x":1}));
}

#[tokio::test(start_paused = true)]
async fn subscriptions_become_a_new_listen_and_the_old_one_ends_when_it_stands() {
    let house = house();
    let (client, mut worker, first) = session(&house).await;
    let request =
        |id: i64, method: &str, uri: &str| json!({"jsonrpc":"2.0","id":id,"method":method,"params":{"uri":uri}});
    let reply = client.start(request(1, "resources/subscribe", "a:b"));
    let second = worker.expect("subscriptions/listen").await;
    assert_eq!(second["params"]["notifications"]["resourceSubscriptions"], json!(["a:b"]));
    acknowledge(&mut worker, &second).await;
    assert_eq!(body(soon(reply).await.expect("post")), json!({"jsonrpc":"2.0","id":1,"result":{}}));
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], first["id"]);
    let mut stream = client.stream().await;
    worker.say(tagged("notifications/resources/updated", &second, json!({"uri":"a:b"}))).await;
    assert_eq!(stream.data().await["params"], json!({"uri":"a:b"}));
    assert_eq!(house.store.only().subscriptions, ["a:b"]);
    let reply = client.start(request(2, "resources/unsubscribe", "a:b"));
    let third = worker.expect("subscriptions/listen").await;
    assert_eq!(third["params"]["notifications"].get("resourceSubscriptions"), None);
    acknowledge(&mut worker, &third).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({}));
    assert!(house.store.only().subscriptions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_the_worker_does_not_agree_to_is_refused() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"no:no"}}));
    let mut listen = worker.expect("subscriptions/listen").await;
    listen["params"]["notifications"]["resourceSubscriptions"] = json!([]);
    acknowledge(&mut worker, &listen).await;
    worker.expect("notifications/cancelled").await;
    let back = worker.expect("subscriptions/listen").await;
    acknowledge(&mut worker, &back).await;
    assert_eq!(refusal(soon(reply).await.expect("post")), (200, -32602));
    assert!(house.store.only().subscriptions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_revived_session_listens_again_and_needs_no_handshake() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:b"}}));
    let listen = worker.expect("subscriptions/listen").await;
    acknowledge(&mut worker, &listen).await;
    soon(reply).await.expect("post");
    let pending = client.start(call(5, "x"));
    worker.expect("notifications/cancelled").await;
    worker.expect("tools/call").await;
    worker.exit(3);
    let text = body(soon(pending).await.expect("post"))["error"]["message"].to_string();
    assert!(text.contains("exit code 3"), "{text}");
    let reply = client.start(call(6, "x"));
    let mut worker = house.worker().await;
    worker.discovered().await;
    let mut seen = [worker.next().await, worker.next().await];
    seen.sort_by_key(|message| message["method"].as_str().unwrap_or_default().to_owned());
    let [listen, sent] = seen;
    assert_eq!(listen["params"]["notifications"]["resourceSubscriptions"], json!(["a:b"]));
    worker.answer(&sent, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["id"], 6);
}

#[tokio::test(start_paused = true)]
async fn a_request_of_such_a_worker_is_refused_to_it() {
    let house = house();
    let (client, mut worker, _) = session(&house).await;
    let reply = client.start(call(1, "x"));
    let sent = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{}})).await;
    let refused = worker.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("q"), &json!(-32601)));
    worker.answer(&sent, json!({})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["id"], 1);
}

#[tokio::test(start_paused = true)]
async fn cancellations_progress_and_batches_work() {
    let house = house();
    let mut client = house.client("alice");
    let reply = client.start(handshake("2025-03-26"));
    house.worker().await.discovered().await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    client.session = soon(reply).await.expect("post").session_id;
    initialized(&client, &mut worker).await;
    let with_token =
        json!({"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"y","_meta":{"progressToken":1}}});
    let ping = json!({"jsonrpc":"2.0","id":3,"method":"ping"});
    let reply = client.start(json!([call(1, "x"), with_token, ping]));
    let (one, two) = (worker.expect("tools/call").await, worker.expect("tools/call").await);
    let cancel = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"r"}});
    assert_eq!(client.post(cancel).await.status, 202);
    assert_eq!(worker.expect("notifications/cancelled").await["params"], json!({"requestId":one["id"],"reason":"r"}));
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":two["params"]["_meta"]["progressToken"],"progress":1}})).await;
    worker.answer(&two, json!({"resultType":"complete"})).await;
    let seen = Events::of(soon(reply).await.expect("post")).rest().await;
    let ids: Vec<&Value> = seen.iter().map(|message| &message["id"]).collect();
    assert_eq!(ids.len(), 4, "{seen:?}");
    assert!(seen.iter().any(|message| message["params"]["progressToken"] == 1));
    assert!(ids.contains(&&json!(2)) && ids.contains(&&json!(3)));
}

#[tokio::test(start_paused = true)]
async fn without_a_session_nothing_can_be_asked() {
    let house = house();
    let client = house.client("alice");
    let reply = client.start(call(1, "x"));
    house.worker().await.discovered().await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    let sent = worker.expect("tools/call").await;
    assert_eq!((&sent["params"]["_meta"][CAPABILITIES], sent["params"]["_meta"].get(LEVEL)), (&json!({}), None));
    worker.answer(&sent, asking(&json!({"a":elicit("a")}))).await;
    let text = body(soon(reply).await.expect("post"))["error"]["message"].to_string();
    assert!(text.contains("session"), "{text}");
}
