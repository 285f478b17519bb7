//! The gateway: what it adds to a GET of a worker, and what a large download loses by it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::Child;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use serde_json::{Value, json};

use super::Size;
use super::depot::{Depot, LARGE, SMALL};
use crate::result::Figure;
use crate::subject::{Pipe, child, door, settings};

const TURNS: usize = 5;
/// In a turn. The gateway lets a user send 1,200 requests in a minute.
const MOST_GETS: u64 = 230;
/// One download each: the gateway lets a user take 2 GiB in a minute.
const USERS: [&str; 3] = ["alice", "bob", "root"];

pub(super) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let (stack, depot) = before_depot(size.download).await?;
    let mut sessions = Vec::new();
    for user in USERS {
        let (_, tokens) = stack.log_in(user).await?;
        let target = door(&stack, &tokens)?.session().await?;
        sessions.push((target.connect().await?, target));
    }
    let mut direct = Pipe::start(&[("FORGEJO_URL", &depot.url), ("FORGEJO_ACCESS_TOKEN", "none")])?;
    let gets = (size.calls / 15).clamp(200, MOST_GETS);
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    let (connection, target) = sessions.last_mut().context("no session")?;
    for _ in 0..TURNS {
        let small = json!({"path": SMALL, "times": gets});
        through.extend(times(&text(&target.call(connection, "fetch", &small).await?)?)?.0);
        straight.extend(times(&alone(&mut direct, &small)?)?.0);
    }
    let (ours, theirs) = (median(&mut through), median(&mut straight));
    let (mut fast, mut direct_fast, mut most) = (Vec::new(), Vec::new(), 0);
    let large = json!({"path": LARGE, "times": 1});
    let rest = e2e::processes::resident_bytes(stack.broker.pid)?;
    for (connection, target) in &mut sessions {
        let watch = Watch::of(stack.broker.pid);
        let (took, bytes) = times(&text(&target.call(connection, "fetch", &large).await?)?)?;
        most = most.max(watch.most());
        ensure!(bytes == size.download, "the download has {bytes} bytes");
        fast.extend(took);
        direct_fast.extend(times(&alone(&mut direct, &large)?)?.0);
    }
    let rate = |nanos: f64| megabytes(size.download) / (nanos / 1e9);
    let (through_rate, direct_rate) = (rate(median(&mut fast)), rate(median(&mut direct_fast)));
    let note = format!(
        "median of {} GETs of 1.5 kB by a worker, each way; stand-in, worker and broker share two cores",
        gets as usize * TURNS
    );
    let down = format!("{} MiB by a worker, median of 3", size.download >> 20);
    let grown = most.saturating_sub(rest);
    Ok(vec![
        Figure::new("gateway_get", "GET through the gateway, median", ours / 1000.0, "µs", &note),
        Figure::new("direct_get", "the same GET without it", theirs / 1000.0, "µs", &note),
        Figure::new(
            "gateway_added",
            "what the gateway adds to a GET",
            (ours - theirs) / 1000.0,
            "µs",
            "difference of medians",
        ),
        Figure::new("gateway_download", "download through the gateway", through_rate, "MB/s", &down),
        Figure::new("direct_download", "the same download without it", direct_rate, "MB/s", &down),
        Figure::new(
            "gateway_share",
            "share of the direct throughput",
            through_rate / direct_rate,
            "",
            "ratio of medians",
        ),
        Figure::new(
            "gateway_memory",
            "most memory that the broker took on for it",
            megabytes(grown),
            "MB",
            "sampled every 20 ms",
        ),
    ])
}

async fn before_depot(large: u64) -> Result<(Stack, Depot)> {
    // The stand-in's address is known only once it runs, so the way to it is found by a broker that is started twice.
    let worker = Child::new("bench-echo".to_owned(), "custom", child()?);
    let mut stack = Stack::start_with(&worker, SimConfig::default(), settings(Settings::default())).await?;
    let depot = Depot::before(stack.sim.url(), large)?;
    stack.broker.terminate().await?;
    stack.settings.set("FORGEJO_INTERNAL_URL", depot.url.clone());
    stack.restart().await?;
    Ok((stack, depot))
}

fn alone(pipe: &mut Pipe, arguments: &Value) -> Result<String> {
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fetch", "arguments": arguments}});
    let answer: Value = serde_json::from_str(&pipe.round(&call.to_string())?)?;
    text(&answer["result"])
}

fn text(result: &Value) -> Result<String> {
    Ok(result["content"][0]["text"].as_str().with_context(|| result.to_string())?.to_owned())
}

/// The nanoseconds of each, and the bytes of the last.
fn times(told: &str) -> Result<(Vec<f64>, u64)> {
    let (times, bytes) = told.rsplit_once(' ').with_context(|| told.to_owned())?;
    let times: Result<Vec<f64>, _> = times.split(' ').map(str::parse).collect();
    Ok((times.with_context(|| told.to_owned())?, bytes.parse().with_context(|| told.to_owned())?))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Looks at the memory of a process until it is asked.
struct Watch {
    most: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

// === impl Watch ===

impl Watch {
    fn of(pid: u32) -> Self {
        let watch = Self { most: Arc::default(), done: Arc::default() };
        let (most, done) = (Arc::clone(&watch.most), Arc::clone(&watch.done));
        let status = PathBuf::from(format!("/proc/{pid}/status"));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) && status.exists() {
                if let Ok(bytes) = e2e::processes::resident_bytes(pid) {
                    most.fetch_max(bytes, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        watch
    }

    fn most(&self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        self.most.load(Ordering::Relaxed)
    }
}
