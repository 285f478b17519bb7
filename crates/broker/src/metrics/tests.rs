//! The catalogue against what is registered, documented and shown.

use std::collections::HashSet;
use std::time::Duration;

use super::catalogue::{ALL, Kind};
use super::{Metrics, reference};

#[test]
fn the_reference_in_docs_is_what_the_catalogue_says() {
    let written = include_str!("../../../../docs/metrics.md");
    assert_eq!(written, reference(), "run `fjmcp-broker reference metrics > docs/metrics.md`");
}

#[test]
fn names_are_of_prometheus_form_and_counters_alone_end_in_total() {
    let mut names = HashSet::new();
    for metric in ALL {
        assert!(names.insert(metric.name), "{} is there twice", metric.name);
        let plain = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(metric.name.chars().all(plain), "{}", metric.name);
        assert!(metric.name.starts_with("fjmcp_") || metric.name.starts_with("process_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert_eq!(metric.name.ends_with("_seconds"), metric.kind == Kind::Histogram || metric.name.contains("time_"));
        assert!(metric.labels.iter().all(|label| label.name.chars().all(plain)), "{}", metric.name);
    }
}

#[test]
fn every_metric_of_the_catalogue_is_registered_under_its_name() {
    let metrics = Metrics::new();
    // A family without a series has no lines.
    metrics.touch_all();
    metrics.http_requests.add(["/mcp", "POST", "200"]);
    metrics.http_duration.note(["/mcp"], Duration::from_millis(3));
    let text = metrics.text().unwrap();
    for metric in ALL {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let line = format!("# TYPE {} {kind}\n", metric.name);
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("# TYPE ").count(), ALL.len());
    assert!(text.contains("fjmcp_http_requests_total{route=\"/mcp\",method=\"POST\",status=\"200\"} 1"), "{text}");
    assert!(text.contains("fjmcp_http_request_duration_seconds_count{route=\"/mcp\"} 1"), "{text}");
}

#[test]
fn what_the_process_uses_is_read_from_the_kernel() {
    let metrics = Metrics::new();
    metrics.read_process();
    let text = metrics.text().unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") > value("process_open_fds"));
    assert!(value("process_start_time_seconds") > 1.6e9);
    assert!(value("process_cpu_seconds_total") >= 0.0);
}
