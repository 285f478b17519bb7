//! What the log says, for tests.
//!
//! One subscriber for all tests of the process, with lines kept by thread: `tracing` caches per call site whether anybody listens, and
//! subscribers that come and go with tests that run side by side make that cache wrong.

use std::cell::RefCell;
use std::sync::OnceLock;

use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt as _;

use super::Records;
use crate::config::LogFormat;

thread_local! {
    static JSON: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static TEXT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The lines of this thread since [`Captured::start`].
pub(crate) struct Captured(());

// === impl Captured ===

impl Captured {
    /// Begins anew.
    pub(crate) fn start() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| {
            let now = || jiff::Timestamp::UNIX_EPOCH;
            let text_of = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
            let json = Records::new(LogFormat::Json, now, move |line: &[u8], _| {
                JSON.with_borrow_mut(|lines| lines.push(text_of(line)));
            });
            let text = Records::new(LogFormat::Text, now, move |line: &[u8], _| {
                TEXT.with_borrow_mut(|lines| lines.push(text_of(line)));
            });
            let subscriber = tracing_subscriber::registry().with(json).with(text);
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        JSON.take();
        TEXT.take();
        Self(())
    }

    /// The JSON records.
    pub(crate) fn json(&self) -> Vec<Value> {
        let Self(()) = self;
        JSON.with_borrow(|lines| lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The JSON records as they were written.
    pub(crate) fn json_lines(&self) -> Vec<String> {
        let Self(()) = self;
        JSON.with_borrow(Clone::clone)
    }

    /// The text lines.
    pub(crate) fn text(&self) -> Vec<String> {
        let Self(()) = self;
        TEXT.with_borrow(Clone::clone)
    }
}
