//! Ways not to end, and to be a burden.

use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, getpgid, setpgid, setsid};

/// Until whoever started it lets go of it.
pub(crate) fn wait() -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

pub(crate) fn endless_line() -> io::Result<()> {
    io::stdin().lock().read_line(&mut String::new())?;
    let mut stdout = io::stdout().lock();
    let block = vec![b'x'; 64 << 10];
    loop {
        stdout.write_all(&block)?;
    }
}

/// Prints its process group once it is as hard to end as it can be.
pub(crate) fn stubborn(process: &str) -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let process = process.parse().ok().and_then(Pid::from_raw);
    if let Ok(group) = getpgid(process) {
        // Where the cage keeps it from that, its group is told all the same.
        let _ = setpgid(None, Some(group));
    }
    println(getpgid(None)?.as_raw_pid())?;
    loop {
        std::thread::park();
    }
}

/// Prints the pids of grandchildren, and ends when its stdin does.
pub(crate) fn orphans(again: &[OsString]) -> io::Result<()> {
    if let Some((program, args)) = again.split_first() {
        // The child prints and ends at once; what it starts does not. Where no child can be had, nothing is printed.
        let child = Command::new(program).args(args).arg("orphan").stdin(Stdio::null()).status();
        drop(child);
    }
    println(0)?;
    wait()
}

/// In between: starts two that share nothing with the worker but their ancestry.
pub(crate) fn orphan(again: &[OsString]) -> io::Result<()> {
    setsid()?;
    if let Some((program, args)) = again.split_first() {
        for _ in 0..2 {
            let mut command = Command::new(program);
            command.args(args).args(["stubborn", "0"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            println(command.spawn()?.id())?;
        }
    }
    Ok(())
}

fn println(number: impl std::fmt::Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{number}")?;
    stdout.flush()
}
