use proptest::prelude::*;

use super::*;

fn inwards(address: &str) -> Option<String> {
    address.strip_prefix("https://git.example/").map(|rest| format!("http://127.0.0.1:1/{rest}"))
}

fn rewritten(json: &str, piece: usize) -> String {
    let mut rewriter = Rewriter::new(inwards);
    let mut out = Vec::new();
    for piece in json.as_bytes().chunks(piece) {
        out.extend_from_slice(&rewriter.push(piece));
    }
    out.extend_from_slice(&rewriter.finish());
    String::from_utf8(out).unwrap()
}

fn check(json: &str, expected: &str) {
    for piece in [1, 2, 3, 7, 4096] {
        assert_eq!(rewritten(json, piece), expected, "in pieces of {piece}");
    }
}

#[test]
fn the_member_of_the_same_forgejo_is_turned_inwards() {
    check(
        r#"[{"id":1,"browser_download_url":"https://git.example/attachments/u"},{"browser_download_url" : "https://git.example/b"}]"#,
        r#"[{"id":1,"browser_download_url":"http://127.0.0.1:1/attachments/u"},{"browser_download_url" : "http://127.0.0.1:1/b"}]"#,
    );
}

#[test]
fn escapes_in_the_value_are_read_as_json() {
    check(
        r#"{"browser_download_url":"https:\/\/git.example\/a\u0026b\"c"}"#,
        r#"{"browser_download_url":"http://127.0.0.1:1/a&b\"c"}"#,
    );
}

#[test]
fn nothing_else_changes() {
    for json in [
        r#"{"browser_download_url":"https://elsewhere.example/x"}"#,
        r#"{"browser_download_url":null,"x":"https://git.example/"}"#,
        r#"{"html_url":"https://git.example/a","download_url":"https://git.example/b"}"#,
        r#"{"body":"say \"browser_download_url\":\"https://git.example/x\" twice"}"#,
        r#"{"x_browser_download_url":"https://git.example/x"}"#,
        r#"{"browser_download_url_":"https://git.example/x"}"#,
        r#"["browser_download_url","https://git.example/x"]"#,
        r#"{"a":"browser_download_url","b":"https://git.example/x"}"#,
        r#"{"browser_download_url":["https://git.example/x"]}"#,
        r#"{"browser_download_url":12345678901234567890.50e3}"#,
        r#"{"a":"back\\slash\\","browser":"x"}"#,
        "{\"browser_download_url\":\"https://git.example/cut",
        "",
        "\"",
        "not json \\\" at all",
    ] {
        check(json, json);
    }
}

#[test]
fn a_backslash_at_the_end_of_a_string_does_not_hide_what_follows() {
    check(
        r#"{"a":"x\\","browser_download_url":"https://git.example/y"}"#,
        r#"{"a":"x\\","browser_download_url":"http://127.0.0.1:1/y"}"#,
    );
}

#[test]
fn a_huge_value_is_not_kept_and_what_follows_is_still_read() {
    let huge = "y".repeat(3 * LONGEST_VALUE);
    let json = format!(
        r#"{{"browser_download_url":"https://git.example/{huge}\"","browser_download_url":"https://git.example/z"}}"#
    );
    let expected = json.replace("https://git.example/z", "http://127.0.0.1:1/z");
    assert_eq!(rewritten(&json, 1000), expected);
    let mut rewriter = Rewriter::new(inwards);
    for piece in json.as_bytes().chunks(100) {
        rewriter.push(piece);
        assert!(rewriter.value.len() <= LONGEST_VALUE + 1);
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just("browser_download_url".to_owned()),
        Just("https://git.example/x?y=1&z=\"".to_owned()),
        Just("https://elsewhere.example/".to_owned()),
        "\\PC{0,8}",
        "[\\\\\":a]{0,6}",
    ];
    let leaf = prop_oneof![
        text.clone().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(Into::into),
        Just(serde_json::Value::Null)
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((text.clone(), inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn turn(value: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Array(items) => items.iter().map(turn).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let turned = match value {
                    Value::String(address) if name == "browser_download_url" => {
                        inwards(address).map_or_else(|| value.clone(), Value::from)
                    }
                    other => turn(other),
                };
                (name.clone(), turned)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn the_stream_does_what_a_parser_would(value in json(), piece in 1_usize..20) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let streamed = rewritten(&text, piece);
        let parsed: serde_json::Value = serde_json::from_str(&streamed).unwrap();
        prop_assert_eq!(parsed, turn(&value));
    }
}
