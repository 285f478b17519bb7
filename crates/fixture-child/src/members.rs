//! JSON objects as Go's decoder reads them into a struct.
//!
//! A member fits a field whatever its case (Unicode's simple folding, so `ſ` is an `s` and the Kelvin sign a `k`), a
//! repeated member overwrites the earlier one, `null` leaves a field as it was, and a repeated object is merged into
//! the earlier one. The broker must refuse what this decoder would read differently from its own.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::go;

/// The members of an object in the order of the text, repeated ones included.
#[derive(Debug, Default, Clone)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

/// What a value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A member has another type than the field it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongKind(pub(crate) Kind);

// === impl Kind ===

impl Kind {
    /// The kind of a well-formed value.
    pub(crate) fn of(raw: &RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }

    /// Go's name for it in decoding errors.
    pub(crate) fn go_name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Null => "null",
        }
    }
}

// === impl Members ===

impl Members {
    /// The last member that fits the field, under Go's folding. None if absent; JSON null counts as a value here.
    pub(crate) fn field(&self, name: &str) -> Option<&RawValue> {
        self.fitting(name).last()
    }

    /// A string field. `null` leaves it as it was.
    pub(crate) fn string_field(&self, name: &str) -> Result<Option<String>, WrongKind> {
        let mut value = None;
        for raw in self.fitting(name) {
            match Kind::of(raw) {
                Kind::Null => {}
                Kind::String => value = Some(text_of(raw)),
                other => return Err(WrongKind(other)),
            }
        }
        Ok(value)
    }

    /// An object field; repeated objects are merged.
    pub(crate) fn object_field(&self, name: &str) -> Result<Members, WrongKind> {
        let mut merged = Members::default();
        for raw in self.fitting(name) {
            match Kind::of(raw) {
                Kind::Null => {}
                Kind::Object => merged.0.extend(members_of(raw).0),
                other => return Err(WrongKind(other)),
            }
        }
        Ok(merged)
    }

    /// An object field of which the last occurrence counts.
    pub(crate) fn last_object_field(&self, name: &str) -> Result<Members, WrongKind> {
        self.object_field(name)?;
        let last = self.fitting(name).filter(|raw| Kind::of(raw) == Kind::Object).last();
        Ok(last.map(members_of).unwrap_or_default())
    }

    /// The last member of exactly this name: how a Go map, such as a tool's arguments, is read.
    pub(crate) fn entry(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, raw)| &**raw)
    }

    fn fitting<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        self.0.iter().filter(move |(key, _)| fits(key, name)).map(|(_, raw)| &**raw)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The text of a JSON string; empty for anything else.
pub(crate) fn text_of(raw: &RawValue) -> String {
    read(raw).unwrap_or_default()
}

/// The members of a JSON object; none for anything else.
pub(crate) fn members_of(raw: &RawValue) -> Members {
    read(raw).unwrap_or_default()
}

fn read<T: DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
    serde_json::from_str(raw.get()).or_else(|_| serde_json::from_str(&go::without_lone_surrogates(raw.get())))
}

fn fits(key: &str, field: &str) -> bool {
    key.chars().map(fold).eq(field.chars().map(fold))
}

fn fold(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Members {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_last_member_wins_whatever_its_case() {
        let members = parse(r#"{"method":"ping","METHOD":"tools/call"}"#);
        assert_eq!(members.string_field("method"), Ok(Some("tools/call".into())));
    }

    #[test]
    fn a_long_s_is_an_s_but_a_dotless_i_is_no_i() {
        assert!(parse(r#"{"jſonrpc":"2.0"}"#).field("jsonrpc").is_some());
        assert!(parse("{\"to\u{212a}en\":1}").field("token").is_some());
        assert!(parse(r#"{"ıd":1}"#).field("id").is_none());
    }

    #[test]
    fn null_leaves_a_string_field_as_it_was() {
        let members = parse(r#"{"method":"ping","method":null}"#);
        assert_eq!(members.string_field("method"), Ok(Some("ping".into())));
    }

    #[test]
    fn repeated_objects_are_merged() {
        let members = parse(r#"{"params":{"name":"a"},"Params":{"arguments":1}}"#);
        let params = members.object_field("params").unwrap();
        assert_eq!(params.string_field("name"), Ok(Some("a".into())));
        assert!(params.field("arguments").is_some());
    }

    #[test]
    fn another_type_than_the_field_is_reported() {
        assert_eq!(parse(r#"{"method":5}"#).string_field("method"), Err(WrongKind(Kind::Number)));
        assert_eq!(parse(r#"{"params":[]}"#).object_field("params").unwrap_err(), WrongKind(Kind::Array));
    }

    #[test]
    fn a_map_is_read_by_exact_name() {
        let members = parse(r#"{"Title":"x","title":"y","title":"z"}"#);
        assert_eq!(members.entry("title").map(text_of).as_deref(), Some("z"));
        assert!(members.entry("TITLE").is_none());
    }
}
