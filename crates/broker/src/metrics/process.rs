//! What the kernel says about this process.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::Metrics;

// === impl Metrics ===

impl Metrics {
    /// Reads it. What can't be read keeps its last value.
    pub(super) fn read_process(&self) {
        if let Some((cpu_seconds, started)) = times() {
            self.cpu_seconds.set(cpu_seconds);
            self.start_time.set([], started);
        }
        if let Some(pages) = number("/proc/self/statm", 1) {
            self.resident_bytes.set([], pages * real(page_size() as u64));
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.open_fds.set([], real(open.count() as u64));
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            self.max_fds.set([], real(limit));
        }
    }
}

/// Processor seconds, and the start in seconds since the Unix epoch.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let per_second = real(clock_ticks_per_second());
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(((ticks(11)? + ticks(12)?) / per_second, boot + ticks(19)? / per_second))
}

fn number(path: &str, index: usize) -> Option<f64> {
    fs::read_to_string(path).ok()?.split(' ').nth(index)?.trim().parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of a process are far below 2^52")]
pub(super) fn real(number: u64) -> f64 {
    number as f64
}
