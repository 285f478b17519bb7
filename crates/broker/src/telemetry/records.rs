//! Turns events into lines.
//!
//! Written straight into one buffer: with two lines for each call, a map of values for each of them was a large part of what a call cost.

use std::cell::RefCell;
use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use parking_lot::RwLock;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::Now;
use super::record::{Fields, text_as_json};
use crate::build_info::{BUILD, SERVICE};
use crate::config::LogFormat;
use crate::display::visible;

/// What every JSON record says of the program.
static STAMP: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut stamp = Vec::new();
    for (name, value) in
        [("service.name", SERVICE), ("service.version", BUILD.version), ("service.revision", BUILD.revision)]
    {
        member(&mut stamp, name, |json| text_as_json(json, value));
    }
    stamp
});

thread_local! {
    /// The line that is being written; its memory serves the next one, too.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// A second since the epoch, and how it is written: most lines are of the same second as the one before.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

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

impl<W: Fn(&[u8], Level)> Records<W> {
    /// Lines in this format go to `sink`, one call per line, line end included, with the level of the record.
    pub fn new(format: impl Into<Format>, now: Now, sink: W) -> Self {
        Self { format: format.into(), now, sink }
    }

    /// Writes one record: `all` are the spans it happened in, from the root, and itself.
    fn write(&self, line: &mut Vec<u8>, event: &Event<'_>, all: &[&Fields]) {
        let metadata = event.metadata();
        let message = all.last().and_then(|own| own.get("message"));
        // Of several fields of one name the innermost counts.
        let fields = || {
            let counts = move |index: usize, name: &str| all[index + 1..].iter().all(|inner| inner.get(name).is_none());
            let shown = move |index: usize, name: &str| name != "message" && counts(index, name);
            let each = all.iter().enumerate();
            each.flat_map(move |(index, fields)| fields.iter().filter(move |(name, _)| shown(index, name)))
        };
        // Writing to memory does not fail.
        let format = *self.format.0.read();
        match format {
            LogFormat::Json => {
                line.extend_from_slice(b"{\"timestamp\":\"");
                moment(line, (self.now)());
                line.push(b'"');
                member(line, "level", |json| text_as_json(json, metadata.level().as_str()));
                member(line, "target", |json| text_as_json(json, metadata.target()));
                member(line, "message", |json| json.extend_from_slice(message.unwrap_or(b"\"\"")));
                line.extend_from_slice(&STAMP);
                for (name, value) in fields() {
                    member(line, name, |json| json.extend_from_slice(value));
                }
                line.push(b'}');
            }
            LogFormat::Text => {
                let text = message.and_then(|json| serde_json::from_slice::<String>(json).ok()).unwrap_or_default();
                moment(line, (self.now)());
                let _ = write!(line, " {:5} {}: {}", metadata.level(), metadata.target(), visible(&text));
                for (name, value) in fields() {
                    let _ = write!(line, " {name}={}", bare(value));
                }
                let _ = write!(line, " service={SERVICE} version={} revision={}", BUILD.version, BUILD.revision);
            }
        }
        line.push(b'\n');
    }
}

impl<S, W> Layer<S> for Records<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8], Level) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
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
        let mut own = Fields::new();
        event.record(&mut own);
        let spans: Vec<_> = context.event_scope(event).into_iter().flat_map(Scope::from_root).collect();
        let extensions: Vec<_> = spans.iter().map(|span| span.extensions()).collect();
        let mut all: Vec<&Fields> = extensions.iter().filter_map(|extensions| extensions.get()).collect();
        all.push(&own);
        LINE.with(|line| {
            // Whatever writes a value may log something itself; that line gets a buffer of its own.
            let mut fresh = Vec::new();
            let mut kept = line.try_borrow_mut();
            let line: &mut Vec<u8> = kept.as_deref_mut().unwrap_or(&mut fresh);
            line.clear();
            self.write(line, event, &all);
            (self.sink)(line, *event.metadata().level());
        });
    }
}

/// Appends a time in UTC, to milliseconds (RFC 3339).
fn moment(line: &mut Vec<u8>, at: Timestamp) {
    // Writing to memory does not fail.
    if at < Timestamp::UNIX_EPOCH {
        let _ = write!(line, "{at:.3}");
        return;
    }
    SECOND.with_borrow_mut(|(second, written)| {
        if *second != at.as_second() {
            *second = at.as_second();
            *written = format!("{at:.0}");
        }
        line.extend_from_slice(written.trim_end_matches('Z').as_bytes());
    });
    let _ = write!(line, ".{:03}Z", at.subsec_millisecond());
}

/// Appends a member of a JSON object that is not its first.
fn member(json: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    json.extend_from_slice(b",\"");
    // Names are the program's own and need no escapes.
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
    value(json);
}

/// A JSON value as a person reads it: a text of one word without its quotes.
fn bare(json: &[u8]) -> String {
    match serde_json::from_slice(json) {
        Ok(serde_json::Value::String(text)) if !text.is_empty() && !text.contains([' ', '"', '=']) => {
            visible(&text).into_owned()
        }
        _ => String::from_utf8_lossy(json).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::moment;
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
    fn a_time_is_written_as_its_own_second_whatever_was_written_before() {
        for (milliseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (1_000, "1970-01-01T00:00:01.000Z"),
            (999, "1970-01-01T00:00:00.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_764_201_599_007, "2025-11-26T23:59:59.007Z"),
        ] {
            let mut line = Vec::new();
            moment(&mut line, Timestamp::from_millisecond(milliseconds).unwrap());
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_time_is_written_as_jiff_writes_it(nanoseconds in -10_000_000_000_000_000_000_i128..10_000_000_000_000_000_000) {
            let at = Timestamp::from_nanosecond(nanoseconds).unwrap();
            let mut line = Vec::new();
            moment(&mut line, at);
            prop_assert_eq!(String::from_utf8(line).unwrap(), format!("{at:.3}"));
        }
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
