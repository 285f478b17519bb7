//! What processes cost: processor time and memory, from `/proc`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use e2e::broker::children_of;
use e2e::processes::proportional_bytes;

/// The name of the child that stands behind every subject; what it costs is nobody's fault.
const CHILD: &str = "bench-echo";

/// The processes of a bridge: `roots` and what they started, without the children behind the bridge.
#[must_use]
pub fn bridge(roots: &[u32]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = roots.to_vec();
    while let Some(pid) = open.pop() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name.trim() != CHILD && found.insert(pid) {
            open.extend(children_of(pid));
        }
    }
    found
}

/// Processor time that living threads of these processes have had, in microseconds.
#[must_use]
pub fn cpu_micros(pids: &BTreeSet<u32>) -> f64 {
    pids.iter().map(|pid| cpu_of(*pid)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "2^52 nanoseconds are 52 days")]
fn cpu_of(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() as f64 / 1000.0
}

/// Memory of these processes, in bytes; what several share counts in parts (PSS).
///
/// # Errors
/// When one has ended.
pub fn memory(pids: &BTreeSet<u32>) -> Result<u64> {
    pids.iter().map(|pid| proportional_bytes(*pid)).sum::<Result<u64>>().context("memory of a bridge")
}
