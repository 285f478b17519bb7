use std::process::Stdio;

use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;

use crate::roles;
use crate::workers::{NEVER, line, lines, profile, request, spawner};

pub(crate) async fn a_worker_dies_with_a_broker_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("held");
    mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let mut held = pipe::OpenOptions::new().open_receiver(&fifo).unwrap();
    let mut command = Command::from(roles::command("broker"));
    let mut broker = command.arg(&fifo).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(broker.stdout.take().unwrap()).read_line(&mut told).await.unwrap();
    assert_eq!(told, "the worker holds the pipe\n");

    broker.kill().await.unwrap();

    // Returns when nobody has the other end any more.
    assert_eq!(held.read(&mut [0]).await.unwrap(), 0);
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
