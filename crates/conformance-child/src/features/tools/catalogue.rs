//! `tools/list`.

use serde_json::{Value, json};

use super::super::EXTRA;

/// Tools without arguments, with their descriptions. The first one is what the suite calls when any tool will do.
const BARE: &[(&str, &str)] = &[
    ("test_simple_text", "Says a text"),
    ("test_image_content", "Shows a picture"),
    ("test_audio_content", "Plays a sound"),
    ("test_embedded_resource", "Embeds a resource"),
    ("test_multiple_content_types", "Says a text, shows a picture and embeds a resource"),
    ("test_tool_with_logging", "Logs three times while it works"),
    ("test_tool_with_progress", "Says how far it is"),
    ("test_error_handling", "Fails"),
    ("test_elicitation_sep1034_defaults", "Asks the user, with default values"),
    ("test_elicitation_sep1330_enums", "Asks the user to choose"),
    ("test_reconnection", "Takes a while"),
    ("test_missing_capability", "Needs the client's model"),
    ("test_streaming_elicitation", "Asks the user after it has begun"),
    ("test_logging_tool", "Logs at several levels"),
    ("test_trigger_tool_change", "Changes the list of tools"),
    ("test_trigger_prompt_change", "Changes the list of prompts"),
    ("test_trigger_resource_update", "Changes the watched resource"),
    ("test_input_required_result_elicitation", "Asks the user's name"),
    ("test_input_required_result_sampling", "Asks the client's model"),
    ("test_input_required_result_list_roots", "Asks the client's roots"),
    ("test_input_required_result_request_state", "Asks and remembers that it asked"),
    ("test_input_required_result_multiple_inputs", "Asks three things at once"),
    ("test_input_required_result_multi_round", "Asks one thing after another"),
    ("test_input_required_result_tampered_state", "Asks and refuses a changed state"),
    ("test_input_required_result_capabilities", "Asks what the client has declared"),
];

/// All tools, always in the same order (M10).
pub(crate) fn list(with_extra: bool) -> Vec<Value> {
    let bare = |(name, description): &(&str, &str)| json!({ "name": name, "description": description, "inputSchema": empty() });
    let mut tools: Vec<_> = BARE.iter().map(bare).collect();
    tools.push(with_one("test_sampling", "Asks the client's model", "prompt", &json!({ "type": "string" })));
    tools.push(with_one("test_elicitation", "Asks the user", "message", &json!({ "type": "string" })));
    let mirrored = json!({ "type": "string", "x-mcp-header": "Region" });
    tools.push(with_one(
        "test_mirrored_parameter",
        "Has a parameter that clients repeat in a header",
        "region",
        &mirrored,
    ));
    tools.push(json!({
        "name": "json_schema_2020_12_tool",
        "description": "Has a schema with keywords of JSON Schema 2020-12",
        "inputSchema": keywords(),
    }));
    if with_extra {
        let description = "Is there after every other test_trigger_tool_change";
        tools.push(json!({ "name": EXTRA, "description": description, "inputSchema": empty() }));
    }
    tools
}

fn empty() -> Value {
    json!({ "type": "object", "properties": {} })
}

fn with_one(name: &str, description: &str, parameter: &str, schema: &Value) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": { "type": "object", "properties": { parameter: schema }, "required": [parameter] },
    })
}

/// A schema with what gateways and libraries like to lose: `$schema`, `$defs`, `$anchor`, composition and conditions.
fn keywords() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}
