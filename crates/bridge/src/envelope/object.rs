//! One JSON object as a list of members with their places, for taking members out and putting others in.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::range_in;

/// The members of an object in their order; a doubled one is there twice.
pub(crate) struct Object<'a> {
    text: &'a str,
    members: Vec<(String, Range<usize>)>,
}

struct MembersVisitor<'a> {
    text: &'a str,
}

// === impl Object ===

impl<'a> Object<'a> {
    /// `None` if the text is no object.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = deserializer.deserialize_map(MembersVisitor { text }).ok()?;
        Some(Self { text, members })
    }

    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        Self::read(std::str::from_utf8(bytes).ok()?)
    }

    /// The members with the raw text of their values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|(name, value)| (name.as_str(), &self.text[value.clone()]))
    }

    /// The raw value of the first member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.range(name).map(|range| &self.text[range])
    }

    /// Where the value of the first member of this name is.
    pub(crate) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.members.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The places to cut out so that the named members are gone and the others stay byte for byte.
    pub(crate) fn without(&self, drop: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
        let mut cuts = Vec::new();
        let mut kept = None;
        let mut previous_end = None;
        for (index, (name, value)) in self.members.iter().enumerate() {
            if !drop(name) {
                kept = Some(value.end);
            } else if kept.is_some() {
                cuts.push(previous_end.unwrap_or(value.end)..value.end);
            } else {
                cuts.push(self.start(index)..self.members.get(index + 1).map_or(value.end, |_| self.start(index + 1)));
            }
            previous_end = Some(value.end);
        }
        cuts
    }

    /// The place right after the opening brace.
    pub(crate) fn inside(&self) -> usize {
        self.text.find('{').map_or(0, |brace| brace + 1)
    }

    /// Where a member begins: after the brace or after the comma before it.
    fn start(&self, index: usize) -> usize {
        match index.checked_sub(1).map(|before| self.members[before].1.end) {
            None => self.inside(),
            Some(end) => end + self.text[end..].find(',').map_or(0, |comma| comma + 1),
        }
    }
}

/// The text that puts `member` into an object right after its brace.
pub(crate) fn first_member(object: &Object<'_>, member: &str) -> String {
    if object.is_empty() { member.to_owned() } else { format!("{member},") }
}

/// A member of an object, as bytes of the same buffer.
pub(crate) fn member(object: &Bytes, name: &str) -> Option<Bytes> {
    let found = Object::from_bytes(object)?.range(name)?;
    Some(object.slice(found))
}

// === impl MembersVisitor ===

impl<'de> Visitor<'de> for MembersVisitor<'de> {
    type Value = Vec<(String, Range<usize>)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value: &'de RawValue = map.next_value()?;
            members.push((name, range_in(self.text, value.get())));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::envelope::splice;

    fn without(text: &str, dropped: &str) -> String {
        let object = Object::read(text).expect("object");
        let cuts = object.without(|name| dropped.contains(name)).into_iter().map(|cut| (cut, &b""[..])).collect();
        String::from_utf8(splice(text.as_bytes(), cuts).to_vec()).expect("text")
    }

    #[test]
    fn members_are_cut_out_and_the_rest_stays() {
        let text = r#"{ "a" : 1, "b":[1,{"a":2}] , "c":"x,}" }"#;
        assert_eq!(without(text, "a"), r#"{ "b":[1,{"a":2}] , "c":"x,}" }"#);
        assert_eq!(without(text, "b"), r#"{ "a" : 1 , "c":"x,}" }"#);
        assert_eq!(without(text, "c"), r#"{ "a" : 1, "b":[1,{"a":2}] }"#);
        assert_eq!(without(text, "ab"), r#"{ "c":"x,}" }"#);
        assert_eq!(without(text, "abc"), "{ }");
        assert_eq!(without("{}", "a"), "{}");
    }

    proptest! {
        #[test]
        fn whatever_is_cut_out_the_others_are_still_there(
            members in proptest::collection::vec(("[a-f]", "[1-9][0-9]{0,30}|\"[a-z,{}: ]*\"|\\[ ?\\]|\\{\"a\": ?1\\}"), 0..8),
            dropped in "[a-f]{0,4}",
            blank in " ?",
        ) {
            let join = |members: &[(String, String)]| members.iter().map(|(name, value)| format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}")).collect::<Vec<_>>().join(",");
            let text = format!("{{{}}}", join(&members));
            let left = without(&text, &dropped);
            let object = Object::read(&left).expect("still an object");
            let found: Vec<(String, String)> = object.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let expected: Vec<(String, String)> = members.into_iter().filter(|(name, _)| !dropped.contains(name.as_str())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
