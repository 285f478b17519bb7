//! Nothing is left behind by sessions that come and go: no process, no zombie, no descriptor, no thread, no memory (W35).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, zombies_of};
use e2e::children;
use e2e::mcp::Mcp;
use e2e::processes::{descriptors_of, resident_bytes, threads_of};
use e2e::stack::{Stack, eventually};
use forgejo_sim::{NewUser, SimConfig};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// `make leak` sets it to 5,000.
const NUMBER: &str = "LEAK_SESSIONS";
const AT_ONCE: usize = 8;
/// Workers that wait for their first user.
const WARM: usize = 2;
/// The allocator keeps some of what it had.
const MEMORY_MAY_GROW: u64 = 16 << 20;

/// What the broker has.
#[derive(Debug, Clone, Copy)]
struct Holdings {
    /// `None` if the kernel does not let us look: the broker is shielded, and only root sees through it.
    descriptors: Option<usize>,
    threads: usize,
    resident_bytes: u64,
    children: usize,
}

fn holdings(pid: u32, children: usize) -> Result<Holdings> {
    Ok(Holdings {
        descriptors: descriptors_of(pid).ok(),
        threads: threads_of(pid)?,
        resident_bytes: resident_bytes(pid)?,
        children,
    })
}

/// A session from `initialize` to DELETE, or to nothing: every third one is left to itself.
async fn live(url: &str, token: &str, number: usize) -> Result<()> {
    let mut mcp = Mcp::new(url, token)?;
    mcp.initialize("2025-11-25").await?;
    let mark = format!("session {number}");
    let text = mcp.call_text("echo", &json!({ "mark": mark })).await?;
    ensure!(text.contains(&mark), "{text}");
    match number % 3 {
        0 => {}
        1 => {
            // A worker that ends in the middle is gone like any other.
            let _ = mcp.send_call("crash", &json!({"how": "exit", "status": 3})).await?;
            mcp.delete().await?;
        }
        _ => {
            mcp.delete().await?;
        }
    }
    Ok(())
}

async fn run(stack: &Stack, tokens: &[String], numbers: std::ops::Range<usize>) -> Result<()> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut sessions = JoinSet::new();
    for number in numbers {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        while let Some(ended) = sessions.try_join_next() {
            let ended: Result<()> = ended?;
            ended?;
        }
        let (url, token) = (stack.broker.url.clone(), tokens[number % tokens.len()].clone());
        sessions.spawn(async move {
            let _permit = permit;
            live(&url, &token, number).await.with_context(|| format!("session {number}"))
        });
    }
    while let Some(ended) = sessions.join_next().await {
        ended??;
    }
    // What was left to itself is hibernated.
    let quiet = async {
        while stack.broker.workers().len() > WARM {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), quiet).await.context("idle workers do not stop")
}

#[tokio::test]
async fn sessions_that_come_and_go_leave_nothing_behind() -> Result<()> {
    let number: usize = std::env::var(NUMBER).ok().map_or(Ok(150), |text| text.parse()).context(NUMBER)?;
    let settings = Settings::default()
        .with("SESSION_IDLE_TIMEOUT", "1s")
        .with("WARM_WORKERS", WARM.to_string())
        .with("MAX_SESSIONS", "64")
        .with("RATE_LIMIT_GRANT", "off")
        .with("LOG_LEVEL", "warn");
    let stack = Stack::start_with(&children::fixture("2.34.1")?, SimConfig::default(), settings).await?;
    stack.sim.create_user(NewUser::new("carol", "carol-password"));
    let mut tokens = Vec::new();
    for login in ["alice", "bob", "carol"] {
        tokens.push(stack.log_in(login).await?.1.access_token);
    }
    // The first ones make what stays: pools of connections, threads, the allocator's arenas.
    run(&stack, &tokens, 0..60).await?;
    let pid = stack.broker.pid;
    let before = holdings(pid, stack.broker.workers().len())?;
    run(&stack, &tokens, 0..number).await?;
    eventually("every status is taken", || zombies_of(pid).is_empty()).await?;
    let after = holdings(pid, stack.broker.workers().len())?;
    let told = format!("{number} sessions: {before:?} -> {after:?}");
    say(&told);
    ensure!(after.children <= before.children.max(WARM), "processes are left: {told}");
    ensure!(after.threads <= before.threads + 4, "threads are left: {told}");
    ensure!(after.resident_bytes <= before.resident_bytes + MEMORY_MAY_GROW, "memory is left: {told}");
    if let (Some(before), Some(after)) = (before.descriptors, after.descriptors) {
        // Connections to the stand-in are kept open for a while.
        ensure!(after <= before + 16, "descriptors are left: {told}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures of `make leak`")]
fn say(text: &str) {
    println!("{text}");
}
