//! `--era both`: each message decides, and neither era disturbs the other.

use serde_json::{Value, json};

use crate::child::{Child, answer_to, arguments, everything, modern};

#[test]
fn both_eras_are_served_by_one_process_at_once() {
    let mut child = Child::start("both");
    let version = child.initialize("2025-11-25", &everything())["protocolVersion"].clone();
    assert_eq!(version, "2025-11-25");
    child.notify("notifications/initialized", &json!({}));
    let call = json!({"name": "test_sampling", "arguments": arguments()});
    let waiting = child.begin("tools/call", &call);
    let question = child.next();
    assert_eq!(question["method"], "sampling/createMessage");
    let required = child.ask("tools/call", &modern(call, &everything()));
    assert_eq!(required["result"]["resultType"], "input_required");
    child.write(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer_to("sampling/createMessage")}));
    let response = child.next();
    assert_eq!(response["id"], waiting);
    assert!(response["result"].get("resultType").is_none(), "{response}");
}

#[test]
fn a_change_reaches_the_session_and_every_listen() {
    let mut child = Child::start("both");
    child.initialize("2025-11-25", &json!({}));
    child.notify("notifications/initialized", &json!({}));
    let params = modern(json!({"notifications": {"toolsListChanged": true}}), &json!({}));
    child.write(&json!({"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": params}));
    child.next();
    let id = child.begin("tools/call", &json!({"name": "test_trigger_tool_change"}));
    let lines = child.until_response(id);
    let tags: Vec<_> = lines[..2].iter().map(|line| line["params"]["_meta"].clone()).collect();
    assert_eq!(tags, [Value::Null, json!({"io.modelcontextprotocol/subscriptionId": "l"})]);
}

#[test]
fn without_a_claim_and_without_a_handshake_nothing_is_served() {
    let mut child = Child::start("both");
    assert_eq!(child.ask("tools/list", &json!({}))["error"]["code"], -32600);
    let listed = child.ask("tools/list", &modern(json!({}), &json!({})));
    assert!(listed["result"]["tools"].is_array());
}
