//! Misbehaviour, the end of the process, and the doors.

use serde_json::{Value, json};

use crate::child::{Running, start};
use crate::forgejo::Forgejo;

const OFFLINE: &str = "http://127.0.0.1:1";

/// Starts a call that is certainly running: its question to the client has arrived.
fn begin_call(child: &mut Running, id: u32) -> Value {
    child.call(id, "ask", &json!({ "kind": "ping" }));
    child.message()["id"].clone()
}

#[test]
fn the_end_of_stdin_lets_calls_in_flight_finish_and_exits_0() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    for id in 1..=9 {
        child.call(id, "slow", &json!({ "ms": 20 }));
    }
    child.send_bytes(br#"{"jsonrpc":"2.0","id":"cut","method":"ping"}"#);
    child.close_stdin();
    let rest = child.rest();
    assert_eq!(rest.lines().count(), 9, "{rest}");
    assert!(!rest.contains("cut"), "an unterminated last line is dropped");
    assert_eq!(child.wait().code(), Some(0));
}

#[test]
fn sigterm_and_sigint_let_the_running_call_finish_and_exit_0() {
    for name in ["TERM", "INT"] {
        let mut child = start(OFFLINE, &["--no-probes"]);
        let asked = begin_call(&mut child, 7);
        child.signal(name);
        child.send(&json!({ "jsonrpc": "2.0", "id": asked, "result": {} }).to_string());
        assert_eq!(child.message()["id"], 7);
        assert_eq!(child.wait().code(), Some(0));
        assert!(child.stderr().contains("context canceled"));
    }
}

#[test]
fn a_stubborn_child_survives_sigterm_and_the_end_of_stdin() {
    use std::os::unix::process::ExitStatusExt;
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.text("ignore_sigterm", &json!({ "eof_too": true }));
    child.signal("TERM");
    assert_eq!(child.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)["id"], 1);
    child.close_stdin();
    child.signal("TERM");
    assert!(child.is_running());
    child.signal("KILL");
    assert_eq!(child.wait().signal(), Some(9));
}

#[test]
fn crashes_end_the_process_in_the_way_asked_for() {
    use std::os::unix::process::ExitStatusExt;
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.call(1, "crash", &json!({ "status": 9 }));
    assert_eq!(child.rest(), "");
    assert_eq!(child.wait().code(), Some(9));
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.call(1, "crash", &json!({ "how": "abort" }));
    assert_eq!(child.wait().signal(), Some(6));
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.call(1, "crash", &json!({ "how": "half_line" }));
    assert_eq!(child.rest(), r#"{"jsonrpc":"2.0","id":"#);
}

#[test]
fn a_panic_kills_the_older_release_and_loses_the_id_in_the_newer() {
    let mut old = start(OFFLINE, &["--no-probes", "--habits", "2.18.0"]);
    old.call(1, "crash", &json!({ "how": "panic" }));
    assert_eq!(old.rest(), "");
    assert_eq!(old.wait().code(), Some(2));
    let mut new = start(OFFLINE, &["--no-probes", "--habits", "2.34.1"]);
    new.call(1, "crash", &json!({ "how": "panic" }));
    let answer = new.message();
    assert_eq!((answer["id"].clone(), answer["error"]["code"].clone()), (Value::Null, json!(-32603)));
}

#[test]
fn garbage_stray_answers_and_long_lines_come_before_the_proper_answer() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.call(1, "garbage", &json!({ "text": "<html>", "times": 2 }));
    assert_eq!((child.line(), child.line()), ("<html>".into(), "<html>".into()));
    assert_eq!(child.message()["id"], 1);
    child.call(2, "stray", &json!({ "id": "own" }));
    assert_eq!((child.message()["id"].clone(), child.message()["id"].clone()), (json!(2), json!(2)));
    child.call(3, "endless_line", &json!({ "bytes": 200_000 }));
    assert_eq!(child.line().len(), 200_000);
    assert_eq!(child.message()["id"], 3);
}

#[test]
fn stderr_can_be_made_to_show_the_token() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.text("stderr", &json!({ "text": "the token is {token}" }));
    child.close_stdin();
    assert!(child.stderr().contains("the token is good\n"));
}

#[test]
fn environment_reports_names_values_and_arguments() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    let report: Value = serde_json::from_str(&child.text("environment", &json!({}))).unwrap();
    assert_eq!(report["variables"], json!({ "FORGEJO_URL": OFFLINE, "FORGEJO_ACCESS_TOKEN": "good" }));
    assert_eq!(report["arguments"][1], "--no-probes");
    assert_eq!(report["pid"], child.pid());
    assert_eq!(report["files"]["0"].as_str().map(|target| target.starts_with("pipe:")), Some(true));
    assert!(report["status"]["NoNewPrivs"].is_string());
    assert!(report["group"].is_number());
}

#[test]
fn a_grandchild_outlives_its_parent() {
    let mut child = start(OFFLINE, &["--no-probes"]);
    child.call(1, "grandchild", &json!({ "seconds": 60, "own_group": true }));
    let pid = child.message()["result"]["structuredContent"]["pid"].as_u64().unwrap();
    child.close_stdin();
    child.wait();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    let ended = std::process::Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status().unwrap();
    assert!(ended.success());
}

#[test]
fn raw_request_sends_the_target_as_given_with_the_token() {
    let forgejo = Forgejo::with(|_| (418, "tea <pot>".into()));
    let mut child = start(&forgejo.url, &["--no-probes"]);
    let arguments = json!({
        "method": "PATCH",
        "path": "/api/v1/repos/alice//demo/../%70riv?sudo=root",
        "headers": [["Sudo", "root"], ["X-Twice", "1"], ["X-Twice", "2"]],
        "body": "access_token=x",
    });
    let report: Value = serde_json::from_str(&child.text("raw_request", &arguments)).unwrap();
    assert_eq!((report["status"].clone(), report["body"].clone()), (json!(418), json!("tea <pot>")));
    let seen = &forgejo.seen()[0];
    assert_eq!(seen.line, "PATCH /api/v1/repos/alice//demo/../%70riv?sudo=root");
    for header in ["authorization: token good", "sudo: root", "x-twice: 1", "x-twice: 2"] {
        assert!(seen.headers.iter().any(|line| line == header), "{header}");
    }
    assert_eq!(seen.body, "access_token=x");
}

#[test]
fn raw_request_can_go_elsewhere_without_the_token() {
    let forgejo = Forgejo::with(|_| (200, String::new()));
    let mut child = start(OFFLINE, &["--no-probes"]);
    let address = forgejo.url.trim_start_matches("http://");
    let arguments = json!({ "path": "http://other.example/api/v1/user", "connect": address, "token": false });
    child.text("raw_request", &arguments);
    let seen = &forgejo.seen()[0];
    assert_eq!(seen.line, "GET http://other.example/api/v1/user");
    assert!(!seen.headers.iter().any(|line| line.starts_with("authorization")));
}

#[test]
fn an_attachment_download_hands_the_token_to_a_foreign_host() {
    let sink = Forgejo::with(|_| (200, "loot".into()));
    let address = format!("{}/asset", sink.url);
    let forgejo = Forgejo::with(move |_| (200, json!({ "size": 0, "browser_download_url": address }).to_string()));
    let mut child = start(&forgejo.url, &["--no-probes", "--habits", "2.34.1"]);
    let arguments = json!({ "owner": "alice", "repo": "demo", "release_id": 1, "attachment_id": 2 });
    child.call(1, "download_release_attachment", &arguments);
    assert_eq!(child.message()["result"]["content"][1]["resource"]["blob"], "bG9vdA==");
    assert_eq!(forgejo.lines(), ["GET /api/v1/repos/alice/demo/releases/1/assets/2"]);
    assert!(sink.seen()[0].headers.contains(&"authorization: token good".to_owned()));
}
