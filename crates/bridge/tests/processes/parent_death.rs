use std::process::Stdio;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::roles;
use crate::workers::{NEVER, RUNGS, line, lines, profile, request, spawner};

pub(crate) async fn a_worker_dies_with_a_broker_that_is_killed_on_every_rung() {
    for rung in 0..RUNGS.len() {
        let mut command = Command::from(roles::command("broker"));
        let mut broker = command.arg(rung.to_string()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(broker.stdout.take().unwrap()).read_line(&mut told).await.unwrap();
        let (got, pid) = told.trim().split_once(' ').unwrap();
        let worker = pidfd_open(Pid::from_raw(pid.parse().unwrap()).unwrap(), PidfdFlags::empty()).unwrap();

        broker.kill().await.unwrap();

        // Readable once it has ended.
        let ended = move || poll(&mut [PollFd::new(&worker, PollFlags::IN)], None);
        assert_eq!(tokio::task::spawn_blocking(ended).await.unwrap(), Ok(1), "rung {got}");
    }
}

pub(crate) async fn a_worker_outlives_the_thread_that_asked_for_it() {
    let spawner = spawner(profile("/bin/cat", &[]));
    let runtime = tokio::runtime::Handle::current();
    let asking = std::thread::spawn(move || runtime.block_on(spawner.spawn(request())).unwrap());
    let mut worker = asking.join().unwrap();

    let mut stdout = lines(&mut worker);
    let mut stdin = worker.stdin.take().unwrap();
    stdin.write_all(b"still here\n").await.unwrap();
    assert_eq!(line(&mut stdout).await, "still here");
    drop(stdin);
    assert_eq!(worker.stop(NEVER).await.code, Some(0));
}

pub(crate) async fn a_hardened_broker_still_starts_workers() {
    let output = Command::from(roles::command("hardened")).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"hello\n");
}
