//! MCP over the pipes: handshake, tools, order, notifications.

use serde_json::{Value, json};

use crate::child::{Running, start};
use crate::forgejo::Forgejo;

const OFFLINE: &str = "http://127.0.0.1:1";

fn initialize(child: &mut Running, version: &str) -> Value {
    let params =
        json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    child.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string())
}

#[test]
fn legacy_revisions_are_echoed_and_anything_else_becomes_2025_11_25() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        assert_eq!(initialize(&mut child, version)["result"]["protocolVersion"], version);
    }
    for version in ["2026-07-28", "bogus"] {
        assert_eq!(initialize(&mut child, version)["result"]["protocolVersion"], "2025-11-25");
    }
    let missing = child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    assert_eq!(missing["result"]["protocolVersion"], "2025-03-26");
}

#[test]
fn capabilities_differ_by_release() {
    let mut old = start(OFFLINE, &["--no-probes", "--habits", "2.18.0"]);
    let result = initialize(&mut old, "2025-11-25")["result"].clone();
    assert_eq!(result["capabilities"], json!({ "logging": {}, "tools": { "listChanged": true } }));
    assert_eq!(result["serverInfo"], json!({ "name": "Forgejo MCP Server", "version": "2.18.0" }));
    let mut new = start(OFFLINE, &["--no-probes", "--habits", "2.34.1"]);
    let result = initialize(&mut new, "2025-11-25")["result"].clone();
    assert_eq!(result["capabilities"], json!({ "logging": {}, "resources": {}, "tools": { "listChanged": true } }));
}

#[test]
fn api_tools_work_under_their_real_names_and_fail_with_32603() {
    let forgejo = Forgejo::start();
    let mut child = start(&forgejo.url, &[]);
    assert_eq!(child.text("whoami", &json!({})), r#"{"Result":{"id":7,"login":"alice"}}"#);
    let issue = json!({ "owner": "alice", "repo": "demo", "index": 1 });
    assert_eq!(child.text("get_issue_by_index", &issue), r#"{"Result":{"number":1,"title":"\u003cb\u003e\u0026"}}"#);
    let created = json!({ "owner": "alice", "repo": "demo", "title": "t", "body": "b" });
    assert_eq!(child.text("create_issue", &created), r#"{"Result":{"title":"t","body":"b"}}"#);
    child.call(5, "get_issue", &json!({ "owner": "alice", "repo": "demo", "index": 9 }));
    let error = json!({ "code": -32603, "message": "get issue err: The target couldn't be found." });
    assert_eq!(child.message()["error"], error);
    child.call(6, "get_issue", &json!({}));
    assert_eq!(child.message()["error"]["message"], "get issue err: path segment [0] is empty");
    child.call(7, "get_issue", &json!({ "owner": "alice", "repo": "odd", "index": 1 }));
    assert_eq!(
        child.message()["error"]["message"],
        "get issue err: unknown API Error: 403\nRequest: '/api/v1/repos/alice/odd/issues/1' with 'GET' method and 'plain text' body"
    );
}

#[test]
fn echo_returns_the_very_bytes_of_its_arguments() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    let arguments = r#"{"big":12345678901234567890123,"small":1e-400, "tab":"\u0009","twice":1,"twice":2}"#;
    child.send(&format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}"#
    ));
    let line = child.line();
    assert!(line.ends_with(&format!(r#""structuredContent":{arguments}}}}}"#)), "{line}");
}

#[test]
fn answers_overtake_each_other_and_five_calls_run_at_once() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    for id in 1..=5 {
        child.call(id, "ask", &json!({ "kind": "ping" }));
    }
    let asked: Vec<Value> = (0..5).map(|_| child.message()["id"].clone()).collect();
    child.call(6, "echo", &json!({}));
    child.send(r#"{"jsonrpc":"2.0","id":"last","method":"ping"}"#);
    assert_eq!(child.message()["id"], "last", "the sixth call waits, the ping overtakes");
    for id in asked.iter().rev() {
        child.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
    let mut answered: Vec<u64> = (0..6).map(|_| child.message()["id"].as_u64().unwrap()).collect();
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn ask_relays_result_and_error_of_the_client() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    for (kind, method) in
        [("sampling", "sampling/createMessage"), ("elicitation", "elicitation/create"), ("roots", "roots/list")]
    {
        child.call(9, "ask", &json!({ "kind": kind }));
        let request = child.message();
        assert_eq!(request["method"], method);
        child.send(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": { "kind": kind } }).to_string());
        assert_eq!(child.message()["result"]["structuredContent"]["result"]["kind"], kind);
    }
    child.call(9, "ask", &json!({ "kind": "ping" }));
    let request = child.message();
    let error = json!({ "code": -1, "message": "no" });
    child.send(&json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }).to_string());
    assert_eq!(child.message()["result"]["structuredContent"]["error"], error);
}

#[test]
fn an_unanswered_question_times_out() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.call(9, "ask", &json!({ "kind": "roots", "timeout_ms": 1 }));
    assert_eq!(child.message()["method"], "roots/list");
    assert_eq!(child.message()["error"]["message"], "ask err: no answer to roots/list in 1 ms");
}

#[test]
fn progress_goes_out_under_the_callers_token_and_before_the_answer() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.send(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"progress","arguments":{"n":2},"_meta":{"progressToken":"p<1"}}}"#,
    );
    for step in 1..=2 {
        let note = child.message();
        assert_eq!(note["method"], "notifications/progress");
        assert_eq!(
            (note["params"]["progressToken"].as_str(), note["params"]["progress"].as_u64()),
            (Some("p<1"), Some(step))
        );
    }
    assert_eq!(child.message()["id"], 1);
}

#[test]
fn log_messages_obey_the_level_which_starts_at_error() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    initialize(&mut child, "2025-11-25");
    assert_eq!(child.text("log", &json!({ "level": "info" })), r#"{"Result":{"sent":false}}"#);
    child.ask(r#"{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}"#);
    child.call(3, "log", &json!({ "level": "info", "data": "hello" }));
    assert_eq!(child.message()["params"]["data"], "hello");
    assert_eq!(child.message()["id"], 3);
}

#[test]
fn list_changed_changes_the_list() {
    let mut child = start(OFFLINE, &["--no-probes", "--tool-list-bytes", "0"]);
    let names = |child: &mut Running| {
        let answer = child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        answer["result"]["tools"].as_array().unwrap().len()
    };
    let before = names(&mut child);
    child.call(2, "list_changed", &json!({ "add": "fresh" }));
    assert_eq!(child.message()["method"], "notifications/tools/list_changed");
    child.message();
    assert_eq!(names(&mut child), before + 1);
}

#[test]
fn pages_join_to_the_whole_list() {
    let whole = start(OFFLINE, &["--no-probes"]).ask(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let mut child = start(OFFLINE, &["--no-probes", "--page-size", "17"]);
    let (mut tools, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params });
        let result = child.ask(&request.to_string())["result"].clone();
        tools.extend(result["tools"].as_array().unwrap().iter().cloned());
        cursor = result["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(Value::from(tools), whole["result"]["tools"]);
}

#[test]
fn extra_tools_come_from_a_file_at_each_start() {
    let path = format!("{}/extra-tools", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, "zz_one\nzz_two\n").unwrap();
    let mut child = start(OFFLINE, &["--no-probes", "--extra-tools", &path]);
    child.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(child.line().contains("\"zz_two\""));
}

#[test]
fn a_subscribed_note_reports_its_changes() {
    let mut child = start(OFFLINE, &["--no-probes", "--subscribe"]);
    assert_eq!(initialize(&mut child, "2025-11-25")["result"]["capabilities"]["resources"]["subscribe"], true);
    child.call(2, "touch_resource", &json!({}));
    assert_eq!(child.message()["id"], 2, "nobody subscribed, nobody is told");
    child.ask(r#"{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"fixture://note"}}"#);
    child.call(4, "touch_resource", &json!({}));
    assert_eq!(child.message()["params"]["uri"], "fixture://note");
    child.message();
    let read = child.ask(r#"{"jsonrpc":"2.0","id":5,"method":"resources/read","params":{"uri":"fixture://note"}}"#);
    assert_eq!(read["result"]["contents"][0]["text"], "edition 2");
    child.ask(r#"{"jsonrpc":"2.0","id":6,"method":"resources/unsubscribe","params":{"uri":"fixture://note"}}"#);
    child.call(7, "touch_resource", &json!({}));
    assert_eq!(child.message()["id"], 7);
}

#[test]
fn the_newer_release_reads_issues_as_resources() {
    let forgejo = Forgejo::start();
    let mut child = start(&forgejo.url, &["--habits", "2.34.1"]);
    let mut read = |uri: &str| {
        child.ask(
            &json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": uri } }).to_string(),
        )
    };
    assert!(read("forgejo://repo/alice/demo/issue/1")["result"]["contents"][0]["text"].is_string());
    assert_eq!(
        read("forgejo://repo/alice/demo/issue/9")["error"],
        json!({ "code": -32603, "message": "resource \"forgejo://repo/alice/demo/issue/9\": not found: 404 The target couldn't be found. (code -32003)" })
    );
    assert_eq!(
        read("forgejo://nix")["error"],
        json!({ "code": -32002, "message": "handler not found for resource URI 'forgejo://nix': resource not found" })
    );
}

#[test]
fn cancellation_is_ignored_unless_asked_for() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let mut deaf = start(OFFLINE, &["--no-probes"]);
    deaf.call(1, "slow", &json!({ "ms": 50 }));
    deaf.send(cancel);
    assert_eq!(deaf.message()["result"]["content"][0]["text"], "{\"Result\":\"slept 50 ms\"}");
    let mut polite = start(OFFLINE, &["--no-probes", "--obey-cancel", "--workers", "1"]);
    polite.call(2, "ask", &json!({ "kind": "ping" }));
    polite.message();
    polite.call(1, "slow", &json!({ "ms": 600_000 }));
    polite.send(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(polite.message()["id"], 2);
    // Repeated until the call has begun: before that there is nothing to cancel.
    loop {
        polite.send(cancel);
        let answer = polite.ask(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        if answer["id"] == 1 {
            assert_eq!(answer["error"]["message"], "slow err: context canceled");
            return;
        }
    }
}

#[test]
fn received_shows_what_was_sent() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}"#);
    let report: Value =
        serde_json::from_str(&child.text("received", &json!({ "method": "notifications/cancelled" }))).unwrap();
    assert_eq!(report["lines"].as_array().unwrap().len(), 1);
    assert!(report["lines"][0].as_str().unwrap().contains("77"));
}
