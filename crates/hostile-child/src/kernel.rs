//! The kernel's other doors, and its stock of processes, memory and descriptors.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, unshare};

use crate::attempt::{Context, say};
use crate::escapes::wait;

const PROCESSES: usize = 300;
const THREADS: usize = 600;
const THREAD_STACK: usize = 64 << 10;
const MEMORY_STEP: usize = 64 << 20;
const MEMORY_STEPS: usize = 32;
const DESCRIPTORS: usize = 4096;

pub(crate) fn io_uring(_: &Context<'_>) -> io::Result<String> {
    io_uring::IoUring::new(8)?;
    Ok("set up".to_owned())
}

/// In a process of its own where that can be had, since there is no way back.
pub(crate) fn namespace(_: &Context<'_>) -> io::Result<String> {
    thread::scope(|scope| {
        // The call wants a process with one thread; being told that is not being refused.
        let made = scope.spawn(|| unshare(CloneFlags::CLONE_NEWUSER)).join();
        match made {
            Ok(Ok(()) | Err(nix::errno::Errno::EINVAL)) => Ok("it may".to_owned()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(io::Error::other("the thread panicked")),
        }
    })
}

pub(crate) fn fork(context: &Context<'_>) -> io::Result<String> {
    end(start(context.again)?)?;
    Ok("started and ended".to_owned())
}

/// Takes as many threads as it gets, tells how many, and keeps them until it is ended.
pub(crate) fn hold_threads() -> io::Result<()> {
    let (mut count, mut stopped) = (0, None);
    while count < THREADS && stopped.is_none() {
        let wait = || loop {
            thread::park();
        };
        match thread::Builder::new().stack_size(THREAD_STACK).spawn(wait) {
            Ok(_) => count += 1,
            Err(error) => stopped = Some(error),
        }
    }
    let result = stopped.map_or_else(|| Ok(format!("{count} threads")), |error| Err(after(count, "threads", &error)));
    say("threads", result)?;
    wait()
}

/// The same with processes.
pub(crate) fn hold_processes(again: &[OsString]) -> io::Result<()> {
    let mut children = Vec::new();
    let mut stopped = None;
    while children.len() < PROCESSES && stopped.is_none() {
        match start(again) {
            Ok(child) => children.push(child),
            Err(error) => stopped = Some(error),
        }
    }
    let count = children.len();
    let result =
        stopped.map_or_else(|| Ok(format!("{count} processes")), |error| Err(after(count, "processes", &error)));
    say("processes", result)?;
    wait()
}

pub(crate) fn memory(_: &Context<'_>) -> io::Result<String> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for step in 0..MEMORY_STEPS {
        let mut block = Vec::new();
        if let Err(error) = block.try_reserve_exact(MEMORY_STEP) {
            return Err(after(step * (MEMORY_STEP >> 20), "MiB", &error));
        }
        taken.push(block);
    }
    Ok(format!("{} MiB", taken.len() * (MEMORY_STEP >> 20)))
}

pub(crate) fn descriptors(_: &Context<'_>) -> io::Result<String> {
    let mut taken = Vec::new();
    while taken.len() < DESCRIPTORS {
        match File::open("/dev/null") {
            Ok(file) => taken.push(file),
            Err(error) => return Err(after(taken.len(), "descriptors", &error)),
        }
    }
    Ok(format!("{} descriptors", taken.len()))
}

/// Returns only if it was refused.
pub(crate) fn exec(_: &Context<'_>) -> io::Result<String> {
    let report = r#"{"attempt":"exec","outcome":"open","detail":"it has become another program"}"#;
    Err(Command::new("/bin/echo").arg(report).exec())
}

/// This very program, which it may execute, so that nothing but the new process can be what is refused.
fn start(again: &[OsString]) -> io::Result<Child> {
    let (program, args) = again.split_first().ok_or_else(|| io::Error::other("nothing to start"))?;
    Command::new(program).args(args).arg("wait").stdin(Stdio::piped()).stdout(Stdio::inherit()).spawn()
}

fn end(mut child: Child) -> io::Result<()> {
    drop(child.stdin.take());
    child.wait().map(drop)
}

fn after(count: usize, what: &str, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("stopped after {count} {what}: {error}"))
}
