//! Metrics by label values, registered as the catalogue describes them.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::Metric;

/// Upper bounds in seconds: from a cached answer to a call that runs into its deadline.
const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters, one for each combination of values that came up.
pub(crate) struct Counts<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Counter>,
}

/// Numbers that are set.
pub(crate) struct Levels<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Gauge<f64, AtomicU64>>,
}

/// Distributions of times.
pub(crate) struct Times<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Histogram, fn() -> Histogram>,
}

/// A counter whose value comes from elsewhere.
pub(crate) struct Reading(Counter<f64, AtomicU64>);

// === impl Metric ===

impl<const N: usize> Metric<N> {
    fn names(&self) -> [&'static str; N] {
        self.labels.map(|label| label.name)
    }
}

// === impl Counts ===

impl<const N: usize> Counts<N> {
    #[cfg(test)]
    pub(super) fn touch(&self) {
        self.add(["x"; N]);
    }

    pub(super) fn register(metric: &Metric<N>, registry: &mut Registry) -> Self {
        let family = Family::default();
        registry.register(stem(metric.name), metric.help, Family::clone(&family));
        Self { names: metric.names(), family }
    }

    /// One more.
    pub(crate) fn add(&self, values: [&'static str; N]) {
        self.family.get_or_create(&pairs(self.names, values)).inc();
    }
}

// === impl Levels ===

impl<const N: usize> Levels<N> {
    #[cfg(test)]
    pub(super) fn touch(&self) {
        self.set(["x"; N], 0.0);
    }

    pub(super) fn register(metric: &Metric<N>, registry: &mut Registry) -> Self {
        let family = Family::default();
        registry.register(metric.name, metric.help, Family::clone(&family));
        Self { names: metric.names(), family }
    }

    /// It is this much now.
    pub(crate) fn set(&self, values: [&'static str; N], level: f64) {
        self.family.get_or_create(&pairs(self.names, values)).set(level);
    }
}

// === impl Times ===

impl<const N: usize> Times<N> {
    #[cfg(test)]
    pub(super) fn touch(&self) {
        self.note(["x"; N], std::time::Duration::ZERO);
    }

    pub(super) fn register(metric: &Metric<N>, registry: &mut Registry) -> Self {
        let family = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register(metric.name, metric.help, family.clone());
        Self { names: metric.names(), family }
    }

    /// It took so long.
    pub(crate) fn note(&self, values: [&'static str; N], took: std::time::Duration) {
        self.family.get_or_create(&pairs(self.names, values)).observe(took.as_secs_f64());
    }
}

// === impl Reading ===

impl Reading {
    pub(super) fn register(metric: &Metric<0>, registry: &mut Registry) -> Self {
        let counter = Counter::default();
        registry.register(stem(metric.name), metric.help, Counter::clone(&counter));
        Self(counter)
    }

    /// What it says now.
    pub(crate) fn set(&self, value: f64) {
        self.0.inner().store(value.to_bits(), std::sync::atomic::Ordering::Relaxed);
    }
}

fn pairs<const N: usize>(names: [&'static str; N], values: [&'static str; N]) -> Labels<N> {
    std::array::from_fn(|index| (names[index], values[index]))
}

/// The encoder adds the ending of counters itself.
fn stem(name: &'static str) -> &'static str {
    name.strip_suffix("_total").unwrap_or(name)
}
