//! A `tools/list` answer without some of its tools; those that stay keep every byte.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::rules::Hint;
use crate::envelope::Message;

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(default, rename = "readOnlyHint")]
    read_only_hint: Option<bool>,
}

/// Goes through the tools of an answer and leaves out those that `keep` does not want. A tool whose name can't be read with certainty could
/// not be called by it either, and is left out. An answer that is no list stays as it is.
pub(super) fn filtered(line: Bytes, mut keep: impl FnMut(&str, Hint) -> bool) -> Bytes {
    let Some(message) = Message::of_worker(&line) else { return line };
    let Some((range, raw)) = message.result().and_then(|_| message.in_payload(&["tools"])) else { return line };
    let Ok(tools) = serde_json::from_slice::<Vec<&RawValue>>(&raw) else { return line };
    let keeps = |tool: &&&RawValue| {
        serde_json::from_str::<Head<'_>>(tool.get()).is_ok_and(|head| {
            let hint = head.annotations.and_then(|annotations| annotations.read_only_hint);
            keep(&head.name, hint.map_or(Hint::None, Hint::ReadOnly))
        })
    };
    let kept: Vec<&str> = tools.iter().filter(keeps).map(|tool| tool.get()).collect();
    if kept.len() == tools.len() {
        return line;
    }
    message.edit().replace(range, format!("[{}]", kept.join(",")).as_bytes()).made()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn without(line: &str, hidden: &str) -> String {
        let filtered = filtered(Bytes::copy_from_slice(line.as_bytes()), |name, _| name != hidden);
        String::from_utf8(filtered.to_vec()).expect("UTF-8")
    }

    #[test]
    fn the_tools_that_stay_keep_every_byte_and_the_cursor_stays() {
        let line = r#"{"jsonrpc":"2.0","id":7,"result":{"x":1E400,"tools":[ {"name":"a","n":1.50,"z":"\u00e9"} , {"b":1,"name":"\u0062"},{"name":"c" }],"nextCursor":"q"}}"#;
        let expected = r#"{"jsonrpc":"2.0","id":7,"result":{"x":1E400,"tools":[{"name":"a","n":1.50,"z":"\u00e9"},{"name":"c" }],"nextCursor":"q"}}"#;
        assert_eq!(without(line, "b"), expected, "an escaped name is the name");
        assert_eq!(without(line, "nothing"), line, "nothing to leave out, nothing changed");
    }

    #[test]
    fn a_page_may_become_empty_and_still_lead_to_the_next() {
        let line = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a"}],"nextCursor":"q"}}"#;
        assert_eq!(without(line, "a"), r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[],"nextCursor":"q"}}"#);
    }

    #[test]
    fn a_tool_whose_name_is_not_certain_is_left_out() {
        for tool in [r#"{"name":"a","name":"b"}"#, r#"{"title":"a"}"#, r#"{"name":1}"#, "7", r#"{"name":null}"#] {
            let line = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"tools":[{tool}]}}}}"#);
            assert_eq!(without(&line, "x"), r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}"#, "{tool}");
        }
    }

    #[test]
    fn what_is_no_list_stays_as_it_is() {
        for line in [
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no","tools":[{"name":"a"}]}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"tools":"a"}}"#,
        ] {
            assert_eq!(without(line, "a"), line);
        }
    }

    #[test]
    fn a_hint_is_read_from_the_annotations() {
        let line = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a","annotations":{"readOnlyHint":true}},{"name":"b","annotations":{}},{"name":"c"}]}}"#;
        let mut hints = Vec::new();
        filtered(Bytes::from_static(line.as_bytes()), |_, hint| {
            hints.push(hint);
            true
        });
        assert_eq!(hints, [Hint::ReadOnly(true), Hint::None, Hint::None]);
    }

    proptest! {
        #[test]
        fn whatever_the_names_are_exactly_the_unwanted_ones_go(names in proptest::collection::vec(".{0,12}", 0..12)) {
            let tools: Vec<Value> = names.iter().map(|name| json!({ "name": name, "inputSchema": {} })).collect();
            let line = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string();
            let kept = filtered(Bytes::from(line), |name, _| name.chars().count() % 2 == 0);
            let kept: Value = serde_json::from_slice(&kept).expect("JSON");
            let expected: Vec<&Value> = tools.iter().filter(|tool| tool["name"].as_str().is_some_and(|name| name.chars().count() % 2 == 0)).collect();
            let kept: Vec<&Value> = kept["result"]["tools"].as_array().expect("an array").iter().collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
