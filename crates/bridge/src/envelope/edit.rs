//! Changes to a message that the protocol asks for: members set or taken out, everything else byte for byte as it came.

use std::ops::Range;

use bytes::Bytes;

use super::{Incoming, Message, Object, Side, read, read_line, splice};

/// Changes to one message, collected and then made at once. They must not touch the same bytes.
pub(crate) struct Edit<'a> {
    message: &'a Message,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

// === impl Message ===

impl Message {
    /// A message that a worker could have printed.
    pub(crate) fn of_worker(line: &Bytes) -> Option<Self> {
        match read_line(line).ok()? {
            Incoming::One(message) => Some(message),
            Incoming::Batch(_) => None,
        }
    }

    /// A message that a client could have sent, in one line.
    pub(crate) fn of_client(line: &Bytes) -> Option<Self> {
        match read(line, Side::Client, 0).ok()? {
            Incoming::One(message) => Some(message),
            Incoming::Batch(_) => None,
        }
    }

    pub(crate) fn edit(&self) -> Edit<'_> {
        Edit { message: self, edits: Vec::new() }
    }

    /// A raw value in `params`, found by member names from the outside in.
    pub(crate) fn in_params(&self, path: &[&'static str]) -> Option<(Range<usize>, Bytes)> {
        self.find(self.params.clone()?, path)
    }

    /// A raw value in `result` or `error`.
    pub(crate) fn in_payload(&self, path: &[&'static str]) -> Option<(Range<usize>, Bytes)> {
        self.find(self.payload.clone()?, path)
    }

    fn find(&self, within: Range<usize>, path: &[&'static str]) -> Option<(Range<usize>, Bytes)> {
        path.iter().try_fold((within.clone(), self.bytes.slice(within)), |(range, _), name| self.member_of(range, name))
    }

    fn is_object(&self, range: &Range<usize>) -> bool {
        self.bytes.get(range.clone()).is_some_and(|raw| raw.starts_with(b"{"))
    }
}

// === impl Edit ===

impl Edit<'_> {
    /// Another id, and another progress token if there is one.
    pub(crate) fn id(mut self, id: &[u8], token: Option<&[u8]>) -> Self {
        if let Some(range) = self.message.id.clone() {
            self.edits.push((range, id.to_vec()));
        }
        if let (Some(range), Some(token)) = (self.message.token_place().cloned(), token) {
            self.edits.push((range, token.to_vec()));
        }
        self
    }

    /// Something else where this range is.
    pub(crate) fn replace(mut self, range: Range<usize>, with: &[u8]) -> Self {
        self.edits.push((range, with.to_vec()));
        self
    }

    /// Members of `params`, in place of those of the same names. `params` is made if there is none.
    pub(crate) fn params(mut self, set: &[(&'static str, &[u8])]) -> Self {
        if let Some(range) = self.message.params.clone() {
            self.set_in(range, set);
        } else {
            let end = self.message.bytes.trim_ascii_end().len().saturating_sub(1);
            self.edits.push((end..end, [&b",\"params\":"[..], &object(set)].concat()));
        }
        self
    }

    /// Members of `params._meta`, in place of those of the same names. What is not there is made.
    pub(crate) fn meta(self, set: &[(&'static str, &[u8])]) -> Self {
        match self.message.in_params(&["_meta"]) {
            Some((range, _)) => {
                let mut edit = self;
                edit.set_in(range, set);
                edit
            }
            None => self.params(&[("_meta", &object(set))]),
        }
    }

    /// Members of `result`, in place of those of the same names.
    pub(crate) fn result(mut self, set: &[(&'static str, &[u8])]) -> Self {
        if let Some(range) = self.message.payload.clone() {
            self.set_in(range, set);
        }
        self
    }

    /// Takes a member out of `params._meta`, and `_meta` itself if nothing else is in it.
    pub(crate) fn without_meta(mut self, name: &str) -> Self {
        let message = self.message;
        let cuts = |within: Range<usize>, name: &str| {
            let object = Object::from_bytes(message.bytes.get(within.clone())?)?;
            let alone = object.iter().all(|(found, _)| found == name);
            let cuts = object.without(|found| found == name);
            Some((alone, cuts.into_iter().map(|cut| within.start + cut.start..within.start + cut.end).collect()))
        };
        let found = message.in_params(&["_meta"]).and_then(|(meta, _)| match cuts(meta, name)? {
            (true, _) => cuts(message.params.clone()?, "_meta"),
            found => Some(found),
        });
        let ranges: Vec<Range<usize>> = found.map(|(_, ranges)| ranges).unwrap_or_default();
        self.edits.extend(ranges.into_iter().map(|range| (range, Vec::new())));
        self
    }

    pub(crate) fn made(self) -> Bytes {
        let edits = self.edits.iter().map(|(range, with)| (range.clone(), &with[..])).collect();
        splice(&self.message.bytes, edits)
    }

    fn set_in(&mut self, range: Range<usize>, set: &[(&'static str, &[u8])]) {
        if !self.message.is_object(&range) {
            self.edits.push((range, object(set)));
            return;
        }
        let mut missing = Vec::new();
        for (name, value) in set {
            match self.message.member_of(range.clone(), name) {
                Some((present, _)) => self.edits.push((present, value.to_vec())),
                None => missing.push((*name, *value)),
            }
        }
        if missing.is_empty() {
            return;
        }
        let mut added = object(&missing);
        added.remove(0);
        added.pop();
        let rest = self.message.bytes.get(range.start + 1..range.end).unwrap_or_default();
        if !rest.trim_ascii_start().starts_with(b"}") {
            added.push(b',');
        }
        self.edits.push((range.start + 1..range.start + 1, added));
    }
}

fn object(set: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (index, (name, value)) in set.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn message(text: &str) -> Message {
        match read_line(&Bytes::copy_from_slice(text.as_bytes())).expect("a message") {
            Incoming::One(message) => message,
            Incoming::Batch(_) => panic!("a batch"),
        }
    }

    fn with_meta(text: &str) -> String {
        String::from_utf8(message(text).edit().meta(&[("a", b"1"), ("b", b"{}")]).made().to_vec()).expect("text")
    }

    #[test]
    fn meta_is_added_wherever_it_has_to_be_made() {
        let head = r#"{"jsonrpc":"2.0","method":"x""#;
        for (before, after) in [
            ("}", r#","params":{"_meta":{"a":1,"b":{}}}}"#),
            (r#","params":null}"#, r#","params":{"_meta":{"a":1,"b":{}}}}"#),
            (r#","params":{ }}"#, r#","params":{"_meta":{"a":1,"b":{}} }}"#),
            (r#","params":{"x":1.0e5}}"#, r#","params":{"_meta":{"a":1,"b":{}},"x":1.0e5}}"#),
            (r#","params":{"_meta":null}}"#, r#","params":{"_meta":{"a":1,"b":{}}}}"#),
            (r#","params":{"_meta":{}}}"#, r#","params":{"_meta":{"a":1,"b":{}}}}"#),
            (r#","params":{"_meta":{"b" : 7,"c":[]}}}"#, r#","params":{"_meta":{"a":1,"b" : {},"c":[]}}}"#),
        ] {
            assert_eq!(with_meta(&format!("{head}{before}")), format!("{head}{after}"));
        }
    }

    #[test]
    fn one_member_of_meta_is_taken_out_and_the_rest_stays() {
        let head = r#"{"jsonrpc":"2.0","method":"x","params":"#;
        for (before, after) in [
            (r#"{"_meta":{"s":1}}}"#, "{}}"),
            (r#"{"uri":"a:b","_meta":{"s":1}}}"#, r#"{"uri":"a:b"}}"#),
            (r#"{"_meta":{"s":1}, "uri":"a:b"}}"#, r#"{ "uri":"a:b"}}"#),
            (r#"{"_meta":{"s":1,"t":"}"}}}"#, r#"{"_meta":{"t":"}"}}}"#),
            (r#"{"_meta":{"t":[1,2], "s":{"x":","} }}}"#, r#"{"_meta":{"t":[1,2] }}}"#),
            (r#"{"_meta":{"t":1}}}"#, r#"{"_meta":{"t":1}}}"#),
        ] {
            let made = message(&format!("{head}{before}")).edit().without_meta("s").made();
            assert_eq!(String::from_utf8_lossy(&made), format!("{head}{after}"));
        }
    }

    fn arbitrary() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z_\"\\\\{},:]{0,6}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_set_is_there_and_nothing_else_changes(params in proptest::collection::btree_map("[a-z_]{1,6}", arbitrary(), 0..5), meta in proptest::option::of(proptest::collection::btree_map("[a-z]{1,4}", arbitrary(), 0..4))) {
            let mut params: serde_json::Map<String, Value> = params.into_iter().collect();
            if let Some(meta) = meta {
                params.insert("_meta".to_owned(), Value::Object(meta.into_iter().collect()));
            }
            let before = json!({"jsonrpc":"2.0","method":"x","params":params});
            let text = serde_json::to_string_pretty(&before).expect("JSON");
            let made = message(&text).edit().meta(&[("io.x/a", b"[1]"), ("b", b"\"2\"")]).made();
            let mut expected = before;
            if !expected["params"]["_meta"].is_object() {
                expected["params"]["_meta"] = json!({});
            }
            expected["params"]["_meta"]["io.x/a"] = json!([1]);
            expected["params"]["_meta"]["b"] = json!("2");
            prop_assert_eq!(&serde_json::from_slice::<Value>(&made).expect("JSON"), &expected);
            let again = message(std::str::from_utf8(&made).expect("text")).edit().without_meta("io.x/a").made();
            expected["params"]["_meta"].as_object_mut().expect("object").remove("io.x/a");
            prop_assert_eq!(serde_json::from_slice::<Value>(&again).expect("JSON"), expected);
        }
    }
}
