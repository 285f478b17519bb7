//! Logs: one line per record on standard error, JSON for machines or text for people.
//!
//! Every record carries service, version and revision, and the fields of the spans it happened in, so that a line reads
//! alone and can be queried. Field names are dotted (`request.id`, `http.status`) and carry their unit (`duration_ms`).
//! What must never be logged is written down in [`never_logged`] and enforced there, by field name and by token prefix, behind the care of
//! whoever writes the line.

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::gathered::Gathered;
use crate::config::{LogConfig, TracesConfig};

#[cfg(test)]
pub(crate) mod captured;
mod gathered;
pub mod never_logged;
mod record;
mod records;
pub mod traces;

pub use records::{Format, Records};
pub use traces::Traces;

/// Tells the time of a record.
pub type Now = fn() -> Timestamp;

/// Writes what the log still holds back when it is dropped.
#[derive(Debug)]
pub struct LastLines(Gathered);

/// What is logged and how, changeable while the program runs.
#[derive(Debug, Clone)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    format: Format,
}

impl Drop for LastLines {
    fn drop(&mut self) {
        self.0.flush();
    }
}

// === impl Log ===

impl Log {
    /// Takes another format, and another level or levels by target. What is no level changes nothing.
    pub(crate) fn set(&self, config: &LogConfig) {
        self.format.set(config.format);
        let level = config.level.as_str();
        let set = EnvFilter::builder().parse(level).map(|filter| self.filter.reload(filter));
        if !matches!(set, Ok(Ok(()))) {
            tracing::warn!(log.level = level, "the log level could not be changed");
        }
    }
}

/// Sends this process's records to standard error, and its spans to the collector if there is one. Fails if called twice.
pub fn install(
    config: &LogConfig,
    traces: &TracesConfig,
    runtime: &Handle,
    now: Now,
) -> Result<(Log, Traces, LastLines), anyhow::Error> {
    let filter = EnvFilter::builder().parse(&config.level).context("the log level cannot be used")?;
    let format = Format::from(config.format);
    let gathered = Gathered::start().context("the log's thread cannot be started")?;
    let lines = gathered.clone();
    let records = Records::new(format.clone(), now, move |line: &[u8], level| lines.put(line, level));
    let (layer, filter) = reload::Layer::new(filter);
    let (traces, spans) = Traces::start(traces, runtime)?;
    let subscriber = tracing_subscriber::registry().with(layer).with(records).with(spans);
    subscriber.try_init().context("the log is set up already")?;
    log_panics();
    Ok((Log { filter, format }, traces, LastLines(gathered)))
}

/// Panics become log lines like any other; the default would write free text between them.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("unknown");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.message = message, panic.location = location, "panic");
    }));
}
