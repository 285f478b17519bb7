//! `make figures`: what a session costs, for each child of the table.
//!
//! The time from `initialize` to the answer of the first call, with and without a worker that waits, on the highest rung of the cage
//! that can be had; the memory of a live worker (its share, PSS); and what a hibernated session leaves in the broker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::broker::Settings;
use e2e::children::{self, Child};
use e2e::mcp::Mcp;
use e2e::processes::{proportional_bytes, resident_bytes};
use e2e::stack::{Stack, eventually};
use forgejo_sim::SimConfig;

const STARTS: usize = 15;
const ASLEEP: usize = 400;

#[tokio::main]
async fn main() -> Result<()> {
    let (present, absent) = children::table()?;
    say(&format!(
        "{:36} {:>4} {:>22} {:>22} {:>12}",
        "child", "rung", "cold: median / worst", "warm: median / worst", "PSS"
    ));
    for child in &present {
        let (cold, warm) = (starts(child, 0).await?, starts(child, 2).await?);
        say(&format!(
            "{:36} {:>4} {:>22} {:>22} {:>8} KiB",
            child.label,
            warm.rung,
            cold.times(),
            warm.times(),
            warm.worker_bytes / 1024
        ));
    }
    for child in &absent {
        say(&format!("{:36} skipped: {}", child.label, child.reason));
    }
    asleep().await
}

/// What was measured of one child.
struct Measured {
    rung: u8,
    took: Vec<Duration>,
    worker_bytes: u64,
}

// === impl Measured ===

impl Measured {
    fn times(&self) -> String {
        let millis = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1000.0);
        let (median, worst) = (millis(self.took.get(self.took.len() / 2)), millis(self.took.last()));
        format!("{median:.1} / {worst:.1} ms")
    }
}

/// Sessions one after the other, each with a worker of its own.
async fn starts(child: &Child, warm: usize) -> Result<Measured> {
    let settings = Settings::default().with("WARM_WORKERS", warm.to_string()).with("LOG_LEVEL", "info");
    let stack = Stack::start_with(child, SimConfig::default(), settings).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let mut measured = Measured { rung: stack.rung().await?, took: Vec::new(), worker_bytes: 0 };
    for _ in 0..STARTS {
        eventually("the pool is full", || stack.broker.workers().len() == warm).await?;
        // What waits is up, as it is when a person comes back after a while.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        let begun = Instant::now();
        mcp.initialize("2025-11-25").await?;
        mcp.tools().await?;
        measured.took.push(begun.elapsed());
        let live: Vec<u64> =
            stack.broker.workers().into_iter().filter_map(|pid| proportional_bytes(pid).ok()).collect();
        measured.worker_bytes = live.into_iter().max().unwrap_or_default();
        mcp.delete().await?;
    }
    measured.took.sort_unstable();
    Ok(measured)
}

/// Many sessions that sleep.
async fn asleep() -> Result<()> {
    let settings = Settings::default()
        .with("SESSION_IDLE_TIMEOUT", "1s")
        .with("MAX_STORED_SESSIONS", (ASLEEP * 4).to_string())
        .with("RATE_LIMIT_GRANT", "off")
        .with("LOG_LEVEL", "warn");
    let stack = Stack::start_with(&children::fixture("2.34.1")?, SimConfig::default(), settings).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    sleepers(&stack, &tokens.access_token, ASLEEP / 4).await?;
    let (memory, store) = (resident_bytes(stack.broker.pid)?, store_bytes(&stack));
    sleepers(&stack, &tokens.access_token, ASLEEP).await?;
    let (memory_after, store_after) = (resident_bytes(stack.broker.pid)?, store_bytes(&stack));
    let each = |before: u64, after: u64| after.saturating_sub(before) / ASLEEP as u64;
    say(&format!(
        "a hibernated session: {} bytes of the broker's memory, {} bytes of the store ({ASLEEP} sessions; the broker has {} KiB)",
        each(memory, memory_after),
        each(store, store_after),
        memory_after / 1024
    ));
    Ok(())
}

async fn sleepers(stack: &Stack, token: &str, number: usize) -> Result<()> {
    for _ in 0..number {
        let mut mcp = Mcp::new(&stack.broker.url, token)?;
        mcp.initialize("2025-11-25").await?;
    }
    let asleep = async {
        while !stack.broker.workers().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), asleep).await.context("idle workers do not stop")
}

fn store_bytes(stack: &Stack) -> u64 {
    let path = e2e::broker::database(stack.state.path());
    let mut wal = path.clone().into_os_string();
    wal.push("-wal");
    let size = |path: &std::ffi::OsStr| std::fs::metadata(path).map_or(0, |file| file.len());
    size(path.as_os_str()) + size(&wal)
}

#[expect(clippy::print_stdout, reason = "the report of this program")]
fn say(text: &str) {
    println!("{text}");
}
