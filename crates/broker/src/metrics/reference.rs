//! The reference of all metrics, made from the catalogue.

use std::fmt::Write as _;

use super::catalogue::{ALL, Kind};

const HEAD: &str = "\
# Metrics

`/metrics` is served on a listener of its own, `metrics-listen` (127.0.0.1:9464), in Prometheus' text format; the public listener does not have it. There is no
authentication: keep it on loopback or in a network of your own. What is counted is counted since the start of the process; gauges are read when
somebody asks.

A label's value is always a word of the program's, never text out of a request, so that strangers cannot make the number of series grow. A series
appears when it is first counted. Histograms have the buckets 1 ms to 5 min; `_bucket`, `_sum` and `_count` are added to their names.

Alert rules and a dashboard that use these names are in `deploy/`; what to do about each alert is in [operations.md](operations.md).

<!-- Made by `fjmcp-broker reference metrics`. -->
";

/// All metrics as Markdown.
#[must_use]
pub(crate) fn reference() -> String {
    let mut text = HEAD.to_owned();
    let mut group = "";
    for metric in ALL {
        if metric.group != group {
            group = metric.group;
            let _ = write!(text, "\n## {group}\n\n| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n");
        }
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> =
            metric.labels.iter().map(|label| format!("`{}`: {}", label.name, label.values)).collect();
        let _ = writeln!(text, "| `{}` | {kind} | {} | {} |", metric.name, labels.join("<br>"), metric.help);
    }
    text
}
