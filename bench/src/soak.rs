//! `make soak`: a broker under mixed load for as long as one likes, and whether anything grows.
//!
//! Clients of both eras call tools, open sessions and end them or just leave, come back after their worker was stopped, connect anew, and
//! refresh their tokens. What the broker holds is sampled, and judged by one rule: the mean of the last quarter of the time
//! may be no more than 5 % above the mean of the quarter before, give or take what one session more or less makes.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use e2e::broker::Settings;
use e2e::oauth_client::{OAuthClient, Tokens};
use e2e::processes::{descriptors_of, proportional_bytes, threads_of};
use e2e::stack::Stack;
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use crate::http::Connection;
use crate::subject::{broker, door};
use crate::target::Target;

const LEGACY_CLIENTS: usize = 4;
const MODERN_CLIENTS: usize = 4;
const RULE: &str = "flat means: the mean of the last quarter is at most 5 % above that of the quarter before (and one session's worth)";

/// What a soak found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Soaked {
    /// How long.
    pub seconds: u64,
    /// When.
    pub date: String,
    /// What "flat" means.
    pub rule: String,
    /// Calls of tools.
    pub calls: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Refreshes of tokens.
    pub refreshes: u64,
    /// Processes started by the broker, at least: those that were seen.
    pub starts: u64,
    /// What was sampled.
    pub lines: Vec<Sampled>,
}

/// One measure over time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sampled {
    /// Of what.
    pub what: String,
    /// In what.
    pub unit: String,
    /// Seconds and values.
    pub points: Vec<(f64, f64)>,
    /// Mean of the third quarter.
    pub third: f64,
    /// Mean of the last quarter.
    pub last: f64,
    /// Whether it does not grow.
    pub flat: bool,
}

/// What all clients share.
struct Load {
    stack: Stack,
    client: OAuthClient,
    tokens: RefCell<Tokens>,
    until: Instant,
    calls: Cell<u64>,
    sessions: Cell<u64>,
    refreshes: Cell<u64>,
}

/// Runs for so many seconds and judges.
///
/// # Errors
/// When any answer is wrong.
pub async fn run(seconds: u64, date: String) -> Result<Soaked> {
    let settings = Settings::default().with("SESSION_IDLE_TIMEOUT", "2s").with("LOG_LEVEL", "warn");
    let stack = broker(settings).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let load = Rc::new(Load {
        stack,
        client,
        tokens: RefCell::new(tokens),
        until: Instant::now() + Duration::from_secs(seconds),
        calls: Cell::default(),
        sessions: Cell::default(),
        refreshes: Cell::default(),
    });
    let local = LocalSet::new();
    let mut tasks = Vec::new();
    for number in 0..LEGACY_CLIENTS {
        tasks.push(local.spawn_local(legacy(Rc::clone(&load), number)));
    }
    for _ in 0..MODERN_CLIENTS {
        tasks.push(local.spawn_local(modern(Rc::clone(&load))));
    }
    tasks.push(local.spawn_local(refresh(Rc::clone(&load))));
    let samples = local.spawn_local(sample(Rc::clone(&load)));
    let (lines, starts) = local
        .run_until(async {
            for task in tasks {
                task.await.map_err(|error| anyhow!("a client ended: {error}"))??;
            }
            samples.await.map_err(|error| anyhow!("the sampler ended: {error}"))?
        })
        .await?;
    Ok(Soaked {
        seconds,
        date,
        rule: RULE.to_owned(),
        calls: load.calls.get(),
        sessions: load.sessions.get(),
        refreshes: load.refreshes.get(),
        starts,
        lines,
    })
}

impl Soaked {
    /// Whether nothing grows.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.lines.iter().all(|line| line.flat)
    }

    /// Reads a result file.
    ///
    /// # Errors
    /// When there is none of this version.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("no soak at {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

async fn legacy(load: Rc<Load>, number: usize) -> Result<()> {
    let mut round = number;
    while load.goes_on() {
        let target = load.door()?.session().await?;
        add(&load.sessions, 1);
        let mut connection = target.connect().await?;
        load.calls(&target, &mut connection, 20).await?;
        if round.is_multiple_of(3) {
            // Long enough for the worker to be stopped; the next call revives the session.
            tokio::time::sleep(Duration::from_millis(3500)).await;
            load.calls(&target, &mut connection, 5).await?;
        }
        if round.is_multiple_of(2) {
            let answer = connection.exchange(&target.delete()).await?;
            ensure!(answer.status == 204, "DELETE: {}", answer.status);
        }
        round += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn modern(load: Rc<Load>) -> Result<()> {
    while load.goes_on() {
        let target = load.door()?.modern();
        let mut connection = target.connect().await?;
        load.calls(&target, &mut connection, 100).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn refresh(load: Rc<Load>) -> Result<()> {
    while load.goes_on() {
        let token = load.tokens.borrow().refresh_token.clone();
        let fresh = load.client.refresh(&token).await?;
        load.tokens.replace(fresh);
        add(&load.refreshes, 1);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

async fn sample(load: Rc<Load>) -> Result<(Vec<Sampled>, u64)> {
    let began = Instant::now();
    let pid = load.stack.broker.pid;
    let mut points: [Vec<(f64, f64)>; 4] = Default::default();
    let mut seen = std::collections::BTreeSet::new();
    while load.goes_on() {
        let at = began.elapsed().as_secs_f64();
        let workers = load.stack.broker.workers();
        let values = [
            as_f64(proportional_bytes(pid)?) / 1e6,
            as_f64(descriptors_of(pid)? as u64),
            as_f64(threads_of(pid)? as u64),
            as_f64(workers.len() as u64),
        ];
        for (points, value) in points.iter_mut().zip(values) {
            points.push((at, value));
        }
        seen.extend(workers);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let [memory, descriptors, threads, processes] = points;
    let lines = vec![
        Sampled::judge("memory", "MB", memory, 1.0),
        Sampled::judge("descriptors", "", descriptors, 8.0),
        Sampled::judge("threads", "", threads, 1.0),
        Sampled::judge("processes", "", processes, 2.0),
    ];
    Ok((lines, seen.len() as u64))
}

fn add(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get() + more);
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

// === impl Load ===

impl Load {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    fn door(&self) -> Result<crate::target::Door> {
        door(&self.stack, &self.tokens.borrow())
    }

    async fn calls(&self, target: &Target, connection: &mut Connection, number: u64) -> Result<()> {
        for _ in 0..number {
            let id = target.id();
            let answer = connection.exchange(&target.echo(id)).await?;
            target.check_echo(id, &answer)?;
            add(&self.calls, 1);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }
}

// === impl Sampled ===

impl Sampled {
    fn judge(what: &str, unit: &str, points: Vec<(f64, f64)>, allowance: f64) -> Self {
        let quarter = points.len() / 4;
        let mean = |points: &[(f64, f64)]| {
            points.iter().map(|(_, value)| value).sum::<f64>() / as_f64(points.len().max(1) as u64)
        };
        let (third, last) = (mean(&points[quarter * 2..quarter * 3]), mean(&points[quarter * 3..]));
        let flat = last <= third * 1.05 + allowance;
        Self { what: what.to_owned(), unit: unit.to_owned(), points, third, last, flat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(value: impl Fn(f64) -> f64) -> bool {
        let points = (0..100).map(|at| (f64::from(at), value(f64::from(at)))).collect();
        Sampled::judge("", "", points, 1.0).flat
    }

    #[test]
    fn what_levels_off_is_flat_and_what_goes_on_growing_is_not() {
        assert!(flat(|_| 50.0));
        assert!(flat(|at| 50.0 - 50.0 / (1.0 + at)));
        assert!(!flat(|at| 50.0 + at));
        assert!(!flat(|at| if at < 75.0 { 50.0 } else { 60.0 }));
    }
}
