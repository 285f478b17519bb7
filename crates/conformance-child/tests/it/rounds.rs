//! Input-required results and retries (R01 to R08).

use serde_json::{Map, Value, json};

use crate::child::{Child, answer_to, everything, modern};

fn request(child: &mut Child, name: &str, more: &Value) -> Value {
    let mut params = json!({"name": name, "arguments": {}});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    child.ask("tools/call", &modern(params, &everything()))
}

/// The retry of an input-required result, everything answered.
fn retry(required: &Value) -> Value {
    let requests =
        required["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("no requests in {required}"));
    let answers: Map<_, _> =
        requests.iter().map(|(key, request)| (key.clone(), answer_to(request["method"].as_str().unwrap()))).collect();
    let mut more = json!({"inputResponses": answers});
    if let Some(state) = required["result"].get("requestState") {
        more["requestState"] = state.clone();
    }
    more
}

#[test]
fn every_tool_that_asks_is_done_after_its_retries() {
    for (name, rounds, has_state) in [
        ("test_input_required_result_elicitation", 1, false),
        ("test_input_required_result_sampling", 1, false),
        ("test_input_required_result_list_roots", 1, false),
        ("test_input_required_result_request_state", 1, true),
        ("test_input_required_result_multiple_inputs", 1, true),
        ("test_input_required_result_multi_round", 2, true),
        ("test_input_required_result_tampered_state", 1, true),
        ("test_input_required_result_capabilities", 1, false),
        ("test_missing_capability", 1, false),
        ("test_streaming_elicitation", 1, false),
        ("test_elicitation_sep1034_defaults", 1, false),
        ("test_elicitation_sep1330_enums", 1, false),
    ] {
        let mut child = Child::start("modern");
        let mut response = request(&mut child, name, &json!({}));
        for round in 0..rounds {
            assert_eq!(response["result"]["resultType"], "input_required", "{name}, round {round}: {response}");
            assert_eq!(response["result"].get("requestState").is_some(), has_state, "{name}: {response}");
            // D04.
            assert!(response["result"].get("ttlMs").is_none());
            response = request(&mut child, name, &retry(&response));
        }
        assert_eq!(response["result"]["resultType"], "complete", "{name}: {response}");
        assert!(response["result"]["content"][0]["text"].is_string(), "{name}: {response}");
    }
}

#[test]
fn a_state_is_good_only_unchanged_and_for_what_it_was_made() {
    let mut child = Child::start("modern");
    let name = "test_input_required_result_tampered_state";
    let required = request(&mut child, name, &json!({}));
    let good = retry(&required);
    let mut tampered = good.clone();
    tampered["requestState"] = format!("{}-TAMPERED", good["requestState"].as_str().unwrap()).into();
    assert_eq!(request(&mut child, name, &tampered)["error"]["code"], -32602);
    let other_tool = request(&mut child, "test_input_required_result_request_state", &good);
    assert_eq!(other_tool["error"]["code"], -32602);
    let mut other_arguments = good.clone();
    other_arguments["arguments"] = json!({"x": 1});
    assert_eq!(request(&mut child, name, &other_arguments)["error"]["code"], -32602);
    assert_eq!(request(&mut child, name, &good)["result"]["resultType"], "complete");
}

#[test]
fn a_state_outlives_the_process_if_the_key_does() {
    let start = || Child::start_with(&["--era", "modern", "--state-key", "shared"]);
    let name = "test_input_required_result_multi_round";
    let first = request(&mut start(), name, &json!({}));
    let second = request(&mut start(), name, &retry(&first));
    let third = request(&mut start(), name, &retry(&second));
    assert_eq!(third["result"]["content"][0]["text"], "\"Ada\" likes \"red\"");
    let strange = request(&mut Child::start("modern"), name, &retry(&first));
    assert_eq!(strange["error"]["code"], -32602);
}

#[test]
fn missing_answers_are_asked_for_again_and_malformed_ones_refused() {
    let mut child = Child::start("modern");
    let name = "test_input_required_result_elicitation";
    let wrong_key = json!({"inputResponses": {"wrong_key": answer_to("elicitation/create")}});
    assert_eq!(request(&mut child, name, &wrong_key)["result"]["resultType"], "input_required");
    for malformed in [json!({"inputResponses": {"user_name": 12345}}), json!({"inputResponses": null})] {
        assert_eq!(request(&mut child, name, &malformed)["error"]["code"], -32602, "{malformed}");
    }
    let stray = json!({"inputResponses": {"user_name": answer_to("elicitation/create"), "stray": {"x": 1}}});
    assert_eq!(request(&mut child, name, &stray)["result"]["content"][0]["text"], "Hello, Ada!");
}

#[test]
fn only_what_is_declared_is_asked_for() {
    let mut child = Child::start("modern");
    for (declared, expected) in [
        (json!({"sampling": {}}), vec!["sampling/createMessage"]),
        (json!({"elicitation": {"form": {}}, "roots": {}}), vec!["elicitation/create", "roots/list"]),
    ] {
        let params = modern(json!({"name": "test_input_required_result_capabilities"}), &declared);
        let response = child.ask("tools/call", &params);
        let requests = response["result"]["inputRequests"].as_object().unwrap();
        let mut methods: Vec<_> = requests.values().map(|request| request["method"].as_str().unwrap()).collect();
        methods.sort_unstable();
        assert_eq!(methods, expected);
    }
}

#[test]
fn a_prompt_can_ask_as_well() {
    let mut child = Child::start("modern");
    let name = "test_input_required_result_prompt";
    let required = child.ask("prompts/get", &modern(json!({"name": name}), &everything()));
    let mut params = retry(&required);
    params["name"] = name.into();
    let response = child.ask("prompts/get", &modern(params, &everything()));
    assert_eq!(response["result"]["messages"][0]["role"], "user", "{response}");
}
