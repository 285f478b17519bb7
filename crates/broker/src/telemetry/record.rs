//! The fields of one span or event.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use super::never_logged::permitted;

/// Collects fields; what may not be logged does not get in.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

// === impl Fields ===

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // Records of the `log` crate bring the place in their source along, which is a path on the machine that built the program.
        if matches!(field.name(), "log.file" | "log.line" | "log.module_path") {
            return;
        }
        let value = match value {
            Value::String(text) => Value::String(permitted(field.name(), &text).into_owned()),
            other => other,
        };
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut source = value.source();
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        self.put(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
