//! Other processes that tests need: brokers that are killed, reap or are hardened.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use bridge::cage::harden_self;
use bridge::observer::NoObserver;
use bridge::orphans::{OrphanReaper, become_subreaper};
use bridge::spawn::{SpawnConfig, Spawner};
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use tokio::io::AsyncWriteExt;

use crate::house;
use crate::leaks::children;
use crate::workers::{NEVER, RUNGS, config, line, lines, profile, request, script, spawner, start};

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
    if name == "hostile" {
        // Without a runtime: its own process is all that it should need.
        return house::hostile(&args.map(|arg| arg.into_string().unwrap()).collect::<Vec<_>>());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match name.as_str() {
        "broker" => runtime.block_on(broker(&args.next().unwrap().into_string().unwrap())),
        "reaper" => runtime.block_on(reaper()),
        "house" => runtime.block_on(house::run(&args.next().unwrap().into_string().unwrap())),
        "hardened" => runtime.block_on(hardened()),
        other => panic!("no role {other}"),
    }
    ExitCode::SUCCESS
}

/// Starts a worker on this rung, and then does nothing until it is killed.
async fn broker(rung: &str) {
    let config = SpawnConfig { highest_rung: RUNGS[rung.parse::<usize>().unwrap()], ..config() };
    let spawner = Spawner::start(profile("/bin/cat", &[]), config).unwrap();
    let worker = spawner.spawn(request()).await.unwrap();
    println!("{} {}", spawner.rung().number(), worker.pid);
    std::future::pending::<()>().await;
}

/// Inherits orphans while workers come and go.
async fn reaper() {
    assert!(OrphanReaper::start(Arc::new(NoObserver)).unwrap().is_none(), "nothing is inherited yet");
    become_subreaper().unwrap();
    let _reaper = OrphanReaper::start(Arc::new(NoObserver)).unwrap().unwrap();
    let text = "sleep 600 & echo $!; setsid sh -c 'echo $$; sleep 601 & exec sleep 602' & read line; exit 7";
    let spawner = spawner(script(text));
    for _ in 0..50 {
        let mut worker = spawner.spawn(request()).await.unwrap();
        let mut stdout = lines(&mut worker);
        let orphans = [line(&mut stdout).await, line(&mut stdout).await];
        drop(worker.stdin.take());
        let report = worker.stop(NEVER).await;
        assert_eq!(report.code, Some(7), "the worker's status went to its owner");
        // A zombie is in /proc until its status is taken.
        while orphans.iter().any(|orphan| fs::exists(Path::new("/proc").join(orphan)).unwrap()) {
            tokio::task::yield_now().await;
        }
    }
    while !children().is_empty() {
        tokio::task::yield_now().await;
    }
    println!("reaped");
}

/// Hardens itself as the broker does, and starts a worker through `/proc/self/exe` all the same.
async fn hardened() {
    harden_self().unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    let mut worker = start(profile("/bin/cat", &[])).await;
    worker.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    let mut stdout = lines(&mut worker);
    println!("{}", line(&mut stdout).await);
    std::io::stdout().flush().unwrap();
    worker.stop(Duration::ZERO).await;
}
