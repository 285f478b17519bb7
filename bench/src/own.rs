//! Our own figures: what nobody else has, or what is stated without a comparison.

mod answers;
mod depot;
mod gateway;
mod growth;
mod oauth;
mod starts;

use std::time::Duration;

use anyhow::Result;

use crate::result::{Figure, Series};
use crate::say;

/// How long the parts are.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Starts and logins that are timed.
    pub starts: usize,
    /// Calls of a measure that takes tens of microseconds each.
    pub calls: u64,
    /// Bytes of the large download.
    pub download: u64,
    /// The most stored sessions, and the most live workers.
    pub stored: usize,
    /// The most live workers.
    pub live: usize,
}

// === impl Size ===

impl Size {
    /// The whole run's, or a short one's.
    #[must_use]
    pub fn of(quick: bool) -> Self {
        if quick {
            Self { starts: 15, calls: 3_000, download: 128 << 20, stored: 1_000, live: 50 }
        } else {
            Self { starts: 40, calls: 15_000, download: 1 << 30, stored: 10_000, live: 200 }
        }
    }
}

/// All of them; `wanted` tells by a part's name whether it is to be measured.
///
/// # Errors
/// When anything answers wrongly.
pub async fn figures(size: Size, wanted: impl Fn(&str) -> bool) -> Result<(Vec<Figure>, Vec<Series>)> {
    let mut figures = Vec::new();
    let mut series = Vec::new();
    if wanted("starts") {
        say("our own figures: starts");
        figures.extend(starts::measure(size).await?);
    }
    if wanted("answers") {
        say("our own figures: lists, large results, questions");
        figures.extend(answers::measure(size).await?);
    }
    if wanted("gateway") {
        say("our own figures: the gateway");
        figures.extend(gateway::measure(size).await?);
    }
    if wanted("oauth") {
        say("our own figures: tokens, logins, documents");
        figures.extend(oauth::measure(size).await?);
    }
    if wanted("growth") {
        say("our own figures: growth");
        let (more, grown) = growth::measure(size).await?;
        figures.extend(more);
        series.extend(grown);
    }
    Ok((figures, series))
}

/// The median of times, in milliseconds.
fn median_millis(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
