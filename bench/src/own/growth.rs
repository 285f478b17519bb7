//! Whether a call costs more when there are more sessions: stored ones, and such with a live worker.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use e2e::broker::Settings;
use e2e::stack::Stack;
use tokio::task::LocalSet;

use super::Size;
use crate::cost;
use crate::load::{self, Echoes};
use crate::result::{Figure, Series};
use crate::subject::{broker, door};
use crate::target::{Door, Target};

/// Sessions that are opened at once.
const AT_ONCE: usize = 8;

/// What a call costs at one number.
struct Cost {
    cpu: f64,
    p50: f64,
    memory: f64,
}

pub(super) async fn measure(size: Size) -> Result<(Vec<Figure>, Vec<Series>)> {
    let settings = Settings::default().with("MAX_STORED_SESSIONS", "20000").with("WARM_WORKERS", "4");
    // What is idle makes room at once; nothing else is there to make it.
    let few = settings.clone().with("MAX_SESSIONS", "40").with("MAX_SESSIONS_PER_USER", "40");
    let stack = broker(few).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let grown = stored(&stack, &door(&stack, &tokens)?, size).await?;
    let live_stack = broker(settings).await?;
    let (_, tokens) = live_stack.log_in("alice").await?;
    let alive = live(&live_stack, &door(&live_stack, &tokens)?, size).await?;
    let mut figures = Vec::new();
    if let (Some(first), Some(last)) = (grown.first(), grown.last()) {
        let note = format!(
            "processor time of the broker for each call at {} stored sessions, divided by that at {}",
            last.0, first.0
        );
        figures.push(Figure::new(
            "growth_ratio",
            "cost of a call with many stored sessions, against few",
            last.1.cpu / first.1.cpu,
            "",
            &note,
        ));
        // Up to the one before the last the database's caches fill, which have their limits.
        let (before, after) = (grown.iter().rev().nth(1).unwrap_or(first), last);
        let each = (after.1.memory - before.1.memory) / (after.0 - before.0).max(1.0);
        figures.push(Figure::new(
            "hibernated_bytes",
            "memory of the broker for a hibernated session",
            each.max(0.0),
            "bytes",
            &format!("difference between {} and {} stored sessions, divided by the sessions", before.0, after.0),
        ));
        figures.push(Figure::new(
            "stored_memory",
            &format!("memory of the broker with {} stored sessions", last.0),
            last.1.memory / 1e6,
            "MB",
            "PSS, workers not counted",
        ));
    }
    if let Some(last) = alive.last() {
        figures.push(Figure::new(
            "live_memory",
            &format!("memory of the broker with {} live workers", last.0),
            last.1.memory / 1e6,
            "MB",
            "PSS, workers not counted",
        ));
    }
    let series = |key: &str, what: &str, number: &str, points: &[(f64, Cost)]| {
        let of = |unit: &str, measure: fn(&Cost) -> f64| Series {
            key: format!("{key}_{}", if unit == "MB" { "memory" } else { "cost" }),
            what: format!(
                "{}{what}",
                if unit == "MB" { "memory of the broker with " } else { "processor time of a call with " }
            ),
            number: number.to_owned(),
            unit: unit.to_owned(),
            points: points.iter().map(|(number, cost)| (*number, measure(cost))).collect(),
        };
        [of("µs", |cost| cost.cpu), of("MB", |cost| cost.memory / 1e6)]
    };
    let mut all = Vec::from(series("stored", "stored sessions", "stored sessions", &grown));
    all.extend(series("live", "live workers", "live workers", &alive));
    for (number, cost) in grown.iter().chain(&alive) {
        crate::say(&format!(
            "at {number}: {:.1} µs CPU, p50 {:.1} µs, {:.1} MB",
            cost.cpu,
            cost.p50,
            cost.memory / 1e6
        ));
    }
    Ok((figures, all))
}

async fn stored(stack: &Stack, door: &Door, size: Size) -> Result<Vec<(f64, Cost)>> {
    let target = door.session().await?;
    let mut there = 1;
    let mut points = Vec::new();
    for number in [10, 100, 1_000, 10_000] {
        if number > size.stored {
            break;
        }
        open(door, number - there).await?;
        there = number;
        points.push((as_f64(number), cost_of_a_call(stack, &target, size.calls).await?));
    }
    Ok(points)
}

async fn live(stack: &Stack, door: &Door, size: Size) -> Result<Vec<(f64, Cost)>> {
    let target = door.session().await?;
    let mut there = 1;
    let mut points = Vec::new();
    for number in [10, 50, 200] {
        if number > size.live {
            break;
        }
        open(door, number - there).await?;
        there = number;
        points.push((as_f64(number), cost_of_a_call(stack, &target, size.calls).await?));
    }
    Ok(points)
}

/// So many more sessions; nobody comes back to them.
async fn open(door: &Door, number: usize) -> Result<()> {
    let left = std::cell::Cell::new(number);
    let one = || async {
        while left.get() > 0 {
            left.set(left.get() - 1);
            door.session().await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let many = futures_util::future::join_all((0..AT_ONCE).map(|_| one()));
    LocalSet::new()
        .run_until(many)
        .await
        .into_iter()
        .collect::<Result<Vec<()>>>()
        .map_err(|error| anyhow!("opening sessions: {error:#}"))?;
    Ok(())
}

async fn cost_of_a_call(stack: &Stack, target: &Target, calls: u64) -> Result<Cost> {
    let pids = BTreeSet::from([stack.broker.pid]);
    let targets = std::slice::from_ref(target);
    load::closed(targets, 8, calls / 10, Echoes).await?;
    settle(&pids).await?;
    let mut cpu = Vec::new();
    let mut p50 = Vec::new();
    for _ in 0..5 {
        let before = cost::cpu_micros(&pids);
        let taken = load::closed(targets, 8, calls, Echoes).await?;
        cpu.push((cost::cpu_micros(&pids) - before) / as_f64(usize::try_from(calls)?));
        p50.push(taken.micros(0.5));
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let memory = as_f64(usize::try_from(cost::memory(&pids)?)?);
    Ok(Cost { cpu: median(cpu), p50: median(p50), memory })
}

/// Waits until the broker does next to nothing by itself: what the opening of sessions has begun is no cost of a call.
async fn settle(pids: &BTreeSet<u32>) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(500);
    for _ in 0..120 {
        let before = cost::cpu_micros(pids);
        tokio::time::sleep(LOOK).await;
        if cost::cpu_micros(pids) - before < LOOK.as_secs_f64() * 1e6 / 100.0 {
            return Ok(());
        }
    }
    bail!("a minute after the last session was opened the broker is still at work")
}

#[expect(clippy::cast_precision_loss, reason = "numbers of sessions and bytes are far below 2^52")]
fn as_f64(number: usize) -> f64 {
    number as f64
}
