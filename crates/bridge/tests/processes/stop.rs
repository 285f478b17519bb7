use std::time::Duration;

use bridge::process::SpawnError;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::runtime::Builder;

use crate::workers::{NEVER, SHORT, everything, line, lines, profile, request, script, spawner, start};

pub(crate) async fn closing_stdin_is_enough_for_a_worker_that_reads_it() {
    let mut worker = start(profile("/bin/cat", &[])).await;
    drop(worker.stdin.take());
    let report = worker.stop(NEVER).await;
    assert_eq!((report.code, report.signal, report.last_stderr_line), (Some(0), None, None));
}

pub(crate) async fn a_worker_that_does_not_read_stdin_gets_sigterm() {
    let mut worker = start(script("trap 'exit 7' TERM; echo ready; while :; do sleep 600; done")).await;
    let mut stdout = lines(&mut worker);
    assert_eq!(line(&mut stdout).await, "ready");
    drop(worker.stdin.take());
    // The grace before SIGTERM passes; the one before SIGKILL would be the same, and is overtaken by the exit.
    let report = worker.stop(Duration::from_millis(500)).await;
    assert_eq!((report.code, report.signal), (Some(7), None));
}

pub(crate) async fn a_worker_that_ignores_sigterm_is_killed() {
    let mut worker = start(script("trap '' TERM; echo ready; exec sleep 600")).await;
    let mut stdout = lines(&mut worker);
    assert_eq!(line(&mut stdout).await, "ready");
    let report = worker.stop(SHORT).await;
    assert_eq!((report.code, report.signal), (None, Some(9)));
}

const WITH_GRANDCHILD: &str = "trap '' TERM; sleep 600 & echo ready; read line";

pub(crate) async fn grandchildren_in_the_group_end_with_the_worker() {
    let mut worker = start(script(WITH_GRANDCHILD)).await;
    let mut stdout = lines(&mut worker);
    assert_eq!(line(&mut stdout).await, "ready");
    drop(worker.stdin.take());
    // The worker ends by itself; its child, which ignores SIGTERM and stdin, does not.
    assert_eq!(worker.stop(NEVER).await.signal, None);
    assert_eq!(everything(stdout).await, "");
}

pub(crate) async fn grandchildren_end_when_the_worker_was_killed_by_somebody_else() {
    let mut worker = start(script(WITH_GRANDCHILD)).await;
    let mut stdout = lines(&mut worker);
    assert_eq!(line(&mut stdout).await, "ready");
    kill_process(Pid::from_raw(worker.pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    assert_eq!(everything(stdout).await, "");
    let report = worker.exit.ended().await.unwrap();
    assert_eq!((report.code, report.signal), (None, Some(9)));
}

pub(crate) async fn dropping_a_process_ends_it() {
    let spawner = spawner(script("trap '' TERM; echo ready; exec sleep 600"));
    let mut worker = spawner.spawn(request()).await.unwrap();
    assert_eq!(line(&mut lines(&mut worker)).await, "ready");
    let exit = worker.exit.clone();
    assert_eq!(spawner.alive(), 1);
    drop(worker);
    let report = exit.ended().await.unwrap();
    assert_eq!(report.signal, Some(9));
    assert_eq!(spawner.alive(), 0);
}

pub(crate) async fn stop_may_be_called_by_many_and_again() {
    let mut worker = start(profile("/bin/cat", &[])).await;
    drop(worker.stdin.take());
    let (first, second) = tokio::join!(worker.stop(NEVER), worker.stop(NEVER));
    assert_eq!(first, second);
    assert_eq!(worker.stop(SHORT).await, first);
}

pub(crate) async fn a_shorter_grace_overtakes_a_longer_one() {
    let worker = start(script("trap '' TERM; exec sleep 600")).await;
    let (patient, impatient) = tokio::join!(worker.stop(NEVER), worker.stop(SHORT));
    assert_eq!(patient, impatient);
    assert!(patient.signal.is_some());
}

pub(crate) async fn shutdown_ends_all_and_refuses_more() {
    let spawner = spawner(profile("/bin/cat", &[]));
    let mut workers = Vec::new();
    for _ in 0..5 {
        workers.push(spawner.spawn(request()).await.unwrap());
    }
    spawner.shutdown(SHORT).await;
    assert_eq!(spawner.alive(), 0);
    for worker in &workers {
        let report = worker.exit.ended().await.unwrap();
        assert_eq!(report.signal, Some(15), "stdin was still open, so SIGTERM ended it");
    }
    assert!(matches!(spawner.spawn(request()).await, Err(SpawnError::Stopped)));
}

pub(crate) async fn a_runtime_that_ends_takes_its_workers_along() {
    let run_and_end = || {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut worker = start(script(WITH_GRANDCHILD)).await;
            let mut stdout = lines(&mut worker);
            assert_eq!(line(&mut stdout).await, "ready");
            // Without its guard nobody orders anything: what is left is the runtime's end.
            std::mem::forget(worker);
            stdout.into_inner().into_owned_fd().unwrap()
        })
    };
    let stdout = tokio::task::spawn_blocking(run_and_end).await.unwrap();
    let mut stdout = pipe::Receiver::from_owned_fd(stdout).unwrap();
    assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0, "worker and grandchild are gone");
}
