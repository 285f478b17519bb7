//! Where a run is: what a reader of its figures has to know.

use std::fs;
use std::process::Command;

use anyhow::Result;
use e2e::binaries::built;

use crate::result::Machine;

/// This machine, now.
///
/// # Errors
/// When the broker is not built.
pub fn here() -> Result<Machine> {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        value.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism()?;
    let kilobytes: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let processor = field("/proc/cpuinfo", "model name");
    Ok(Machine {
        hardware: format!("{cores} cores ({processor}), {} GB of memory", kilobytes / 1_000_000),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        broker: said(built("fjmcp-broker")?, "version"),
        rustc: said("rustc", "--version"),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
    })
}

fn said(program: impl AsRef<std::ffi::OsStr>, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
        .unwrap_or_default()
}
