//! Clients of 2026-07-28 on a worker of 2026-07-28: what goes in comes out, save what would collide.

mod bytes;
mod listens;
mod rounds;

use ::bytes::Bytes;
use bridge::profile::WorkerEra;
use bridge::reply::{PostHead, Principal, Reply};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::house::{Events, House, Puppet, body, principal, refusal, soon, text};

const LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A client of the stateless era.
#[derive(Clone)]
struct Modern {
    bridge: bridge::bridge::Bridge,
    who: Principal,
}

impl Modern {
    fn start(&self, message: &Value) -> JoinHandle<Reply> {
        self.start_text(message, message.to_string())
    }

    /// `message` says what the headers repeat.
    fn start_text(&self, message: &Value, text: String) -> JoinHandle<Reply> {
        let params = &message["params"];
        let name = params["name"].as_str().or(params["uri"].as_str());
        let head = PostHead {
            protocol_version: Some("2026-07-28".to_owned()),
            mcp_method: message["method"].as_str().map(str::to_owned),
            mcp_name: name.map(str::to_owned),
            ..PostHead::default()
        };
        let this = self.clone();
        tokio::spawn(async move { this.bridge.post(&this.who, head, Bytes::from(text)).await })
    }

    async fn post(&self, message: &Value) -> Reply {
        soon(self.start(message)).await.expect("post")
    }
}

fn request(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"custom":{"x":1}},
    });
    let own = params.get("_meta").cloned().unwrap_or_else(|| json!({}));
    params["_meta"] = meta;
    for (name, value) in own.as_object().expect("an object") {
        params["_meta"][name] = value.clone();
    }
    json!({"jsonrpc":"2.0","id":id.into(),"method":method,"params":params})
}

fn tool(id: impl Into<Value>, name: &str) -> Value {
    request(id, "tools/call", json!({"name":name,"arguments":{}}))
}

/// A house whose program speaks 2026-07-28 alone, with the grant's worker awake.
async fn awake(house: &House) -> (Modern, Puppet) {
    let client = Modern { bridge: house.bridge.clone(), who: principal("alice") };
    let reply = client.start(&tool(0, "first"));
    house.worker().await.discovered().await;
    let worker = woken(house, reply).await;
    (client, worker)
}

/// The next worker, when it has answered the call that woke it.
async fn woken(house: &House, reply: JoinHandle<Reply>) -> Puppet {
    let mut worker = house.worker().await;
    worker.discovered().await;
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({"resultType":"complete","content":[]})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
    worker
}

fn modern_house() -> House {
    House::of_era(WorkerEra::Modern, |_| {})
}

async fn answer(worker: &mut Puppet, method: &str, result: Value) {
    let request = worker.expect(method).await;
    worker.answer(&request, result).await;
}

#[tokio::test(start_paused = true)]
async fn d01_discover_is_answered_from_the_record_without_a_worker() {
    let house = modern_house();
    let client = Modern { bridge: house.bridge.clone(), who: principal("alice") };
    let reply = client.start(&request("d", "server/discover", json!({})));
    house.worker().await.discovered().await;
    let answer = body(soon(reply).await.expect("post"));
    let result = &answer["result"];
    assert_eq!((&answer["id"], &result["supportedVersions"]), (&json!("d"), &json!(["2026-07-28"])));
    assert_eq!((&result["instructions"], &result["cacheScope"]), (&json!("be kind"), &json!("private")));
    assert_eq!(result["capabilities"], crate::house::discovery()["capabilities"]);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "modern puppet");
    assert_eq!(body(client.post(&request(2, "server/discover", json!({}))).await)["id"], 2);
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn traps_1_2_and_4_ids_and_tokens_of_two_clients_do_not_collide_and_keep_their_types() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let call = |id: Value, name: &str, token: Value| {
        request(id, "tools/call", json!({"name":name,"_meta":{"progressToken":token}}))
    };
    let one = client.start(&call(json!(1), "one", json!("1")));
    let two = client.start(&call(json!("1"), "two", json!(1)));
    let (first, second) = (worker.next().await, worker.next().await);
    assert_ne!(first["id"], second["id"]);
    for request in [&second, &first] {
        let token = &request["params"]["_meta"]["progressToken"];
        worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":token,"progress":1,"message":request["params"]["name"]}})).await;
        worker.answer(request, json!({"resultType":"complete","name":request["params"]["name"]})).await;
    }
    for (reply, id, token, name) in [(one, json!(1), json!("1"), "one"), (two, json!("1"), json!(1), "two")] {
        let events = Events::of(soon(reply).await.expect("post")).rest().await;
        assert_eq!((&events[0]["params"]["message"], &events[0]["params"]["progressToken"]), (&json!(name), &token));
        assert_eq!((&events[1]["id"], &events[1]["result"]["name"]), (&id, &json!(name)));
    }
}

#[tokio::test(start_paused = true)]
async fn g01_and_trap_11_logs_go_to_the_one_call_that_asked_for_them_or_nowhere() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let log = |level: &str| json!({"jsonrpc":"2.0","method":"notifications/message","params":{"level":level,"data":1}});
    let call = |id: i64, level: Option<&str>| {
        let meta = level.map_or_else(|| json!({}), |level| json!({LEVEL:level}));
        request(id, "tools/call", json!({"name":"x","_meta":meta}))
    };
    let quiet = client.start(&call(1, None));
    let first = worker.next().await;
    worker.say(log("emergency")).await;
    let warned = client.start(&call(2, Some("warning")));
    let second = worker.next().await;
    assert_eq!(second["params"]["_meta"][LEVEL], "warning");
    worker.say(log("info")).await;
    worker.say(log("error")).await;
    let all = client.start(&call(3, Some("debug")));
    let third = worker.next().await;
    // Two have asked for it, one for this.
    worker.say(log("critical")).await;
    worker.say(log("debug")).await;
    for request in [first, second, third] {
        worker.answer(&request, json!({"resultType":"complete"})).await;
    }
    assert_eq!(body(soon(quiet).await.expect("post"))["id"], 1);
    let levels = |events: Vec<Value>| -> Vec<Value> {
        events.iter().map(|event| event["params"]["level"].clone()).filter(|level| !level.is_null()).collect()
    };
    assert_eq!(levels(Events::of(soon(warned).await.expect("post")).rest().await), ["error"]);
    assert_eq!(levels(Events::of(soon(all).await.expect("post")).rest().await), ["debug"]);
}

#[tokio::test(start_paused = true)]
async fn d02_hints_that_are_missing_are_added_and_public_becomes_private() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let cases = [
        (json!({"resultType":"complete","tools":[]}), json!({"ttlMs":0,"cacheScope":"private"})),
        (json!({"tools":[],"ttlMs":7,"cacheScope":"public"}), json!({"ttlMs":7,"cacheScope":"private"})),
        (json!({"tools":[],"ttlMs":7,"cacheScope":"private"}), json!({"ttlMs":7,"cacheScope":"private"})),
    ];
    for (said, hints) in cases {
        let reply = client.start(&request(1, "tools/list", json!({})));
        answer(&mut worker, "tools/list", said).await;
        let result = body(soon(reply).await.expect("post"))["result"].clone();
        assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&hints["ttlMs"], &hints["cacheScope"]));
    }
    let reply = client.start(&tool(2, "x"));
    answer(&mut worker, "tools/call", json!({"resultType":"complete"})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"], json!({"resultType":"complete"}));
}

#[tokio::test(start_paused = true)]
async fn errors_keep_what_they_say_and_get_the_status_that_goes_with_their_code() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    for (said, status, code) in [
        (-32601, 404, -32601),
        (-32021, 400, -32021),
        (-32602, 200, -32602),
        (-32002, 200, -32602),
        (-32042, 200, -32603),
        (7, 200, 7),
    ] {
        let reply = client.start(&tool(1, "x"));
        let request = worker.expect("tools/call").await;
        let error = json!({"code":said,"message":"m","data":{"requiredCapabilities":{"sampling":{}}}});
        worker.say(json!({"jsonrpc":"2.0","id":request["id"],"error":error})).await;
        let reply = soon(reply).await.expect("post");
        assert_eq!(reply.status, status, "{said}");
        let error = body(reply)["error"].clone();
        assert_eq!((&error["code"], &error["data"]["requiredCapabilities"]), (&json!(code), &json!({"sampling":{}})));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_7_a_client_that_leaves_cancels_its_call() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let reply = client.start(&tool(1, "x"));
    let sent = worker.expect("tools/call").await;
    reply.abort();
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], sent["id"]);
    // The same when a stream has begun.
    let reply = client.start(&request(2, "tools/call", json!({"name":"x","_meta":{"progressToken":"t"}})));
    let sent = worker.expect("tools/call").await;
    worker.say(json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":sent["id"],"progress":1}})).await;
    let mut events = Events::of(soon(reply).await.expect("post"));
    events.data().await;
    drop(events);
    assert_eq!(worker.expect("notifications/cancelled").await["params"]["requestId"], sent["id"]);
    // Trap 8: the answer comes all the same, and harms nothing.
    worker.answer(&sent, json!({"resultType":"complete"})).await;
    worker.heard().await;
    assert_eq!(house.bridge.figures().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_there_is_a_worker_leaves_nothing_behind() {
    let house = modern_house();
    let (client, worker) = awake(&house).await;
    worker.exit(0);
    let reply = client.start(&tool(1, "x"));
    let mut worker = house.worker().await;
    reply.abort();
    worker.discovered().await;
    let reply = client.start(&tool(2, "y"));
    let sent = worker.expect("tools/call").await;
    assert_eq!(sent["params"]["name"], "y");
    worker.answer(&sent, json!({"resultType":"complete"})).await;
    assert_eq!(body(soon(reply).await.expect("post"))["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_answers_its_calls_with_the_reason_and_the_next_one_goes_on() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let reply = client.start(&tool(1, "x"));
    worker.expect("tools/call").await;
    worker.exit(9);
    let answer = text(soon(reply).await.expect("post"));
    assert!(answer.contains("exit code 9"), "{answer}");
    woken(&house, client.start(&tool(2, "x"))).await;
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_worker_are_refused_to_it() {
    let house = modern_house();
    let (_, mut worker) = awake(&house).await;
    worker.say(json!({"jsonrpc":"2.0","id":0,"method":"sampling/createMessage","params":{}})).await;
    let refused = worker.next().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(0), &json!(-32601)));
}

#[tokio::test(start_paused = true)]
async fn h05_a_tools_headers_are_those_of_the_last_list() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let schema = json!({"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}});
    let reply = client.start(&request(1, "tools/list", json!({})));
    answer(&mut worker, "tools/list", json!({"tools":[{"name":"x","inputSchema":schema}]})).await;
    soon(reply).await.expect("post");
    let call = request(2, "tools/call", json!({"name":"x","arguments":{"region":"eu"}}));
    assert_eq!(refusal(client.post(&call).await), (400, -32020));
}

#[tokio::test(start_paused = true)]
async fn repeated_calls_of_the_profile_are_in_the_workers_own_terms() {
    let house = House::repeating_in(WorkerEra::Modern, json!({"name":"open up"}));
    let client = Modern { bridge: house.bridge.clone(), who: principal("alice") };
    let reply = client.start(&tool(1, "x"));
    house.worker().await.discovered().await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    let repeated = worker.expect("tools/call").await;
    assert_eq!(repeated["params"]["name"], "open up");
    assert_eq!(repeated["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    worker.answer(&repeated, json!({"resultType":"complete"})).await;
    answer(&mut worker, "tools/call", json!({"resultType":"complete"})).await;
    assert_eq!(soon(reply).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_ended_grant_takes_calls_listens_and_worker_along() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let listen = client.start(&request(7, "subscriptions/listen", json!({"notifications":{}})));
    worker.expect("subscriptions/listen").await;
    let call = client.start(&tool(1, "x"));
    worker.expect("tools/call").await;
    house.bridge.end_grant("grant of alice").await;
    assert!(body(soon(call).await.expect("post"))["error"].is_object());
    let last = Events::of(soon(listen).await.expect("post")).rest().await;
    assert_eq!(last.last().expect("an end")["id"], 7);
    worker.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_credential_is_a_401_for_calls_and_ends_listens() {
    let house = modern_house();
    let (client, mut worker) = awake(&house).await;
    let listen = client.start(&request("l", "subscriptions/listen", json!({"notifications":{}})));
    worker.expect("subscriptions/listen").await;
    let call = client.start(&tool(1, "x"));
    worker.expect("tools/call").await;
    house.bridge.log_in_again("alice");
    assert_eq!(soon(call).await.expect("post").status, 401);
    let last = Events::of(soon(listen).await.expect("post")).rest().await;
    assert!(last[0]["error"]["message"].to_string().contains("log in again"));
}
