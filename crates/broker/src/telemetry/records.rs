//! Turns events into lines.

use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Map, Value};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Now;
use super::record::Fields;
use crate::build_info::{BUILD, SERVICE};
use crate::config::LogFormat;
use crate::display::{visible, visible_json};

/// A `tracing` layer that writes each event as one line to a sink.
pub struct Records<W> {
    format: Format,
    now: Now,
    sink: W,
}

/// The form of the lines at this moment. Clones share it.
#[derive(Debug, Clone)]
pub struct Format(Arc<RwLock<LogFormat>>);

// === impl Format ===

impl Format {
    /// Lines have another form from now on.
    pub(crate) fn set(&self, format: LogFormat) {
        *self.0.write() = format;
    }
}

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        Self(Arc::new(RwLock::new(format)))
    }
}

// === impl Records ===

impl<W: Fn(&[u8])> Records<W> {
    /// Lines in this format go to `sink`, one call per line, line end included.
    pub fn new(format: impl Into<Format>, now: Now, sink: W) -> Self {
        Self { format: format.into(), now, sink }
    }

    fn line(&self, event: &Event<'_>, mut fields: Map<String, Value>) -> String {
        let metadata = event.metadata();
        let message = fields.remove("message").unwrap_or_default();
        let message = message.as_str().unwrap_or_default();
        let timestamp = format!("{:.3}", (self.now)());
        let format = *self.format.0.read();
        let mut line = match format {
            LogFormat::Json => {
                let mut record = Map::new();
                for (name, value) in [
                    ("timestamp", timestamp.as_str()),
                    ("level", metadata.level().as_str()),
                    ("target", metadata.target()),
                    ("message", message),
                    ("service.name", SERVICE),
                    ("service.version", BUILD.version),
                    ("service.revision", BUILD.revision),
                ] {
                    record.insert(name.to_owned(), value.into());
                }
                record.extend(fields);
                visible_json(Value::Object(record).to_string())
            }
            LogFormat::Text => {
                let mut line =
                    format!("{timestamp} {:5} {}: {}", metadata.level(), metadata.target(), visible(message));
                for (name, value) in &fields {
                    let value = match value {
                        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => {
                            visible(text).into_owned()
                        }
                        other => visible_json(other.to_string()),
                    };
                    let _ = write!(line, " {name}={value}");
                }
                let _ = write!(line, " service={SERVICE} version={} revision={}", BUILD.version, BUILD.revision);
                line
            }
        };
        line.push('\n');
        line
    }
}

impl<S, W> Layer<S> for Records<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut all = Map::new();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                all.extend(fields.0.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        all.extend(fields.0);
        (self.sink)(self.line(event, all).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::build_info::BUILD;
    use crate::telemetry::captured::Captured;

    #[test]
    fn every_json_record_is_stamped_and_carries_the_fields_of_its_spans() {
        let captured = Captured::start();
        let span = tracing::info_span!("request", request.id = "r1", user.id = tracing::field::Empty);
        let entered = span.enter();
        span.record("user.id", "u1");
        tracing::warn!(duration_ms = 7_u64, "slow");
        drop(entered);
        let record: Value = captured.json().remove(0);
        assert_eq!(record["timestamp"], "1970-01-01T00:00:00.000Z");
        assert_eq!(record["level"], "WARN");
        assert_eq!(record["message"], "slow");
        assert_eq!(record["request.id"], "r1");
        assert_eq!(record["user.id"], "u1");
        assert_eq!(record["duration_ms"], 7);
        assert_eq!(record["service.name"], "fjmcp-broker");
        assert_eq!(record["service.version"], BUILD.version);
        assert_eq!(record["service.revision"], BUILD.revision);
    }

    #[test]
    fn a_record_does_not_tell_the_path_where_the_program_was_built() {
        let captured = Captured::start();
        tracing::info!(
            log.file = "/home/builder/src/x.rs",
            log.line = 7,
            log.module_path = "x",
            log.target = "x",
            "of another crate"
        );
        let record: Value = captured.json().remove(0);
        assert!(record.get("log.file").is_none() && record.get("log.line").is_none(), "{record}");
        assert_eq!((record["log.target"].as_str(), record["message"].as_str()), (Some("x"), Some("of another crate")));
    }

    #[test]
    fn what_is_never_logged_is_absent_from_spans_events_and_messages() {
        let captured = Captured::start();
        let entered = tracing::info_span!("login", oauth.code = "hunter2").entered();
        tracing::info!(authorization = "Bearer hunter2", token = ?Some("hunter2"), "with fjb_at_hunter2");
        drop(entered);
        for line in [captured.json()[0].to_string(), captured.text().remove(0)] {
            assert!(!line.contains("hunter2"), "{line}");
            assert!(line.contains("[never logged]"));
        }
    }

    #[test]
    fn a_text_record_stays_on_one_line() {
        let captured = Captured::start();
        tracing::info!(client.name = "a\nb\u{1b}[2J", "two\nlines");
        let line = captured.text().remove(0);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\u{1b}'));
    }

    #[test]
    fn no_record_in_either_form_holds_a_character_that_deceives() {
        let captured = Captured::start();
        let name = "a\u{1b}[2J\u{202e}b\u{200b} c";
        tracing::info!(client.name = name, client.id = "x\u{202e}y", "{name}");
        assert_eq!(captured.json()[0]["client.name"], name, "it says the same");
        for line in [captured.json_lines().remove(0), captured.text().remove(0)] {
            assert!(!line.trim_end().contains(forgejo::display::is_deceptive), "{line:?}");
        }
    }
}
