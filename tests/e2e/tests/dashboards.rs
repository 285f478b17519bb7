//! Dashboard and alert rules ask only for metrics, labels and words that the program has, and every alert has its page in the runbook.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use e2e::binaries::project_root;
use e2e::broker::{Settings, free_port, http_client};
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::{Stack, postgres};
use forgejo_sim::SimConfig;
use serde_json::Value;

/// What the program says of one metric.
struct Metric {
    kind: String,
    /// Its labels, and what is said of their values.
    labels: String,
}

/// The table that the program prints of its metrics.
async fn metrics() -> Result<BTreeMap<String, Metric>> {
    let ended = run(&["reference", "metrics"], &Settings::default()).await?;
    let rows = ended.stdout.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| `")?.split(" | ").collect();
        let [name, kind, labels, ..] = cells.as_slice() else { return None };
        let metric = Metric { kind: (*kind).to_owned(), labels: (*labels).to_owned() };
        Some((name.trim_end_matches('`').to_owned(), metric))
    });
    let table: BTreeMap<_, _> = rows.collect();
    anyhow::ensure!(table.len() > 20, "the program prints {} metrics: {}", table.len(), ended.stderr);
    Ok(table)
}

fn shipped(path: &str) -> Result<String> {
    std::fs::read_to_string(project_root().join(path)).with_context(|| format!("no {path}"))
}

/// Every query of the dashboard, those of its variables included.
fn dashboard_queries() -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(&shipped("deploy/grafana/fjmcp-broker.json")?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut queries: Vec<String> = targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())).collect();
    anyhow::ensure!(queries.len() > 20, "the dashboard has {} queries", queries.len());
    let variables = dashboard["templating"]["list"].as_array().context("no variables")?;
    let of_prometheus = variables.iter().filter(|variable| variable["type"] == "query");
    queries.extend(of_prometheus.filter_map(|variable| Some(variable["query"].as_str()?.to_owned())));
    Ok(queries)
}

fn rules() -> Result<String> {
    shipped("deploy/prometheus/fjmcp-broker.rules.yml")
}

/// The names of ours in a text, each with what stands in braces behind it.
fn uses(text: &str) -> Vec<(String, String)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_of_name) {
        let from = &rest[start..];
        let end = from.find(|c| !is_of_name(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        if name.starts_with("fjmcp_") || name.starts_with("process_") {
            let braces = after.strip_prefix('{').and_then(|inside| inside.split('}').next()).unwrap_or_default();
            found.push((name.to_owned(), braces.to_owned()));
        }
        rest = after;
    }
    found
}

/// Labels that Prometheus itself adds.
const ADDED: [&str; 2] = ["instance", "job"];

#[tokio::test]
async fn dashboard_and_alerts_use_only_what_the_program_measures() -> Result<()> {
    let table = metrics().await?;
    let texts = dashboard_queries()?.join("\n") + &rules()?.replace("fjmcp_broker", "");
    let mut used = BTreeSet::new();
    for (name, matchers) in uses(&texts) {
        let histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
        let histogram = histogram.filter(|base| table.get(*base).is_some_and(|metric| metric.kind == "histogram"));
        let base = histogram.unwrap_or(&name);
        let metric = table.get(base).with_context(|| format!("the program has no metric {name}"))?;
        assert_eq!(metric.kind == "histogram", histogram.is_some(), "{name} is a {}", metric.kind);
        used.insert(base.to_owned());
        for matcher in matchers.split("\",").filter(|matcher| !matcher.is_empty()) {
            let (label, values) = matcher.split_once(['=', '!']).with_context(|| matcher.to_owned())?;
            let (label, values) = (label.trim(), values.trim_start_matches(['=', '~', '"']).trim_end_matches('"'));
            if ADDED.contains(&label) {
                continue;
            }
            assert!(metric.labels.contains(&format!("`{label}`:")), "{name} has no label {label}");
            for value in values.split('|').filter(|value| value.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
                assert!(
                    metric.labels.contains(&format!("`{value}`")),
                    "{name}: {label} is never {value}: {}",
                    metric.labels
                );
            }
        }
    }
    assert!(used.len() > 20, "only {used:?}");
    Ok(())
}

/// The table could say more than the program does.
#[tokio::test]
async fn what_they_use_is_in_a_scrape_of_a_broker_that_has_worked() -> Result<()> {
    let table = metrics().await?;
    let address = format!("127.0.0.1:{}", free_port()?);
    // One of several, on a server: nothing is measured that such a one does not have.
    let place = postgres()?.database()?;
    let more = Settings::default()
        .with("METRICS_LISTEN", &address)
        .with("DATABASE_URL", place.url())
        .with("REPLICA_LISTEN", format!("127.0.0.1:{}", free_port()?));
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), more).await?;
    let (mcp, ..) = stack.session("alice").await?;
    mcp.call("get_my_user_info", &serde_json::json!({})).await?;
    http_client()?.post(format!("{}/mcp", stack.broker.url)).send().await?;
    let scrape = http_client()?.get(format!("http://{address}/metrics")).send().await?.text().await?;
    let gauges = table.iter().filter(|(_, metric)| metric.kind == "gauge").map(|(name, _)| name.as_str());
    let always = ["fjmcp_http_requests_total", "fjmcp_mcp_requests_total", "fjmcp_tokens_issued_total"];
    let worked = ["fjmcp_worker_starts_total", "fjmcp_gateway_requests_total", "fjmcp_bearer_refusals_total"];
    for name in gauges.chain(always).chain(worked) {
        let there = scrape.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        assert!(there, "{name} is not in:\n{scrape}");
    }
    for name in scrape.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split([' ', '{']).next()) {
        let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(table.contains_key(name) || table.contains_key(base), "{name} is in no table");
    }
    Ok(())
}

#[test]
fn every_alert_has_its_page_in_the_runbook() -> Result<()> {
    let runbook = shipped("docs/operations.md")?;
    let rules = rules()?;
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(runbook.contains(&format!("\n| {alert} |")), "docs/operations.md says nothing of {alert}");
    }
    Ok(())
}
