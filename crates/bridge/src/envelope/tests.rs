use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const BOUNDS: Bounds = Bounds { depth: 128, batch: 64 };

fn post(text: &str) -> Result<Incoming, Malformed> {
    read_post(&Bytes::copy_from_slice(text.as_bytes()), BOUNDS)
}

fn one(text: &str) -> Message {
    match post(text).expect("a message") {
        Incoming::One(message) => message,
        Incoming::Batch(_) => panic!("a batch"),
    }
}

fn refused(text: &str) -> (i32, Option<String>) {
    let malformed = post(text).map(|_| ()).expect_err("refused");
    (malformed.code, malformed.id.map(|id| String::from_utf8(id.as_bytes().to_vec()).expect("text")))
}

fn raw(id: Option<RawId>) -> String {
    String::from_utf8(id.expect("an id").as_bytes().to_vec()).expect("text")
}

#[test]
fn messages_are_told_apart_by_their_method_not_their_id() {
    assert_eq!(one(r#"{"jsonrpc":"2.0","id":0,"method":"a"}"#).kind(), Kind::Request);
    assert_eq!(one(r#"{"jsonrpc":"2.0","method":"a"}"#).kind(), Kind::Notification);
    assert_eq!(one(r#"{"jsonrpc":"2.0","id":0,"result":{}}"#).kind(), Kind::Response { error: false });
    assert_eq!(one(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#).kind(), Kind::Response { error: true });
}

#[test]
fn trap_2_ids_keep_their_type_and_spelling() {
    for id in ["0", "\"\"", "\"1\"", "1", "-5", "1152921504606846976", "12345678901234567890123", r#""\u0061""#] {
        let message = one(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
        assert_eq!(raw(message.id()), id);
    }
    let key = |id: &str| one(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).id().expect("id").key();
    assert_ne!(key("\"1\""), key("1"));
    assert_eq!(key(r#""\u0061/""#), key(r#""a\/""#));
}

#[test]
fn trap_2_what_is_no_id_is_refused() {
    for id in ["null", "1.5", "1.0", "1e3", "[]", "{}", "true"] {
        assert_eq!(
            refused(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)),
            (INVALID_REQUEST, None),
            "{id}"
        );
    }
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(2000));
    assert_eq!(refused(&long).0, INVALID_REQUEST);
}

#[test]
fn a_known_member_that_is_there_twice_is_refused_with_the_requests_id() {
    let id = Some("7".to_owned());
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{},"params":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a","\u006eame":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"progressToken":1,"progressToken":2}}}"#,
    ] {
        assert_eq!(refused(text), (INVALID_REQUEST, id.clone()), "{text}");
    }
    // Which of two ids is meant can't be known.
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#), (INVALID_REQUEST, None));
    assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7,"ID":8,"method":"ping"}"#), (INVALID_REQUEST, None));
}

#[test]
fn a_known_member_under_another_case_is_refused_unicodes_folding_included() {
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","PARAMS":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","paramſ":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","re\u017fult":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"Name":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"argumentſ":{}}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_META":{}}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"a\",\"params\":{\"_meta\":{\"progressTo\u{212a}en\":1}}}",
    ] {
        assert_eq!(refused(text), (INVALID_REQUEST, Some("7".to_owned())), "{text}");
    }
}

#[test]
fn members_that_nobody_knows_may_be_spelt_as_they_like() {
    let text = r#"{"jsonrpc":"2.0","id":7,"x":1,"X":2,"method":"tools/call","params":{"mine":1,"Mine":2,"arguments":{"name":1,"Name":2,"name":3},"_meta":{"a":1,"a":2}}}"#;
    assert_eq!(one(text).bytes(), text.as_bytes());
}

#[test]
fn what_is_not_json_is_a_parse_error_and_what_is_no_message_an_invalid_request() {
    for text in ["", "{", "nonsense", "{}{}", "[1", r#"{"a":"b"#, "{\"a\":\"b\nc\"}", "\u{feff}{}", "{\"a\":\u{1}}"] {
        assert_eq!(refused(text).0, PARSE_ERROR, "{text:?}");
    }
    for text in ["1", "null", "\"a\"", "{}", "[]", "[1]", r#"{"jsonrpc":"2.0"}"#, r#"{"id":1,"method":"a"}"#] {
        assert_eq!(refused(text).0, INVALID_REQUEST, "{text:?}");
    }
    for text in [
        r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":{}}}}"#,
    ] {
        assert_eq!(refused(text), (INVALID_REQUEST, Some("1".to_owned())), "{text:?}");
    }
    assert_eq!(read_post(&Bytes::from_static(b"{\"a\":\"\xff\"}"), BOUNDS).expect_err("refused").code, PARSE_ERROR);
}

#[test]
fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"x":{open}{close}}}}}"#)
    };
    assert!(post(&nested(126)).is_ok());
    assert_eq!(refused(&nested(127)).0, INVALID_REQUEST);
    assert_eq!(refused(&nested(100_000)).0, INVALID_REQUEST);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"x":"{}"}}}}"#, "[".repeat(500));
    assert!(post(&text).is_ok());
}

#[test]
fn trap_22_line_breaks_between_tokens_go_and_nothing_else() {
    let text = "{\r\n  \"jsonrpc\": \"2.0\",\n\t\"id\": 1,\r\"method\": \"a\\nb\"\n}\n";
    assert_eq!(one(text).bytes(), "{  \"jsonrpc\": \"2.0\",\t\"id\": 1,\"method\": \"a\\nb\"}".as_bytes());
    // Two numbers that only a line break parts are no JSON, and must not become one number.
    assert_eq!(refused("{\"jsonrpc\":\"2.0\",\"id\":1\n2,\"method\":\"a\"}").0, PARSE_ERROR);
}

#[test]
fn trap_18_a_batch_is_read_message_by_message() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"a"}, {"jsonrpc":"2.0","method":"b"}]"#;
    let Ok(Incoming::Batch(messages)) = post(batch) else { panic!("a batch") };
    assert_eq!(messages.iter().map(Message::method).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(messages[0].bytes(), &br#"{"jsonrpc":"2.0","id":1,"method":"a"}"#[..]);
    let many = vec![r#"{"jsonrpc":"2.0","method":"b"}"#; 65].join(",");
    assert_eq!(refused(&format!("[{many}]")).0, INVALID_REQUEST);
}

#[test]
fn ids_and_tokens_are_spliced_wherever_they_stand() {
    let text = r#"{"params":{"_meta":{"x":1,"progressToken":"long token"},"name":"n"},"method":"a","id" : "abc","jsonrpc":"2.0"}"#;
    let message = one(text);
    assert_eq!(message.progress_token().as_deref(), Some(&br#""long token""#[..]));
    assert_eq!(
        message.with_id(b"12", Some(b"13")),
        r#"{"params":{"_meta":{"x":1,"progressToken":13},"name":"n"},"method":"a","id" : 12,"jsonrpc":"2.0"}"#
    );
}

#[test]
fn a_request_of_the_stateless_era_is_known_by_its_meta() {
    let claim = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    assert!(one(claim).claims_modern());
    assert!(!one(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}"#).claims_modern());
}

#[test]
fn a_workers_line_loses_carriage_returns_that_an_event_stream_would_break_at() {
    let line = Bytes::from_static(b"{\"jsonrpc\":\"2.0\",\r\"id\":1,\"result\":{}}");
    let Ok(Incoming::One(message)) = read_line(&line) else { panic!("a message") };
    assert_eq!(message.bytes(), &br#"{"jsonrpc":"2.0","id":1,"result":{}}"#[..]);
}

#[test]
fn a_workers_payload_may_hold_what_it_likes_but_its_envelope_is_clear() {
    let fine = r#"{"jsonrpc":"2.0","id":1,"result":{"name":1,"Name":2,"name":3}}"#;
    assert!(read_line(&Bytes::from(fine)).is_ok());
    assert!(read_line(&Bytes::from(r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#)).is_err());
    assert!(read_line(&Bytes::from("2026-01-01 INFO started")).is_err());
}

/// Any JSON, with keys that now and then are known ones.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinity", |number| number.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map("[a-zA-Zé ]{0,6}|name|id|method", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// JSON text with white space, line breaks included, where JSON allows it.
fn loosely(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON").replace('\n', "\r\n")
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(arguments in any_json(), extra in any_json(), id in prop_oneof![any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from)], loose in any::<bool>()) {
        let value = json!({"jsonrpc":"2.0","id":id,"method":"tools/call","params":{"name":"x","arguments":arguments},"extra":extra});
        let text = if loose { loosely(&value) } else { value.to_string() };
        let message = one(&text);
        let without_breaks = text.replace(['\r', '\n'], "");
        prop_assert_eq!(message.bytes(), without_breaks.as_bytes());
        // There and back: another id, then the client's own again.
        let sent = message.with_id(b"42", None);
        let Ok(Incoming::One(sent)) = read_line(&sent) else { panic!("a message") };
        let original = message.id().expect("id");
        prop_assert_eq!(&sent.with_id(original.as_bytes(), None), message.bytes());
    }

    #[test]
    fn no_bytes_whatsoever_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = read_post(&bytes, BOUNDS);
        let _ = read_line(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_a_message_makes_it_panic(text in r#"[\[\]{}:,"\\a-z0-9 \n\r]{0,200}"#) {
        let _ = post(&text);
    }

    #[test]
    fn a_misspelt_member_never_gets_through(name in prop::sample::select(vec!["method", "params", "id", "result", "jsonrpc", "error"]), flips in any::<u32>()) {
        let misspelt: String = name.chars().enumerate().map(|(index, letter)| if flips >> index & 1 == 1 { letter.to_ascii_uppercase() } else { letter }).collect();
        prop_assume!(misspelt != name);
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","{misspelt}":{{}}}}"#);
        prop_assert_eq!(refused(&text).0, INVALID_REQUEST);
    }
}
