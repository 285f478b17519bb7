//! The comparison: all subjects up at once, measured in turns, so that whatever disturbs the machine disturbs them all.

use anyhow::Result;

use crate::cost;
use crate::result::{Spread, Subject};
use crate::subject::Running;
use crate::target::Target;

/// Callers at once of the throughput measures.
pub const CALLERS: [usize; 3] = [8, 32, 64];
/// Sessions that are opened to see what one weighs.
const SESSIONS: usize = 20;

/// How long a run is.
#[derive(Debug, Clone, Copy)]
pub struct Length {
    /// Rounds.
    pub rounds: usize,
    /// About how long one measure of a round takes, in seconds.
    pub seconds: f64,
}

/// So many calls of a kind, fixed before the first round and the same in all.
struct Counts {
    alone: u64,
    at_once: [u64; 3],
}

/// Measures everybody in turns.
///
/// # Errors
/// When any answer is wrong.
pub async fn compare(running: &mut [Running], length: Length) -> Result<Vec<Subject>> {
    let mut counts = Vec::new();
    let mut subjects = Vec::new();
    for subject in running.iter_mut() {
        counts.push(Counts::of(subject, length).await?);
        subjects.push(Subject::nothing_yet(subject));
    }
    for subject in running.iter().zip(&mut subjects) {
        weigh_sessions(subject.0, subject.1).await?;
    }
    let before: Vec<_> = running.iter().map(memory).collect();
    let mut called = vec![0; running.len()];
    for round in 0..length.rounds {
        for (index, (subject, counts)) in running.iter_mut().zip(&counts).enumerate() {
            called[index] += one_round(subject, counts, &mut subjects[index]).await?;
            crate::say(&format!("round {} of {}: {}", round + 1, length.rounds, subject.name));
        }
    }
    for (index, subject) in running.iter().enumerate() {
        let grown = memory(subject).zip(before[index]).map(|(after, before)| after - before);
        subjects[index].thousand = grown.map(|bytes| bytes * 1000.0 / as_f64(called[index]));
    }
    Ok(subjects)
}

async fn one_round(running: &mut Running, counts: &Counts, into: &mut Subject) -> Result<u64> {
    let pids = cost::bridge(&running.roots);
    let used = |before: f64, calls: u64| (cost::cpu_micros(&pids) - before) / as_f64(calls);
    let before = cost::cpu_micros(&pids);
    let alone = running.echo(1, counts.alone).await?;
    into.cpu_alone.0.push(used(before, counts.alone));
    into.p50.0.push(alone.micros(0.5));
    into.p99.0.push(alone.micros(0.99));
    let mut calls = counts.alone;
    let mut half = 0.0;
    for (index, callers) in CALLERS.into_iter().enumerate() {
        let before = cost::cpu_micros(&pids);
        let taken = running.echo(callers, counts.at_once[index]).await?;
        if callers == 32 {
            into.cpu.0.push(used(before, counts.at_once[index]));
        }
        if callers == 8 {
            half = taken.rate() / 2.0;
        }
        into.rates[index].0.push(taken.rate());
        calls += counts.at_once[index];
    }
    let at_half = counts.at_once[0] / 2;
    if let Some(taken) = running.echo_at(half, 8, at_half).await? {
        into.p99_at_half.0.push(taken.micros(0.99));
        calls += at_half;
    }
    Ok(calls)
}

async fn weigh_sessions(running: &Running, into: &mut Subject) -> Result<()> {
    let Some(door) = &running.door else {
        return Ok(());
    };
    // The first ones bring what all have in common.
    let mut kept: Vec<Target> = Vec::new();
    for _ in 0..3 {
        kept.push(door.session().await?);
    }
    let before = memory(running);
    for _ in 0..SESSIONS {
        kept.push(door.session().await?);
    }
    let grown = memory(running).zip(before).map(|(after, before)| after - before);
    into.session = grown.map(|bytes| bytes / as_f64(SESSIONS as u64));
    Ok(())
}

fn memory(running: &Running) -> Option<f64> {
    if running.roots.is_empty() {
        return None;
    }
    cost::memory(&cost::bridge(&running.roots)).ok().map(as_f64)
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

// === impl Counts ===

impl Counts {
    /// From a short trial: a fast subject makes more calls than a slow one in the same time.
    async fn of(running: &mut Running, length: Length) -> Result<Self> {
        running.echo(1, 200).await?;
        let alone = running.echo(1, 200).await?.rate();
        running.echo(8, 400).await?;
        let at_once = running.echo(32, 1000).await?.rate();
        Ok(Self { alone: count(alone, length.seconds), at_once: [count(at_once, length.seconds); 3] })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and below a million")]
fn count(rate: f64, seconds: f64) -> u64 {
    ((rate * seconds) as u64).max(200)
}

// === impl Subject ===

impl Subject {
    fn nothing_yet(running: &Running) -> Self {
        let nothing = Spread::default;
        Self {
            name: running.name.to_owned(),
            p50: nothing(),
            p99: nothing(),
            p99_at_half: nothing(),
            rates: [nothing(), nothing(), nothing()],
            cpu: nothing(),
            cpu_alone: nothing(),
            rest: running.rest,
            session: None,
            thousand: None,
        }
    }
}
