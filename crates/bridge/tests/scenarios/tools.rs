//! Which tools a caller sees and may call, whatever the era.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bridge::profile::WorkerEra;
use bridge::reply::{PostHead, Principal, Reply, ReplyBody};
use bridge::tools::{Selector, ToolCall, ToolGroup, ToolPolicy, ToolRules, Tools};
use serde_json::{Value, json};

use crate::house::{Client, GATEWAY, House, Puppet, body, call, soon, text};

#[derive(Default)]
struct Policy {
    writes: AtomicBool,
    calls: Mutex<Vec<String>>,
}

impl ToolPolicy for Policy {
    fn may_write(&self, _: &Principal) -> bool {
        self.writes.load(Ordering::SeqCst)
    }
    fn called(&self, call: &ToolCall<'_>) {
        self.calls.lock().expect("lock").push(format!("{} {}", call.tool, call.outcome.as_str()));
    }
}

impl Policy {
    fn may_write(&self, writes: bool) {
        self.writes.store(writes, Ordering::SeqCst);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().expect("lock"))
    }
}

fn house(era: WorkerEra) -> (House, Arc<Policy>) {
    let policy: Arc<Policy> = Arc::default();
    let given = policy.clone();
    let house = House::of_era(era, move |config| {
        config.tools = Tools {
            rules: ToolRules {
                reads: vec!["get_*".into(), "list_*".into()],
                trust_annotations: false,
                groups: vec![ToolGroup { name: "hooks".into(), tools: vec!["*_hook".into()], closed: true }],
                allow: Vec::new(),
                deny: vec![Selector::Name("get_secret?".into())],
            },
            policy: given,
        };
    });
    (house, policy)
}

/// What the worker has, spelt so that any re-typing would show.
const TOOLS: &str = r#"{"tools":[ {"name":"get_issue","n":1.50} , {"name":"create_issue","annotations":{"readOnlyHint":true}},{"name":"create_hook"},{"name":"get_secret1"}],"nextCursor":"2"}"#;
const READABLE: &str = r#"{"tools":[{"name":"get_issue","n":1.50}],"nextCursor":"2"}"#;
const WRITABLE: &str = r#"{"tools":[{"name":"get_issue","n":1.50},{"name":"create_issue","annotations":{"readOnlyHint":true}}],"nextCursor":"2"}"#;

async fn answer_list(worker: &mut Puppet) {
    let request = worker.expect("tools/list").await;
    worker.say(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{TOOLS}}}"#, request["id"])).await;
}

async fn list(client: &Client, worker: &mut Puppet) -> String {
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}));
    answer_list(worker).await;
    text(soon(reply).await.expect("post"))
}

fn is_step_up(reply: &Reply) -> bool {
    reply.status == 403 && matches!(reply.body, ReplyBody::MayNotWrite(_))
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_what_its_caller_may_use_at_that_moment_and_keeps_the_rest_of_the_bytes() {
    let (house, policy) = house(WorkerEra::Legacy);
    let (client, mut worker) = house.session("2025-11-25").await;
    assert_eq!(list(&client, &mut worker).await, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{READABLE}}}"#));
    policy.may_write(true);
    assert_eq!(list(&client, &mut worker).await, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{WRITABLE}}}"#));
}

/// So long that it is remembered and not read again.
fn long_list(tools: &[&str]) -> Value {
    let about = "x".repeat(4096);
    let tool = |name: &&str| json!({"name": name, "description": about, "inputSchema": {"type": "object"}});
    json!({"tools": tools.iter().map(tool).collect::<Vec<_>>()})
}

async fn names_in(client: &Client, worker: &mut Puppet, id: Value, list: &Value) -> Vec<String> {
    let reply = client.start(json!({"jsonrpc":"2.0","id":id,"method":"tools/list"}));
    let request = worker.expect("tools/list").await;
    worker.say(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{list}}}"#, request["id"])).await;
    let answer: Value = serde_json::from_str(&text(soon(reply).await.expect("post"))).expect("JSON");
    assert_eq!(answer["id"], id);
    let tools = answer["result"]["tools"].as_array().expect("a list");
    tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_that_comes_again_shows_each_caller_what_he_may_use_at_that_moment() {
    let (house, policy) = house(WorkerEra::Legacy);
    let (client, mut worker) = house.session("2025-11-25").await;
    let (other, mut of_other) = house.session("2025-11-25").await;
    let list = long_list(&["get_issue", "create_issue", "create_hook"]);
    for round in 0..3 {
        policy.may_write(false);
        assert_eq!(names_in(&client, &mut worker, json!(round), &list).await, ["get_issue"]);
        assert_eq!(names_in(&other, &mut of_other, json!("x"), &list).await, ["get_issue"]);
        policy.may_write(true);
        assert_eq!(
            names_in(&client, &mut worker, json!(format!("\"{round}")), &list).await,
            ["get_issue", "create_issue"]
        );
    }
    house.bridge.replace_tool_rules(ToolRules { deny: vec![Selector::Name("get_*".into())], ..ToolRules::default() });
    assert_eq!(names_in(&client, &mut worker, json!(9), &list).await, ["create_issue", "create_hook"]);
    let changed = long_list(&["get_issue", "create_label"]);
    assert_eq!(names_in(&client, &mut worker, json!(10), &changed).await, ["create_label"]);
    assert_eq!(names_in(&other, &mut of_other, json!(11), &list).await, ["create_issue", "create_hook"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_with_the_gateways_address_in_it_is_scrubbed_every_time() {
    let (house, policy) = house(WorkerEra::Legacy);
    policy.may_write(true);
    let (client, mut worker) = house.session("2025-11-25").await;
    let list = long_list(&["get_issue", &format!("get_{GATEWAY}")]);
    let first = names_in(&client, &mut worker, json!(1), &list).await;
    assert!(!first[1].contains(GATEWAY), "{first:?}");
    assert_eq!(names_in(&client, &mut worker, json!(2), &list).await, first);
}

#[tokio::test(start_paused = true)]
async fn a08_a_call_that_writes_is_answered_with_step_up_and_does_not_reach_the_worker() {
    let (house, policy) = house(WorkerEra::Legacy);
    let (client, mut worker) = house.session("2025-11-25").await;
    let reply = client.post(call(1, "create_issue")).await;
    let told = match &reply.body {
        ReplyBody::MayNotWrite(body) => serde_json::from_slice::<Value>(body).expect("JSON"),
        _ => panic!("no step-up"),
    };
    assert_eq!(told["id"], 1);
    assert!(is_step_up(&reply));
    let read = client.start(call(2, "get_issue"));
    let request = worker.next().await;
    assert_eq!(request["params"]["name"], "get_issue", "nothing else has reached the worker");
    worker.answer(&request, json!({"content":[],"isError":true})).await;
    assert_eq!(soon(read).await.expect("post").status, 200);
    assert_eq!(policy.calls(), ["create_issue may_not_write", "get_issue tool_error"]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_was_taken_away_is_an_error_for_everybody() {
    let (house, policy) = house(WorkerEra::Legacy);
    policy.may_write(true);
    let (client, _worker) = house.session("2025-11-25").await;
    for tool in ["get_secret1", "create_hook"] {
        let reply = client.post(call(1, tool)).await;
        assert_eq!(reply.status, 200);
        let error = body(reply)["error"].clone();
        assert_eq!(error["code"], -32602, "{tool}");
        let message = error["message"].as_str().expect("text");
        assert!(message.contains(tool) && message.contains("operator"), "{message}");
    }
    assert_eq!(policy.calls(), ["get_secret1 switched_off", "create_hook switched_off"]);
}

#[tokio::test(start_paused = true)]
async fn an_escaped_name_is_the_name() {
    let (house, _policy) = house(WorkerEra::Legacy);
    let (client, _worker) = house.session("2025-11-25").await;
    let sly = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"cre\u0061te_issue","arguments":{}}}"#;
    assert!(is_step_up(&client.post(sly).await));
    let sly = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_secre\u00741"}}"#;
    assert_eq!(body(client.post(sly).await)["error"]["code"], -32602);
    // Two names, or one in another case, are refused before anybody reads them.
    let sly = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_issue","Name":"create_issue"}}"#;
    assert_eq!(client.post(sly).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_id_is_no_way_around() {
    let (house, policy) = house(WorkerEra::Legacy);
    policy.may_write(true);
    let (client, mut worker) = house.session("2025-11-25").await;
    for tool in ["get_secret1", "create_issue"] {
        let notification = json!({"jsonrpc":"2.0","method":"tools/call","params":{"name":tool,"arguments":{}}});
        assert_eq!(client.post(notification).await.status, 202);
    }
    assert_eq!(client.post(json!({"jsonrpc":"2.0","method":"notifications/roots/list_changed"})).await.status, 202);
    worker.expect("notifications/roots/list_changed").await;
}

#[tokio::test(start_paused = true)]
async fn in_a_batch_each_call_is_judged_for_itself() {
    let (house, policy) = house(WorkerEra::Legacy);
    let (client, mut worker) = house.session("2025-03-26").await;
    let tools = json!({"jsonrpc":"2.0","id":4,"method":"tools/list"});
    let reply = client.start(json!([call(1, "create_issue"), call(2, "get_issue"), call(3, "create_hook"), tools]));
    let request = worker.expect("tools/call").await;
    assert_eq!(request["params"]["name"], "get_issue");
    answer_list(&mut worker).await;
    worker.answer(&request, json!({"content":[]})).await;
    let reply = soon(reply).await.expect("post");
    assert_eq!(reply.status, 200);
    let mut answers = body(reply).as_array().expect("an array").clone();
    answers.sort_by_key(|answer| answer["id"].as_i64());
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [Some(-32000), None, Some(-32602), None]);
    assert_eq!(answers[3]["result"]["tools"].as_array().map(Vec::len), Some(1), "the list in a batch is filtered too");
    let mut calls = policy.calls();
    calls.sort();
    assert_eq!(calls, ["create_hook switched_off", "create_issue may_not_write", "get_issue ok"]);
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_session_are_judged_alike() {
    let (house, _policy) = house(WorkerEra::Legacy);
    let client = house.client("alice");
    assert!(is_step_up(&client.post(call(1, "create_issue")).await));
    let reply = client.start(json!({"jsonrpc":"2.0","id":1,"method":"tools/list"}));
    let mut worker = house.worker().await;
    worker.greet().await;
    worker.expect("notifications/initialized").await;
    answer_list(&mut worker).await;
    assert_eq!(body(soon(reply).await.expect("post"))["result"]["tools"].as_array().map(Vec::len), Some(1));
}

/// A request of 2026-07-28 with its headers.
fn modern(client: &Client, method: &str, mut params: Value) -> tokio::task::JoinHandle<Reply> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}});
    let head = PostHead {
        protocol_version: Some("2026-07-28".to_owned()),
        mcp_method: Some(method.to_owned()),
        mcp_name: params["name"].as_str().map(str::to_owned),
        ..PostHead::default()
    };
    let message = json!({"jsonrpc":"2.0","id":1,"method":method,"params":params});
    let client = client.clone();
    tokio::spawn(async move { client.bridge.post(&client.who, head, message.to_string().into()).await })
}

fn names(reply: Reply) -> Vec<String> {
    let tools = body(reply)["result"]["tools"].clone();
    let name = |tool: &Value| tool["name"].as_str().expect("a name").to_owned();
    tools.as_array().expect("an array").iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_kept_list_is_shown_by_what_holds_now() {
    let (house, policy) = house(WorkerEra::Legacy);
    let client = house.client("alice");
    let reply = modern(&client, "tools/list", json!({}));
    let mut worker = house.worker().await;
    worker.greet_with(json!({"tools":{"listChanged":true}})).await;
    worker.expect("notifications/initialized").await;
    answer_list(&mut worker).await;
    assert_eq!(names(soon(reply).await.expect("post")), ["get_issue"]);
    policy.may_write(true);
    // The worker is not asked again: the list is kept, what is shown of it is not.
    let again = modern(&client, "tools/list", json!({}));
    assert_eq!(names(soon(again).await.expect("post")), ["get_issue", "create_issue"]);
    policy.may_write(false);
    let again = modern(&client, "tools/list", json!({}));
    assert_eq!(names(soon(again).await.expect("post")), ["get_issue"]);
    let denied = modern(&client, "tools/call", json!({"name":"create_issue"}));
    assert!(is_step_up(&soon(denied).await.expect("post")));
    let gone = modern(&client, "tools/call", json!({"name":"get_secret1"}));
    assert_eq!(body(soon(gone).await.expect("post"))["error"]["code"], -32602);
    assert_eq!(policy.calls(), ["create_issue may_not_write", "get_secret1 switched_off"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_of_the_stateless_era_is_judged_alike() {
    let (house, policy) = house(WorkerEra::Modern);
    let client = house.client("alice");
    let reply = modern(&client, "tools/list", json!({}));
    house.worker().await.discovered().await;
    let mut worker = house.worker().await;
    worker.discovered().await;
    answer_list(&mut worker).await;
    assert_eq!(names(soon(reply).await.expect("post")), ["get_issue"]);
    let denied = modern(&client, "tools/call", json!({"name":"create_issue"}));
    assert!(is_step_up(&soon(denied).await.expect("post")));
    let asked = modern(&client, "tools/call", json!({"name":"get_issue"}));
    let request = worker.expect("tools/call").await;
    let question = json!({"a":{"method":"elicitation/create","params":{}}});
    worker.answer(&request, json!({"resultType":"input_required","inputRequests":question})).await;
    soon(asked).await.expect("post");
    assert_eq!(policy.calls(), ["create_issue may_not_write", "get_issue input_required"]);
}
