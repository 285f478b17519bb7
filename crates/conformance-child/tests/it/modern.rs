//! `--era modern`, but for rounds and listens.

use serde_json::{Value, json};

use crate::child::{Child, arguments, everything, modern};

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

fn plain(params: Value) -> Value {
    modern(params, &json!({}))
}

#[test]
fn discovery_says_what_is_spoken_and_offered() {
    let result = Child::start("modern").ask("server/discover", &plain(json!({})))["result"].clone();
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert_eq!(result["_meta"][SERVER_INFO]["name"], "conformance-child");
    assert!(result["ttlMs"].is_u64() && result["cacheScope"] == "public", "{result}");
}

#[test]
fn a_request_has_to_say_its_version_and_capabilities() {
    let mut child = Child::start("modern");
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let mut no_version = plain(json!({}));
    no_version["_meta"].as_object_mut().unwrap().remove(version);
    let mut no_capabilities = plain(json!({}));
    no_capabilities["_meta"].as_object_mut().unwrap().remove(capabilities);
    let mut bad_level = plain(json!({}));
    bad_level["_meta"]["io.modelcontextprotocol/logLevel"] = "loud".into();
    for params in [json!({}), no_version, no_capabilities, bad_level] {
        for method in ["server/discover", "tools/list"] {
            assert_eq!(child.ask(method, &params)["error"]["code"], -32602, "{method} {params}");
        }
    }
    let mut other = plain(json!({}));
    other["_meta"][version] = "v999.0.0".into();
    let error = child.ask("server/discover", &other)["error"].clone();
    assert_eq!(error["code"], -32022);
    assert_eq!(error["data"], json!({"supported": ["2026-07-28"], "requested": "v999.0.0"}));
}

#[test]
fn removed_methods_are_unknown_and_a_legacy_handshake_is_told_the_version() {
    let mut child = Child::start("modern");
    for method in
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "unknown/method"]
    {
        assert_eq!(child.ask(method, &plain(json!({})))["error"]["code"], -32601, "{method}");
    }
    let error = child.ask("initialize", &json!({"protocolVersion": "2025-11-25", "capabilities": {}}))["error"].clone();
    assert_eq!(error["data"], json!({"supported": ["2026-07-28"], "requested": "2025-11-25"}));
}

#[test]
fn every_result_has_its_type_and_name_and_only_what_may_be_kept_has_hints() {
    let mut child = Child::start("modern");
    for (method, params, scope) in [
        ("tools/list", json!({}), Some("public")),
        ("prompts/list", json!({}), Some("public")),
        ("resources/list", json!({}), Some("public")),
        ("resources/templates/list", json!({}), Some("public")),
        ("resources/read", json!({"uri": "test://static-text"}), Some("private")),
        ("tools/call", json!({"name": "test_simple_text"}), None),
        ("prompts/get", json!({"name": "test_simple_prompt"}), None),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "test://template/{id}/data"}, "argument": {"name": "id", "value": ""}}),
            None,
        ),
    ] {
        let result = child.ask(method, &plain(params))["result"].clone();
        assert_eq!(result["resultType"], "complete", "{method}: {result}");
        assert_eq!(result["_meta"][SERVER_INFO]["name"], "conformance-child");
        assert_eq!(result.get("cacheScope").and_then(Value::as_str), scope, "{method}");
        assert_eq!(result.get("ttlMs").is_some(), scope.is_some(), "{method}");
    }
}

#[test]
fn what_is_not_there_is_an_error_of_this_era() {
    let missing = Child::start("modern").ask("resources/read", &plain(json!({"uri": "test://nothing"})));
    assert_eq!(missing["error"]["code"], -32602);
    assert_eq!(missing["error"]["data"], json!({"uri": "test://nothing"}));
}

#[test]
fn a_capability_that_was_not_declared_is_named() {
    let mut child = Child::start("modern");
    let params = plain(json!({"name": "test_missing_capability", "arguments": {}}));
    let error = child.ask("tools/call", &params)["error"].clone();
    assert_eq!(error["code"], -32021);
    assert_eq!(error["data"], json!({"requiredCapabilities": {"sampling": {}}}));
    let all =
        modern(json!({"name": "test_input_required_result_multiple_inputs"}), &json!({"elicitation": {"url": {}}}));
    let error = child.ask("tools/call", &all)["error"].clone();
    assert_eq!(error["data"]["requiredCapabilities"], everything());
}

#[test]
fn nothing_is_logged_but_for_a_request_that_asks_for_it() {
    let mut child = Child::start("modern");
    for (level, expected) in [(None, 0), (Some("debug"), 3), (Some("info"), 2), (Some("alert"), 0)] {
        let mut params = plain(json!({"name": "test_logging_tool"}));
        if let Some(level) = level {
            params["_meta"]["io.modelcontextprotocol/logLevel"] = level.into();
        }
        let id = child.begin("tools/call", &params);
        let lines = child.until_response(id);
        assert_eq!(lines.len() - 1, expected, "{level:?}: {lines:?}");
        assert!(lines[..expected].iter().all(|line| line["method"] == "notifications/message"));
    }
}

#[test]
fn no_tool_and_no_prompt_ever_makes_it_write_a_request() {
    let mut child = Child::start("modern");
    let tools = child.ask("tools/list", &plain(json!({})))["result"]["tools"].clone();
    for tool in tools.as_array().unwrap() {
        let mut params = json!({"name": tool["name"], "arguments": arguments(), "_meta": {"progressToken": "t"}});
        params["_meta"]["io.modelcontextprotocol/logLevel"] = "debug".into();
        let id = child.begin("tools/call", &modern(params, &everything()));
        for line in child.until_response(id) {
            assert!(line.get("method").is_none() || line.get("id").is_none(), "{}: {line}", tool["name"]);
            assert!(line.get("error").is_none(), "{}: {line}", tool["name"]);
        }
    }
    let params = modern(json!({"name": "test_input_required_result_prompt"}), &everything());
    assert_eq!(child.ask("prompts/get", &params)["result"]["resultType"], "input_required");
}

#[test]
fn a_response_by_the_client_is_ignored() {
    let mut child = Child::start("modern");
    child.write(&json!({"jsonrpc": "2.0", "id": 0, "result": {}}));
    assert_eq!(child.ask("server/discover", &plain(json!({})))["result"]["resultType"], "complete");
}
