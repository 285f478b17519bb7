//! A JSON body as Go's decoder may read it: a member counts in any case of its letters, and of two that are alike the last one wins.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::super::refusal::Refusal;

/// The members of a JSON object in their order, repeated ones included.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<(String, Value)>);

// === impl Members ===

impl Members {
    /// Reads a body that is an object and nothing else.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The member called `name`, which is there once and spelled as documented or not at all.
    pub(super) fn only(&self, name: &'static str) -> Result<Option<&Value>, Refusal> {
        match self.of_any_case(name).as_slice() {
            [] => Ok(None),
            [(called, value)] if called == name => Ok(Some(value)),
            _ => Err(Refusal::UnclearMember(name)),
        }
    }

    /// The member called `name` in any spelling, which is there once or not at all.
    pub(super) fn only_in_any_case(&self, name: &'static str) -> Result<Option<&Value>, Refusal> {
        match self.of_any_case(name).as_slice() {
            [] => Ok(None),
            [(_, value)] => Ok(Some(value)),
            _ => Err(Refusal::UnclearMember(name)),
        }
    }

    /// Adds all texts in it, however deep.
    pub(super) fn texts(self, texts: &mut Vec<String>) {
        for (_, value) in self.0 {
            add_texts(value, texts);
        }
    }

    fn of_any_case(&self, name: &str) -> Vec<&(String, Value)> {
        self.0.iter().filter(|(called, _)| folded(called) == name).collect()
    }
}

fn add_texts(value: Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.into_iter().for_each(|item| add_texts(item, texts)),
        Value::Object(members) => members.into_iter().for_each(|(_, member)| add_texts(member, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Unicode's simple folding has two letters that fold to ASCII ones: the Kelvin sign and the long s.
fn folded(name: &str) -> String {
    name.to_lowercase().replace('\u{17f}', "s")
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
pub(in crate::gateway) mod tests {
    use super::*;

    fn read(body: &str) -> Members {
        Members::read(body.as_bytes()).unwrap()
    }

    #[test]
    pub(in crate::gateway) fn a_member_that_go_would_read_in_another_spelling_or_twice_is_unclear() {
        for body in [
            r#"{"head":"a","head":"b"}"#,
            r#"{"head":"a","HEAD":"b"}"#,
            r#"{"Head":"b"}"#,
            r#"{"h\u0065ad":"a","heAd":"b"}"#,
        ] {
            assert_eq!(read(body).only("head"), Err(Refusal::UnclearMember("head")), "{body}");
        }
        assert_eq!(read("{\"ba\u{17f}e\":\"b\"}").only("base"), Err(Refusal::UnclearMember("base")));
        assert_eq!(read(r#"{"h\u0065ad":"a","header":1}"#).only("head"), Ok(Some(&Value::from("a"))));
        assert_eq!(read(r#"{"Context":"a/b"}"#).only_in_any_case("context"), Ok(Some(&Value::from("a/b"))));
    }

    #[test]
    fn only_one_whole_object_is_a_body() {
        for body in ["", "[]", "null", r#"{"a":1}{"a":2}"#, r#"{"a":1"#, "\u{feff}{}", "{\"a\":\"\\ud800\"}"] {
            assert!(Members::read(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn texts_are_found_however_deep() {
        let mut texts = Vec::new();
        read(r#"{"a":"1","b":{"c":["2",{"d":"3"}]},"b":"4","e":5}"#).texts(&mut texts);
        assert_eq!(texts, ["1", "2", "3", "4"]);
    }
}
