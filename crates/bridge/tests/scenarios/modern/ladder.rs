use bridge::reply::PostHead;
use serde_json::{Value, json};

use super::caller::{Caller, everything, head, on_worker};
use crate::house::{House, body, refusal, soon};

async fn checked(caller: &Caller, message: &Value, change: impl FnOnce(&mut PostHead)) -> (u16, Value) {
    let mut head = head(message);
    change(&mut head);
    let reply = caller.post_as(head, message.to_string()).await;
    let status = reply.status;
    let answer = body(reply);
    // Trap 25.
    assert_eq!(answer["id"], message["id"]);
    (status, answer["error"].clone())
}

fn code((status, error): &(u16, Value)) -> (u16, i64) {
    (*status, error["code"].as_i64().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn m03_and_trap_25_a_request_without_its_meta_is_refused_under_its_own_id() {
    let house = House::new();
    let caller = Caller::new(&house, "alice");
    let meta = "io.modelcontextprotocol/";
    for (drop, header) in [
        (vec!["protocolVersion"], Some("2026-07-28")),
        (vec!["clientCapabilities"], Some("2026-07-28")),
        (vec!["protocolVersion", "clientCapabilities"], Some("2026-07-28")),
        (vec!["protocolVersion", "clientCapabilities"], None),
    ] {
        let mut request = caller.request(7, "server/discover", json!({}));
        for key in drop {
            request["params"]["_meta"].as_object_mut().expect("object").remove(&format!("{meta}{key}"));
        }
        let answer = checked(&caller, &request, |head| head.protocol_version = header.map(str::to_owned)).await;
        assert_eq!(code(&answer), (400, -32602), "{request}");
    }
    // M04: the client's name is not asked for; G02: a level that there is none of is.
    let mut request = caller.request("l", "server/discover", json!({"_meta":{super::caller::LOG_LEVEL:"loud"}}));
    assert_eq!(code(&checked(&caller, &request, |_| {}).await), (400, -32602));
    request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!([]);
    assert_eq!(code(&checked(&caller, &request, |_| {}).await), (400, -32602));
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn m13_a_revision_that_is_not_served_is_named_beside_the_one_that_is() {
    let house = House::new();
    let caller = Caller::new(&house, "alice");
    for version in ["v999.0.0", "2025-11-25"] {
        let mut request = caller.request(1, "server/discover", json!({}));
        request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
        let (status, error) = checked(&caller, &request, |_| {}).await;
        assert_eq!((status, &error["code"]), (400, &json!(-32022)));
        assert_eq!(error["data"], json!({"supported":["2026-07-28"],"requested":version}));
        let mismatched = checked(&caller, &request, |head| head.protocol_version = Some("2026-07-28".to_owned())).await;
        assert_eq!(code(&mismatched), (400, -32020));
    }
}

#[tokio::test(start_paused = true)]
async fn trap_27_headers_say_what_the_body_says_or_the_request_is_refused() {
    let house = House::new();
    let caller = Caller::new(&house, "alice");
    let request = caller.call(1, "töol");
    let none = |head: &mut PostHead| head.mcp_method = None;
    assert_eq!(code(&checked(&caller, &request, none).await), (400, -32020));
    for method in ["tools/list", "TOOLS/CALL", "tools/call, tools/list"] {
        let other = |head: &mut PostHead| head.mcp_method = Some(method.to_owned());
        assert_eq!(code(&checked(&caller, &request, other).await), (400, -32020), "{method}");
    }
    assert_eq!(code(&checked(&caller, &request, |head| head.protocol_version = None).await), (400, -32020));
    for name in [None, Some("other"), Some("=?base64?dMO2b2w?="), Some("=?base64?dG9vbA==?=")] {
        let other = |head: &mut PostHead| head.mcp_name = name.map(str::to_owned);
        assert_eq!(code(&checked(&caller, &request, other).await), (400, -32020), "{name:?}");
    }
    let read = caller.request(2, "resources/read", json!({"uri":"a:b"}));
    assert_eq!(code(&checked(&caller, &read, |head| head.mcp_name = Some("a:c".to_owned())).await), (400, -32020));
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn h04_and_trap_30_a_name_may_come_as_base64_and_one_that_the_body_lacks_is_the_workers_business() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let request = caller.call(1, "töol");
    let mut with_base64 = head(&request);
    with_base64.mcp_name = Some("=?base64?dMO2b2w=?=".to_owned());
    let nameless = caller.request(2, "tools/call", json!({"arguments":{}}));
    for (head, request) in [(with_base64, request), (head(&nameless), nameless)] {
        let (caller, text) = (caller.clone(), request.to_string());
        let reply = tokio::spawn(async move { caller.post_as(head, text).await });
        let call = worker.expect("tools/call").await;
        worker.answer(&call, json!({})).await;
        assert_eq!(body(soon(reply).await.expect("post"))["id"], request["id"]);
    }
}

#[tokio::test(start_paused = true)]
async fn m14_methods_that_are_gone_unknown_or_beyond_the_worker_are_404() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, json!({"tools":{}})).await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "unknown/method",
        "tasks/list",
        // The worker has no such capability.
        "prompts/list",
        "resources/read",
        "completion/complete",
    ] {
        let request = caller.request(9, method, json!({"uri":"a:b"}));
        assert_eq!(code(&checked(&caller, &request, |_| {}).await), (404, -32601), "{method}");
    }
    worker.heard().await;
}

#[tokio::test(start_paused = true)]
async fn h05_arguments_that_a_tool_wants_in_headers_are_compared_once_the_tool_has_been_seen() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, json!({"tools":{}})).await;
    let call = caller.request(1, "tools/call", json!({"name":"t","arguments":{"region":"eu"}}));
    let listing = caller.start(&caller.request(0, "tools/list", json!({})));
    let request = worker.expect("tools/list").await;
    let schema = json!({"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}});
    worker.answer(&request, json!({"tools":[{"name":"t","inputSchema":schema}]})).await;
    soon(listing).await.expect("post");
    assert_eq!(code(&checked(&caller, &call, |_| {}).await), (400, -32020));
    let wrong = |head: &mut PostHead| head.params = vec![("region".to_owned(), "us".to_owned())];
    assert_eq!(code(&checked(&caller, &call, wrong).await), (400, -32020));
    let mut head = head(&call);
    head.params = vec![("region".to_owned(), "eu".to_owned()), ("other".to_owned(), "x".to_owned())];
    let text = call.to_string();
    let posting = tokio::spawn(async move { caller.post_as(head, text).await });
    let request = worker.expect("tools/call").await;
    worker.answer(&request, json!({})).await;
    assert_eq!(soon(posting).await.expect("post").status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_header_can_contradict_the_body_but_decides_only_for_notifications() {
    let house = House::new();
    let caller = Caller::new(&house, "alice");
    let modern = || PostHead { protocol_version: Some("2026-07-28".to_owned()), ..PostHead::default() };
    let post = |body: Value| caller.post_as(modern(), body.to_string());
    let request = |method: &str| json!({"jsonrpc":"2.0","id":1,"method":method,"params":{}});
    assert_eq!(refusal(post(request("tools/list")).await), (400, -32602));
    assert_eq!(refusal(post(request("initialize")).await), (400, -32020));
    assert_eq!(refusal(post(json!({"jsonrpc":"2.0","id":1,"result":{}})).await), (400, -32600));
    let cancelled = json!({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}});
    assert_eq!(post(cancelled).await.status, 202);
    // Trap 18 has another side: what is modern is in no batch.
    let batch = json!([caller.call(1, "x"), {"jsonrpc":"2.0","method":"notifications/x"}]);
    assert_eq!(refusal(caller.post_as(PostHead::default(), batch.to_string()).await), (400, -32600));
    assert!(!house.worker_waits().await);
}

#[tokio::test(start_paused = true)]
async fn doubled_and_respelt_members_reach_no_worker() {
    let house = House::new();
    let (caller, mut worker) = on_worker(&house, everything()).await;
    let good = caller.call(1, "x").to_string();
    for bad in [
        good.replace(r#""method":"tools/call""#, r#""method":"tools/list","Method":"tools/call""#),
        good.replace(r#""name":"x""#, r#""name":"x","Name":"y""#),
        good.replace(r#""name":"x""#, r#""name":"x","name":"y""#),
        good.replace(
            "io.modelcontextprotocol/protocolVersion\":",
            "io.modelcontextprotocol/protocolversion\":\"x\",\"io.modelcontextprotocol/protocolVersion\":",
        ),
    ] {
        assert_ne!(bad, good);
        let reply = caller.post_as(head(&caller.call(1, "x")), bad.clone()).await;
        assert_eq!(refusal(reply), (400, -32600), "{bad}");
    }
    worker.heard().await;
}
