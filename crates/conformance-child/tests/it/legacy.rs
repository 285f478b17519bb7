//! `--era legacy`.

use serde_json::{Value, json};

use crate::child::{Child, answer_to, arguments, everything};

fn call(name: &str) -> Value {
    json!({"name": name, "arguments": arguments()})
}

fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {response}"))
}

fn names(response: &Value, kind: &str) -> Vec<String> {
    let listed = response["result"][kind].as_array().unwrap_or_else(|| panic!("no {kind} in {response}"));
    listed.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

/// Answers every question until the response has come.
fn play(child: &mut Child, id: u64) -> Value {
    loop {
        let line = child.next();
        match line["method"].as_str() {
            None if line["id"] == id => return line,
            Some(method) if line.get("id").is_some() => {
                let answer = answer_to(method);
                child.write(&json!({"jsonrpc": "2.0", "id": line["id"], "result": answer}));
            }
            _ => {}
        }
    }
}

#[test]
fn a_known_version_is_agreed_to_and_any_other_is_answered_with_the_latest() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let result = Child::start("legacy").initialize(asked, &json!({}));
        assert_eq!(result["protocolVersion"], agreed, "{result}");
        assert_eq!(result["serverInfo"]["name"], "conformance-child");
        assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
    }
}

#[test]
fn before_the_handshake_only_ping_is_served_and_a_probe_is_an_unknown_method() {
    let mut child = Child::start("legacy");
    assert_eq!(child.ask("tools/list", &json!({}))["error"]["code"], -32600);
    assert_eq!(child.ask("server/discover", &json!({}))["error"]["code"], -32601);
    assert_eq!(child.ask("ping", &json!({}))["result"], json!({}));
}

#[test]
fn every_listed_tool_prompt_and_resource_can_be_had() {
    let mut child = Child::initialized(&everything());
    let tools = child.ask("tools/list", &json!({}));
    for name in names(&tools, "tools") {
        let id = child.begin("tools/call", &call(&name));
        let response = play(&mut child, id);
        assert!(response["result"]["content"].is_array(), "{name}: {response}");
        assert_eq!(response["result"]["isError"] == true, name == "test_error_handling", "{response}");
    }
    let prompts = child.ask("prompts/list", &json!({}));
    for name in names(&prompts, "prompts") {
        let arguments = json!({"arg1": "a", "arg2": "b", "resourceUri": "test://r"});
        let id = child.begin("prompts/get", &json!({"name": name, "arguments": arguments}));
        let response = play(&mut child, id);
        assert!(response["result"]["messages"][0]["content"].is_object(), "{name}: {response}");
    }
    for resource in child.ask("resources/list", &json!({}))["result"]["resources"].as_array().unwrap() {
        let read = child.ask("resources/read", &json!({"uri": resource["uri"]}));
        assert_eq!(read["result"]["contents"][0]["uri"], resource["uri"]);
    }
    let read = child.ask("resources/read", &json!({"uri": "test://template/123/data"}));
    let data: Value = serde_json::from_str(read["result"]["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(data, json!({"id": "123", "templateTest": true, "data": "Data for ID: 123"}));
}

#[test]
fn a_tool_asks_by_a_request_and_goes_on_with_the_answer() {
    let mut child = Child::initialized(&json!({"sampling": {}}));
    let id = child.begin("tools/call", &call("test_sampling"));
    let question = child.next();
    assert_eq!(question["id"], 0);
    assert_eq!(question["method"], "sampling/createMessage");
    assert_eq!(question["params"]["messages"][0]["content"]["text"], "Say something");
    child.write(&json!({"jsonrpc": "2.0", "id": 0, "result": answer_to("sampling/createMessage")}));
    let response = child.next();
    assert_eq!(response["id"], id);
    assert_eq!(text(&response), "LLM response: Paris");
}

#[test]
fn questions_that_do_not_depend_on_each_other_are_open_at_the_same_time() {
    let mut child = Child::initialized(&everything());
    let id = child.begin("tools/call", &call("test_input_required_result_multiple_inputs"));
    let mut questions = [child.next(), child.next(), child.next()];
    questions.reverse();
    for question in &questions {
        let answer = answer_to(question["method"].as_str().unwrap());
        child.write(&json!({"jsonrpc": "2.0", "id": question["id"], "result": answer}));
    }
    let response = child.next();
    assert_eq!(response["id"], id);
    assert_eq!(text(&response), "Paris \"Ada\" file:///home/ada");
}

#[test]
fn a_client_that_cannot_or_will_not_answer_makes_the_tool_fail() {
    let mut child = Child::initialized(&json!({"elicitation": {}}));
    let undeclared = child.ask("tools/call", &call("test_sampling"));
    assert_eq!(undeclared["result"]["isError"], true);
    assert!(text(&undeclared).contains("`sampling`"), "{undeclared}");
    for answer in [json!({"error": {"code": -1, "message": "User rejected"}}), json!({"result": {"action": "accept"}})]
    {
        let id = child.begin("tools/call", &call("test_elicitation"));
        let question = child.next();
        let mut reply = json!({"jsonrpc": "2.0", "id": question["id"]});
        reply.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        child.write(&reply);
        let response = child.next();
        assert_eq!((&response["id"], &response["result"]["isError"]), (&json!(id), &json!(true)));
    }
}

#[test]
fn a_cancelled_call_withdraws_its_question_and_is_not_answered() {
    let mut child = Child::initialized(&everything());
    let id = child.begin("tools/call", &call("test_elicitation"));
    let question = child.next();
    child.notify("notifications/cancelled", &json!({"requestId": id}));
    let withdrawn = child.next();
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    assert_eq!(child.ask("ping", &json!({}))["result"], json!({}));
    let (rest, _) = child.close();
    assert_eq!(rest, Vec::<Value>::new());
}

#[test]
fn progress_goes_out_under_the_token_and_not_without_one() {
    let mut child = Child::initialized(&json!({}));
    for token in [json!("t"), json!(7)] {
        let params = json!({"name": "test_tool_with_progress", "_meta": {"progressToken": token}});
        let id = child.begin("tools/call", &params);
        let lines = child.until_response(id);
        let steps: Vec<_> = lines[..lines.len() - 1].iter().map(|line| &line["params"]).collect();
        assert!(steps.iter().all(|step| step["progressToken"] == token && step["total"] == 100), "{steps:?}");
        assert_eq!(
            steps.iter().map(|step| step["progress"].as_u64()).collect::<Vec<_>>(),
            [Some(0), Some(50), Some(100)]
        );
    }
    child.ask("tools/call", &call("test_tool_with_progress"));
}

#[test]
fn the_log_level_holds_for_everything_that_follows() {
    let mut child = Child::initialized(&json!({}));
    for (level, expected) in [("debug", 3), ("info", 2), ("error", 1), ("emergency", 0)] {
        assert_eq!(child.ask("logging/setLevel", &json!({"level": level}))["result"], json!({}));
        let id = child.begin("tools/call", &call("test_logging_tool"));
        let lines = child.until_response(id);
        assert_eq!(lines.len() - 1, expected, "{level}: {lines:?}");
    }
    assert_eq!(child.ask("logging/setLevel", &json!({"level": "loud"}))["error"]["code"], -32602);
}

#[test]
fn a_changed_list_is_announced_and_is_another_list() {
    let mut child = Child::start("legacy");
    child.initialize("2025-11-25", &json!({}));
    for (list, kind, trigger) in
        [("tools/list", "tools", "test_trigger_tool_change"), ("prompts/list", "prompts", "test_trigger_prompt_change")]
    {
        let before = names(&child.ask(list, &json!({})), kind);
        // T72: nothing is announced before `initialized`.
        child.ask("tools/call", &call(trigger));
        let changed = names(&child.ask(list, &json!({})), kind);
        assert_eq!(changed.len(), before.len() + 1);
        assert_eq!(changed[..before.len()], before);
    }
    child.notify("notifications/initialized", &json!({}));
    let id = child.begin("tools/call", &call("test_trigger_tool_change"));
    assert_eq!(child.until_response(id)[0]["method"], "notifications/tools/list_changed");
    let id = child.begin("tools/call", &call("test_trigger_prompt_change"));
    assert_eq!(child.until_response(id)[0]["method"], "notifications/prompts/list_changed");
}

#[test]
fn an_update_is_told_only_to_who_subscribed() {
    let mut child = Child::initialized(&json!({}));
    let watched = json!({"uri": "test://watched-resource"});
    child.ask("tools/call", &call("test_trigger_resource_update"));
    assert_eq!(child.ask("resources/subscribe", &watched)["result"], json!({}));
    let id = child.begin("tools/call", &call("test_trigger_resource_update"));
    let update = child.until_response(id).remove(0);
    assert_eq!((&update["method"], &update["params"]), (&json!("notifications/resources/updated"), &watched));
    assert_eq!(child.ask("resources/unsubscribe", &watched)["result"], json!({}));
    child.ask("tools/call", &call("test_trigger_resource_update"));
}

#[test]
fn what_is_not_there_is_an_error_of_this_era() {
    let mut child = Child::initialized(&json!({}));
    let missing = child.ask("resources/read", &json!({"uri": "test://nothing"}));
    assert_eq!(
        missing["error"],
        json!({"code": -32002, "message": "Resource not found", "data": {"uri": "test://nothing"}})
    );
    for (method, params, code) in [
        ("tools/call", json!({"name": "none"}), -32602),
        ("tools/call", json!({"name": "test_simple_text", "arguments": 1}), -32602),
        ("prompts/get", json!({"name": "none"}), -32602),
        ("prompts/get", json!({"name": "test_prompt_with_arguments"}), -32602),
        ("tools/list", json!({"cursor": "x"}), -32602),
        ("resources/subscribe", json!({"uri": "test://nothing"}), -32002),
        ("subscriptions/listen", json!({"notifications": {}}), -32601),
    ] {
        assert_eq!(child.ask(method, &params)["error"]["code"], code, "{method} {params}");
    }
}

#[test]
fn completions_begin_as_the_argument_does() {
    let mut child = Child::initialized(&json!({}));
    let params = |value: &str| {
        let reference = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
        json!({"ref": reference, "argument": {"name": "arg1", "value": value}})
    };
    let response = child.ask("completion/complete", &params("par"));
    let expected = json!({"values": ["paris", "park", "party"], "total": 3, "hasMore": false});
    assert_eq!(response["result"]["completion"], expected);
    assert_eq!(child.ask("completion/complete", &params("zz"))["result"]["completion"]["values"], json!([]));
}
