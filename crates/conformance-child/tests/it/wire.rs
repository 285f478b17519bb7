//! Lines, ids and the end of the process.

use serde_json::{Value, json};

use crate::child::{Child, everything};

#[test]
fn an_id_comes_back_as_it_was_sent_whatever_its_type() {
    let mut child = Child::start("legacy");
    for id in [json!(0), json!(""), json!("1"), json!(1), json!(-7), json!(u64::MAX), json!("ü\n")] {
        child.write(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
        assert_eq!(child.next(), json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
}

#[test]
fn what_is_no_message_is_answered_with_an_error_and_the_next_line_is_served() {
    let mut child = Child::start("both");
    for (line, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("1", -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32600),
    ] {
        child.raw(line);
        assert_eq!(child.next()["error"]["code"], code, "{line}");
    }
    child.raw("");
    assert_eq!(child.ask("ping", &json!({}))["result"], json!({}));
}

#[test]
fn an_id_that_is_open_cannot_be_used_again() {
    let mut child = Child::initialized(&everything());
    let id = child.begin("tools/call", &json!({"name": "test_sampling", "arguments": {"prompt": "p"}}));
    let question = child.next();
    child.write(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
    assert_eq!(child.next()["error"]["code"], -32600);
    assert_eq!(question["method"], "sampling/createMessage");
}

#[test]
fn it_ends_well_at_the_end_of_stdin_and_gives_up_what_waits_for_the_client() {
    let mut child = Child::initialized(&everything());
    let id = child.begin("tools/call", &json!({"name": "test_sampling", "arguments": {"prompt": "p"}}));
    child.next();
    let (rest, status) = child.close();
    assert!(status.success(), "{status}");
    assert!(rest.iter().any(|line| line["id"] == id && line["result"]["isError"] == true), "{rest:?}");
}

#[test]
fn it_ends_well_when_it_is_terminated() {
    let mut child = Child::start("legacy");
    child.ask("ping", &json!({}));
    child.terminate();
    let (rest, status) = child.ended();
    assert_eq!(rest, Vec::<Value>::new());
    assert!(status.success(), "{status}");
}
