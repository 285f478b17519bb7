//! `Mcp-Param-*`: tool arguments that a client repeats in headers, because the tool's `inputSchema` says so (H05 to H07).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::mirror::{decode, mismatch};
use crate::refusal::Refusal;

const ANNOTATION: &str = "x-mcp-header";
/// Nesting of schemas that is looked into.
const MAX_DEPTH: usize = 16;

/// One header that a tool wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParamHeader {
    /// What follows `Mcp-Param-`, in lower case.
    name: String,
    /// The way to the argument.
    path: Vec<String>,
}

/// The headers of all tools in the result of a `tools/list`. Tools whose schema breaks the rules (H07) have none: clients drop
/// them, and nothing can be demanded for them.
pub(crate) fn of_tools(result: &Bytes) -> HashMap<String, Arc<[ParamHeader]>> {
    // Almost no server uses them.
    if memchr::memmem::find(result, ANNOTATION.as_bytes()).is_none() {
        return HashMap::new();
    }
    let Ok(Value::Object(mut list)) = serde_json::from_slice(result) else { return HashMap::new() };
    let Some(Value::Array(tools)) = list.remove("tools") else { return HashMap::new() };
    let headers = |tool: &Value| {
        let name = tool.get("name")?.as_str()?.to_owned();
        let mut found = Vec::new();
        collect(tool.get("inputSchema")?, &mut Vec::new(), &mut found).ok()?;
        (!found.is_empty()).then(|| (name, found.into()))
    };
    tools.iter().filter_map(headers).collect()
}

/// What is reachable through `properties` only counts; an annotation anywhere else is against the rules.
fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<ParamHeader>) -> Result<(), ()> {
    let Value::Object(members) = schema else { return Ok(()) };
    if path.len() > MAX_DEPTH {
        return Err(());
    }
    if let Some(annotation) = members.get(ANNOTATION) {
        let name =
            annotation.as_str().filter(|name| !path.is_empty() && is_token(name)).ok_or(())?.to_ascii_lowercase();
        let primitive = matches!(members.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean"));
        if !primitive || found.iter().any(|other| other.name == name) {
            return Err(());
        }
        found.push(ParamHeader { name, path: path.clone() });
    }
    for (name, member) in members {
        if name != "properties" {
            if name != ANNOTATION
                && !matches!(name.as_str(), "default" | "examples" | "enum" | "const")
                && mentions(member)
            {
                return Err(());
            }
            continue;
        }
        let Value::Object(properties) = member else { continue };
        for (property, schema) in properties {
            path.push(property.clone());
            collect(schema, path, found)?;
            path.pop();
        }
    }
    Ok(())
}

fn mentions(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.contains_key(ANNOTATION) || members.values().any(mentions),
        Value::Array(items) => items.iter().any(mentions),
        _ => false,
    }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Compares the headers of a call with its arguments. Headers that the tool does not want are ignored (H09).
pub(super) fn check(
    declared: &[ParamHeader],
    headers: &[(String, String)],
    arguments: Option<Bytes>,
) -> Result<(), Refusal> {
    let arguments: Value = arguments.and_then(|raw| serde_json::from_slice(&raw).ok()).unwrap_or_default();
    for ParamHeader { name, path } in declared {
        let value = path.iter().try_fold(&arguments, |value, part| value.get(part)).filter(|value| !value.is_null());
        let header = headers.iter().find(|(found, _)| found == name).map(|(_, header)| header.as_str());
        let argument = path.join(".");
        match (value, header) {
            (None, None) => {}
            (Some(_), None) => {
                return Err(mismatch(format!(
                    "the header Mcp-Param-{name} is missing; it repeats the argument {argument:?}"
                )));
            }
            (value, Some(header)) => {
                let header = decode(header).ok_or_else(|| {
                    mismatch(format!("the header Mcp-Param-{name} is marked as Base64 of UTF-8 and is not"))
                })?;
                if !value.is_some_and(|value| same(value, &header)) {
                    return Err(mismatch(format!("the header Mcp-Param-{name} and the argument {argument:?} differ")));
                }
            }
        }
    }
    Ok(())
}

fn same(value: &Value, header: &str) -> bool {
    match value {
        Value::String(text) => text == header,
        Value::Bool(flag) => header == if *flag { "true" } else { "false" },
        // H06: 42.0 is 42. As text first, because a double does not hold every integer.
        Value::Number(number) => {
            let text = number.to_string();
            text == header || whole(&text).is_some_and(|value| whole(header) == Some(value))
        }
        _ => false,
    }
}

/// The integer that a number is, whatever decimals of nothing it has.
fn whole(text: &str) -> Option<i128> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.bytes().any(|digit| digit != b'0') {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(schema: &Value) -> Option<Arc<[ParamHeader]>> {
        let list = json!({"tools":[{"name":"t","inputSchema":schema}]});
        of_tools(&Bytes::from(list.to_string())).remove("t")
    }

    fn checked(declared: &[ParamHeader], headers: &[(&str, &str)], arguments: &Value) -> bool {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check(declared, &headers, Some(Bytes::from(arguments.to_string()))).is_ok()
    }

    #[test]
    fn h07_a_schema_that_breaks_the_rules_declares_nothing() {
        let string = json!({"type":"string","x-mcp-header":"Region"});
        assert!(declared(&json!({"type":"object","properties":{"region":string}})).is_some());
        for schema in [
            json!({"type":"object","properties":{"a":string,"b":{"type":"string","x-mcp-header":"region"}}}),
            json!({"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}),
            json!({"type":"object","properties":{"a":{"type":"string","x-mcp-header":""}}}),
            json!({"type":"object","properties":{"a":{"type":"string","x-mcp-header":"a b"}}}),
            json!({"type":"object","properties":{"a":{"type":"array","items":string}}}),
            json!({"type":"object","x-mcp-header":"Root","properties":{}}),
            json!({"type":"object","oneOf":[{"properties":{"a":string}}]}),
        ] {
            assert_eq!(declared(&schema), None, "{schema}");
        }
    }

    #[test]
    fn h05_and_h06_headers_repeat_the_arguments() {
        let schema = json!({"type":"object","properties":{
            "region":{"type":"string","x-mcp-header":"Region"},
            "where":{"type":"object","properties":{"count":{"type":"integer","x-mcp-header":"Count"}}},
            "dry":{"type":"boolean","x-mcp-header":"Dry"}}});
        let declared = declared(&schema).expect("three headers");
        let call = |headers: &[(&str, &str)], arguments: Value| checked(&declared, headers, &arguments);
        assert!(call(&[], json!({})));
        assert!(call(&[], json!({"region":null})));
        assert!(call(&[("region", "eu"), ("unasked", "x")], json!({"region":"eu"})));
        assert!(call(&[("region", "=?base64?w7Y=?=")], json!({"region":"ö"})));
        assert!(call(&[("count", "42.0"), ("dry", "true")], json!({"where":{"count":42},"dry":true})));
        assert!(!call(&[], json!({"region":"eu"})));
        assert!(!call(&[("region", "us")], json!({"region":"eu"})));
        assert!(!call(&[("region", "eu")], json!({})));
        assert!(!call(&[("region", "=?base64?w7Y?=")], json!({"region":"ö"})));
        assert!(!call(&[("count", "9007199254740993")], json!({"where":{"count":9_007_199_254_740_992_i64}})));
        assert!(!call(&[("dry", "True")], json!({"dry":true})));
    }
}
