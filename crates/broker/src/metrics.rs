//! What is counted and measured, for Prometheus.
//!
//! The [`catalogue`] is the one table of names, labels and meanings. A label's value is a `&'static str`: a word out of the program, never
//! one out of a request, so that no stranger can make the number of series grow. Counting is one look-up and one addition, on
//! any thread; gauges are filled in when somebody asks.

mod bridge_events;
mod catalogue;
mod counters;
mod families;
mod gateway_counts;
mod process;
mod reference;
mod scrape;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;

pub(crate) use bridge_events::BridgeEvents;
use counters::Counters;
pub(crate) use reference::reference;
pub(crate) use scrape::{Scrape, measure, measured, routes};
pub(crate) use words::client_family;

/// All counters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    counters: Counters,
    registry: Mutex<Registry>,
}

// === impl Metrics ===

impl Metrics {
    /// Everything at zero.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let counters = Counters::register(&mut registry);
        Self(Arc::new(Inner { counters, registry: Mutex::new(registry) }))
    }

    /// The text of all metrics (Prometheus' text format 0.0.4).
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::prometheus_text::encode(&mut text, &self.0.registry.lock())?;
        Ok(text)
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0.counters
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
