//! From nothing to the first answer: with and without a warm worker, and after hibernation.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::broker::Settings;
use e2e::stack::Stack;
use serde_json::json;

use super::{Size, median_millis};
use crate::http::Connection;
use crate::result::Figure;
use crate::subject::{Pipe, broker, door};
use crate::target::Target;

/// The child alone, first calls, revivals.
pub(super) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let child = median_millis(&alone(size.starts)?);
    let cold = median_millis(&first_calls(size.starts, 0).await?);
    let warm = median_millis(&first_calls(size.starts, 2).await?);
    let revival = median_millis(&revivals(size.starts).await?);
    let note = format!("median of {}; from `initialize` to the answer of the first call", size.starts);
    Ok(vec![
        Figure::new(
            "child_start",
            "start of the child alone, to the answer of its first call",
            child,
            "ms",
            "the echo child on a pipe, no broker",
        ),
        Figure::new("first_call_cold", "first call of a session, no warm worker", cold, "ms", &note),
        Figure::new("first_call_warm", "first call of a session, warm worker", warm, "ms", &note),
        Figure::new(
            "revival",
            "call on a hibernated session",
            revival,
            "ms",
            "median; the call that wakes it, answer included",
        ),
        Figure::new(
            "revival_beyond",
            "revival beyond the child's own start",
            (revival - child).max(0.0),
            "ms",
            "difference of medians",
        ),
    ])
}

fn alone(times: usize) -> Result<Vec<Duration>> {
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}});
    (0..times)
        .map(|_| {
            let began = Instant::now();
            let mut pipe = Pipe::start(&[])?;
            pipe.round(&initialize.to_string())?;
            pipe.echo(1, 1)?;
            Ok(began.elapsed())
        })
        .collect()
}

async fn first_calls(times: usize, warm: usize) -> Result<Vec<Duration>> {
    let stack = broker(Settings::default().with("WARM_WORKERS", warm.to_string())).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let door = door(&stack, &tokens)?;
    let mut took = Vec::new();
    for number in 0..times {
        workers_settle(&stack, warm + number).await?;
        let began = Instant::now();
        let target = door.session().await?;
        one_echo(&mut target.connect().await?, &target).await?;
        took.push(began.elapsed());
    }
    Ok(took)
}

/// Waits until the pool is full again, and its processes have come up.
async fn workers_settle(stack: &Stack, number: usize) -> Result<()> {
    e2e::stack::eventually("the pool is full", || stack.broker.workers().len() >= number).await?;
    tokio::time::sleep(Duration::from_millis(60)).await;
    Ok(())
}

async fn revivals(times: usize) -> Result<Vec<Duration>> {
    let stack = broker(Settings::default().with("SESSION_IDLE_TIMEOUT", "1s").with("WARM_WORKERS", "0")).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let door = door(&stack, &tokens)?;
    let mut sessions = Vec::new();
    for _ in 0..times {
        let target = door.session().await?;
        sessions.push((target.connect().await?, target));
    }
    e2e::stack::eventually("all hibernate", || stack.broker.workers().is_empty()).await?;
    let mut took = Vec::new();
    for (mut connection, target) in sessions {
        let began = Instant::now();
        one_echo(&mut connection, &target).await?;
        took.push(began.elapsed());
    }
    Ok(took)
}

async fn one_echo(connection: &mut Connection, target: &Target) -> Result<()> {
    let id = target.id();
    let answer = connection.exchange(&target.echo(id)).await?;
    target.check_echo(id, &answer)
}
