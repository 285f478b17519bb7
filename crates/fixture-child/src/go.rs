//! How Go's `encoding/json` writes values: float64 numbers, sorted keys, `<`, `>` and `&` escaped.

use serde_json::Value;

/// A JSON string as Go's `Marshal` writes it.
pub(crate) fn string(text: &str) -> String {
    let plain = Value::from(text).to_string();
    escape_html(&plain)
}

/// Escapes what Go escapes inside strings. In well-formed JSON these characters occur nowhere else.
pub(crate) fn escape_html(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

/// A number that went through float64, as Go writes it. None where it does not fit, which Go's decoder refuses.
pub(crate) fn number(literal: &str) -> Option<String> {
    let value: f64 = literal.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(value.to_string());
    }
    let scientific = format!("{value:e}");
    Some(if size >= 1e21 { scientific.replace('e', "e+") } else { scientific })
}

/// A value decoded into Go's `any` and encoded again: numbers through float64, keys sorted.
/// None if a number does not fit.
pub(crate) fn any(value: &Value) -> Option<String> {
    Some(match value {
        Value::Number(n) => number(&n.to_string())?,
        Value::String(text) => string(text),
        Value::Array(items) => {
            let parts: Option<Vec<_>> = items.iter().map(any).collect();
            format!("[{}]", parts?.join(","))
        }
        Value::Object(members) => {
            let mut keys: Vec<_> = members.keys().collect();
            keys.sort();
            let parts: Option<Vec<_>> =
                keys.into_iter().map(|key| Some(format!("{}:{}", string(key), any(&members[key])?))).collect();
            format!("{{{}}}", parts?.join(","))
        }
        Value::Null | Value::Bool(_) => value.to_string(),
    })
}

/// JSON text in which escapes of half a surrogate pair have become U+FFFD, as Go's decoder reads them.
pub(crate) fn without_lone_surrogates(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        out.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    out.push_str(rest);
    out
}

/// The UTF-16 unit that a `\uXXXX` escape at the start of the text stands for.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_precision_as_they_do_in_go() {
        for (given, expected) in [
            ("1152921504606846976", "1152921504606847000"),
            ("9007199254740993", "9007199254740992"),
            ("1e3", "1000"),
            ("1e21", "1e+21"),
            ("123456789012345678901", "123456789012345680000"),
            ("0.0000001", "1e-7"),
            ("-5", "-5"),
            ("7.5", "7.5"),
        ] {
            assert_eq!(number(given).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(number("1e400"), None);
    }

    #[test]
    fn strings_escape_html_as_go_does() {
        assert_eq!(string("a<b>&é"), "\"a\\u003cb\\u003e\\u0026é\"");
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        for (given, expected) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""\ud83d\ude00\ude00x""#, r#""\ud83d\ude00\ufffdx""#),
            (r#""\\ud800 \"é\u0041""#, r#""\\ud800 \"é\u0041""#),
        ] {
            assert_eq!(without_lone_surrogates(given), expected);
        }
    }

    #[test]
    fn objects_come_back_with_sorted_keys() {
        let value = serde_json::from_str(r#"{"b":1e3,"a":[true,null]}"#).unwrap();
        assert_eq!(any(&value).as_deref(), Some(r#"{"a":[true,null],"b":1000}"#));
    }
}
