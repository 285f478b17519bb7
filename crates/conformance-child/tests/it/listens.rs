//! `subscriptions/listen` (L01 to L08).

use serde_json::{Value, json};

use crate::child::{Child, modern};

const KEY: &str = "io.modelcontextprotocol/subscriptionId";

fn listen(child: &mut Child, id: &Value, filter: &Value) -> Value {
    let params = modern(json!({"notifications": filter}), &json!({}));
    child.write(&json!({"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params}));
    child.next()
}

/// What comes before the answer of a tool.
fn trigger(child: &mut Child, tool: &str) -> Vec<Value> {
    let id = child.begin("tools/call", &modern(json!({"name": tool}), &json!({})));
    let mut lines = child.until_response(id);
    lines.pop();
    lines
}

#[test]
fn a_listen_is_acknowledged_first_with_what_is_honoured() {
    let mut child = Child::start("modern");
    let wanted = json!({
        "toolsListChanged": true, "promptsListChanged": false, "resourcesListChanged": true,
        "resourceSubscriptions": ["test://watched-resource", "test://nothing"],
    });
    let acknowledged = listen(&mut child, &json!("one"), &wanted);
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["_meta"][KEY], "one");
    let honoured = json!({"toolsListChanged": true, "resourceSubscriptions": ["test://watched-resource"]});
    assert_eq!(acknowledged["params"]["notifications"], honoured);
}

#[test]
fn each_listen_gets_what_it_asked_for_under_its_own_id() {
    let mut child = Child::start("modern");
    listen(&mut child, &json!(100), &json!({"toolsListChanged": true}));
    listen(&mut child, &json!("100"), &json!({"toolsListChanged": true, "promptsListChanged": true}));
    listen(&mut child, &json!(101), &json!({"resourceSubscriptions": ["test://watched-resource"]}));
    let ids = |lines: &[Value]| lines.iter().map(|line| line["params"]["_meta"][KEY].clone()).collect::<Vec<_>>();
    let tools = trigger(&mut child, "test_trigger_tool_change");
    assert!(tools.iter().all(|line| line["method"] == "notifications/tools/list_changed"), "{tools:?}");
    assert_eq!(ids(&tools), [json!(100), json!("100")]);
    assert_eq!(ids(&trigger(&mut child, "test_trigger_prompt_change")), [json!("100")]);
    let updates = trigger(&mut child, "test_trigger_resource_update");
    assert_eq!(updates[0]["params"]["uri"], "test://watched-resource");
    assert_eq!(ids(&updates), [json!(101)]);
}

#[test]
fn a_cancelled_listen_is_silent() {
    let mut child = Child::start("modern");
    listen(&mut child, &json!(100), &json!({"toolsListChanged": true}));
    child.notify("notifications/cancelled", &json!({"requestId": 100}));
    assert_eq!(trigger(&mut child, "test_trigger_tool_change"), Vec::<Value>::new());
    let (rest, _) = child.close();
    assert_eq!(rest, Vec::<Value>::new());
}

#[test]
fn a_listen_ends_with_its_response_when_the_server_does() {
    for ends_by_signal in [true, false] {
        let mut child = Child::start("modern");
        listen(&mut child, &json!("last"), &json!({}));
        let (rest, status) = if ends_by_signal {
            child.terminate();
            child.ended()
        } else {
            child.close()
        };
        assert!(status.success());
        let [response] = rest.as_slice() else { panic!("{rest:?}") };
        assert_eq!(response["id"], "last");
        assert_eq!(response["result"]["resultType"], "complete");
        assert_eq!(response["result"]["_meta"][KEY], "last");
    }
}

#[test]
fn a_filter_of_the_wrong_form_is_refused() {
    let mut child = Child::start("modern");
    for filter in [json!(1), json!({"toolsListChanged": "yes"}), json!({"resourceSubscriptions": [1]})] {
        assert_eq!(listen(&mut child, &json!(1), &filter)["error"]["code"], -32602, "{filter}");
    }
    assert_eq!(listen(&mut child, &json!(1), &json!({}))["params"]["notifications"], json!({}));
    // The id is open now, as any other request's would be.
    assert_eq!(listen(&mut child, &json!(1), &json!({}))["error"]["code"], -32600);
}
