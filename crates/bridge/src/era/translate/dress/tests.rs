use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::envelope::{Incoming, read_line};

fn answer(result: &str) -> Message {
    let text = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
    match read_line(&Bytes::from(text)).expect("a message") {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn offer(capabilities: &str) -> Offer {
    let greeting = format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"serverInfo":{{"name":"n","version":"1"}}}}"#
    );
    greeting_offer(&answer(&greeting)).expect("an offer")
}

fn dressed(text: &str, method: Method) -> String {
    let id = RawId::read(r#""a""#).expect("an id");
    String::from_utf8(result(&answer(text), &id, method, &offer("{}")).to_vec()).expect("text")
}

#[test]
fn trap_19_what_a_modern_client_cannot_use_is_not_offered() {
    let offer = offer(r#"{"tasks":{"list":{}},"tools":{"listChanged":true},"experimental":{},"logging":{}}"#);
    assert_eq!(offer.capabilities, r#"{"tools":{"listChanged":true},"logging":{}}"#);
    assert!(offer.has(&["tools", "listChanged"]) && offer.has(&["logging"]));
    assert!(!offer.has(&["tasks"]) && !offer.has(&["logging", "x"]));
}

#[test]
fn m02_m05_and_d02_are_spliced_into_results_of_every_shape() {
    let info = r#""io.modelcontextprotocol/serverInfo":{"name":"n","version":"1"}"#;
    for (before, after) in [
        ("{}", format!(r#"{{"resultType":"complete","_meta":{{{info}}}}}"#)),
        (r#"{"n":1.50}"#, format!(r#"{{"resultType":"complete","_meta":{{{info}}},"n":1.50}}"#)),
        (r#"{"_meta":{ "x":1}}"#, format!(r#"{{"resultType":"complete","_meta":{{{info}, "x":1}}}}"#)),
        (r#"{"_meta":null}"#, format!(r#"{{"resultType":"complete","_meta":{{{info}}}}}"#)),
        (r#"{"resultType":"other"}"#, format!(r#"{{"_meta":{{{info}}},"resultType":"complete"}}"#)),
    ] {
        assert_eq!(dressed(before, Method::ToolsCall), format!(r#"{{"jsonrpc":"2.0","id":"a","result":{after}}}"#));
    }
    let read: Value =
        serde_json::from_str(&dressed(r#"{"ttlMs":5,"cacheScope":"public"}"#, Method::ResourcesRead)).expect("JSON");
    assert_eq!((&read["result"]["ttlMs"], &read["result"]["cacheScope"]), (&json!(5), &json!("private")));
}

proptest! {
    #[test]
    fn a_result_keeps_every_member_byte_for_byte(
        members in proptest::collection::btree_map("[b-q]{1,3}", "[1-9][0-9]{0,30}(\\.[0-9]{1,9})?|\"[^\"\\\\\\x00-\\x1f]{0,20}\"|\\[ ?1 ?\\]", 0..6),
    ) {
        let text = format!("{{{}}}", members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect::<Vec<_>>().join(" , "));
        for method in [Method::ToolsCall, Method::ToolsList] {
            let dressed = dressed(&text, method);
            let dressed = Object::read(&dressed).expect("an object");
            let result = Object::read(dressed.get("result").expect("a result")).expect("an object");
            for (name, value) in &members {
                prop_assert_eq!(result.get(name), Some(value.as_str()));
            }
            prop_assert_eq!(result.get("resultType"), Some(r#""complete""#));
            prop_assert_eq!(result.get("cacheScope").is_some(), method == Method::ToolsList);
        }
    }
}
