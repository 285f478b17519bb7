//! Load: so many requests by so many callers in a closed loop, or at a constant rate.
//!
//! At a constant rate a request's time begins when it was due, not when somebody was free to send it; otherwise a stall would hide the
//! requests that it held up (coordinated omission).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use tokio::task::LocalSet;

use crate::http::Answer;
use crate::target::Target;

/// What a load does with each request.
pub trait Work {
    /// The request for this id.
    fn request(&self, target: &Target, id: u64) -> Vec<u8>;
    /// Whether the answer is right.
    ///
    /// # Errors
    /// When it is not.
    fn check(&self, target: &Target, id: u64, answer: &Answer) -> Result<()>;
}

/// Calls that echo a text.
pub struct Echoes;

/// What a load took.
#[derive(Debug)]
pub struct Taken {
    /// Time of each request, in nanoseconds.
    pub times: Histogram<u64>,
    /// From the first to the last.
    pub whole: Duration,
    /// Requests.
    pub calls: u64,
}

struct Progress {
    left: Cell<u64>,
    sent: Cell<u64>,
    times: RefCell<Histogram<u64>>,
    failed: RefCell<Option<anyhow::Error>>,
}

// === impl Echoes ===

impl Work for Echoes {
    fn request(&self, target: &Target, id: u64) -> Vec<u8> {
        target.echo(id)
    }

    fn check(&self, target: &Target, id: u64, answer: &Answer) -> Result<()> {
        target.check_echo(id, answer)
    }
}

// === impl Taken ===

impl Taken {
    /// A quantile in microseconds.
    #[must_use]
    pub fn micros(&self, quantile: f64) -> f64 {
        micros(self.times.value_at_quantile(quantile))
    }

    /// Calls a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.whole.as_secs_f64()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time of 2^52 nanoseconds is 52 days")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// Times up to a minute, in nanoseconds, to three digits.
///
/// # Errors
/// Never: the number of digits is one that the library takes.
pub fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

/// `calls` requests by `callers`, each of which sends its next one when the one before is answered. Callers share the targets.
///
/// # Errors
/// When any answer is wrong or missing.
pub async fn closed(targets: &[Target], callers: usize, calls: u64, work: impl Work + 'static) -> Result<Taken> {
    run(targets, callers, calls, None, work).await
}

/// `calls` requests at `rate` a second.
///
/// # Errors
/// As [`closed`].
pub async fn constant(
    targets: &[Target],
    callers: usize,
    calls: u64,
    rate: f64,
    work: impl Work + 'static,
) -> Result<Taken> {
    run(targets, callers, calls, Some(rate), work).await
}

async fn run(
    targets: &[Target],
    callers: usize,
    calls: u64,
    rate: Option<f64>,
    work: impl Work + 'static,
) -> Result<Taken> {
    let work = Rc::new(work);
    let progress = Rc::new(Progress {
        left: Cell::new(calls),
        sent: Cell::new(0),
        times: RefCell::new(histogram()?),
        failed: RefCell::new(None),
    });
    let local = LocalSet::new();
    let mut connections = Vec::new();
    for number in 0..callers {
        let target = targets[number % targets.len()].clone();
        connections.push((target.connect().await?, target));
    }
    let began = Instant::now();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|(mut connection, target)| {
            let (work, progress) = (Rc::clone(&work), Rc::clone(&progress));
            local.spawn_local(async move {
                while let Some(number) = progress.take() {
                    let mut from = Instant::now();
                    if let Some(rate) = rate {
                        from = began + due(number, rate);
                        wait_until(from).await;
                    }
                    let id = target.id();
                    let request = work.request(&target, id);
                    let answer =
                        connection.exchange(&request).await.and_then(|answer| work.check(&target, id, &answer));
                    progress.note(from.elapsed(), answer);
                }
            })
        })
        .collect();
    local
        .run_until(async {
            for task in tasks {
                task.await.map_err(|error| anyhow!("a caller ended: {error}"))?;
            }
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    let whole = began.elapsed();
    if let Some(error) = progress.failed.take() {
        return Err(error);
    }
    Ok(Taken { times: progress.times.replace(histogram()?), whole, calls })
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
fn due(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

/// The runtime's timer has milliseconds; the rest is waited for by giving way to the others.
async fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > Duration::from_millis(2) {
        tokio::time::sleep(left.saturating_sub(Duration::from_millis(2))).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

// === impl Progress ===

impl Progress {
    fn take(&self) -> Option<u64> {
        if self.failed.borrow().is_some() || self.left.get() == 0 {
            return None;
        }
        self.left.set(self.left.get() - 1);
        let number = self.sent.get();
        self.sent.set(number + 1);
        Some(number)
    }

    fn note(&self, took: Duration, answer: Result<()>) {
        if let Err(error) = answer {
            self.failed.borrow_mut().get_or_insert(error);
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.times.borrow_mut().saturating_record(nanos);
    }
}
