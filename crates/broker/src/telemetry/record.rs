//! The fields of one span or event, already in the form in which they are written.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::ops::Range;

use tracing::field::{Field, Visit};

use super::never_logged::permitted;
use crate::display::visible_json;

/// Collects fields as JSON; what may not be logged does not get in.
///
/// One buffer for all of them: a request's span is made for each request, and its fields are written with each of its lines.
#[derive(Debug)]
pub(super) struct Fields {
    json: Vec<u8>,
    places: Vec<(&'static str, Range<usize>)>,
}

// === impl Fields ===

impl Fields {
    /// With room for those of most spans and events.
    pub(super) fn new() -> Self {
        Self { json: Vec::with_capacity(192), places: Vec::with_capacity(10) }
    }

    /// Names and values, in the order in which they came; a value is JSON.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.places.iter().map(|(name, place)| (*name, &self.json[place.clone()]))
    }

    /// The JSON of a field.
    pub(super) fn get(&self, wanted: &str) -> Option<&[u8]> {
        self.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    fn put(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        // Records of the `log` crate bring the place in their source along, which is a path on the machine that built the program.
        let name = field.name();
        if name.starts_with("log.") && matches!(name, "log.file" | "log.line" | "log.module_path") {
            return;
        }
        // What is recorded again replaces what was there. All fields of a span or event are of one place in the source, and so are their names.
        self.places.retain(|(known, _)| !std::ptr::eq(*known, name));
        let start = self.json.len();
        write(&mut self.json);
        self.places.push((name, start..self.json.len()));
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        self.put(field, |json| text_as_json(json, &permitted(field.name(), text)));
    }

    fn put_shown(&mut self, field: &Field, value: impl fmt::Display) {
        // Writing to memory does not fail.
        self.put(field, |json| drop(write!(json, "{value}")));
    }
}

/// Appends a text as a JSON string, in which every character is seen as what it is.
pub(super) fn text_as_json(json: &mut Vec<u8>, text: &str) {
    let stands_for_itself = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(stands_for_itself) {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
        return;
    }
    if !text.bytes().all(|byte| byte.is_ascii() && byte != 0x7f) {
        json.extend_from_slice(visible_json(serde_json::Value::from(text).to_string()).as_bytes());
        return;
    }
    // Writing to memory does not fail, and every text can be a JSON string.
    let _ = serde_json::to_writer(json, text);
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() { self.put_shown(field, value) } else { self.put_text(field, &value.to_string()) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_shown(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_shown(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_shown(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.put_text(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::with_capacity(32);
        let _ = write!(text, "{value:?}");
        self.put_text(field, &text);
    }
}
