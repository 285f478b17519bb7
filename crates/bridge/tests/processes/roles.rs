//! Other processes that tests need: brokers that are killed, reap or are hardened.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use bridge::cage::harden_self;
use bridge::orphans::{OrphanReaper, become_subreaper};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use tokio::io::AsyncWriteExt;

use crate::workers::{NEVER, line, lines, request, script, spawner, start};

/// First argument of this binary in a role.
pub(crate) const SUBCOMMAND: &str = "role";

/// This binary in the role of that name.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([SUBCOMMAND, name]);
    command
}

pub(crate) fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let name = args.next().unwrap().into_string().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match name.as_str() {
        "broker" => runtime.block_on(broker(&args.next().unwrap().into_string().unwrap())),
        "reaper" => runtime.block_on(reaper()),
        "hardened" => runtime.block_on(hardened()),
        other => panic!("no role {other}"),
    }
    ExitCode::SUCCESS
}

/// Starts a worker that holds a named pipe open, and then does nothing until it is killed.
async fn broker(fifo: &str) {
    let text = format!("exec 9>{fifo}; echo the worker holds the pipe; exec sleep 600");
    let mut worker = start(script(&text)).await;
    println!("{}", line(&mut lines(&mut worker)).await);
    std::future::pending::<()>().await;
}

/// Inherits orphans while workers come and go.
async fn reaper() {
    assert!(OrphanReaper::start().unwrap().is_none(), "nothing is inherited yet");
    become_subreaper().unwrap();
    let _reaper = OrphanReaper::start().unwrap().unwrap();
    let spawner = spawner(script("sleep 600 & echo $!; read line; exit 7"));
    for _ in 0..50 {
        let mut worker = spawner.spawn(request()).await.unwrap();
        let mut stdout = lines(&mut worker);
        let orphan = line(&mut stdout).await;
        drop(worker.stdin.take());
        let report = worker.stop(NEVER).await;
        assert_eq!(report.code, Some(7), "the worker's status went to its owner");
        // A zombie is in /proc until its status is taken.
        while fs::exists(Path::new("/proc").join(&orphan)).unwrap() {
            tokio::task::yield_now().await;
        }
    }
    println!("reaped");
}

/// Hardens itself as the broker does, and starts a worker through `/proc/self/exe` all the same.
async fn hardened() {
    harden_self().unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    let mut worker = start(crate::workers::profile("/bin/cat", &[])).await;
    worker.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    let mut stdout = lines(&mut worker);
    println!("{}", line(&mut stdout).await);
    std::io::stdout().flush().unwrap();
    worker.stop(Duration::ZERO).await;
}
