use std::time::Duration;

use bridge::process::SpawnError;
use rustix::process::{Pid, Signal, kill_process};

use crate::workers::{
    NEVER, SHORT, config, everything, line, lines, profile, request, script, spawner, start,
};

pub(crate) async fn closing_stdin_is_enough_for_a_worker_that_reads_it() {
    let mut worker = start(profile("/bin/cat", &[])).await;
    drop(worker.stdin.take());
    let report = worker.stop(NEVER).await;
    assert_eq!(
        (report.code, report.signal, report.last_stderr_line),
        (Some(0), None, None)
    );
}

pub(crate) async fn a_worker_that_does_not_read_stdin_gets_sigterm() {
    let mut worker = start(script(
        "trap 'exit 7' TERM; echo ready; while :; do sleep 3600; done",
    ))
    .await;
    let mut stdout = lines(&mut worker);
    assert_eq!(line(&mut stdout).await, "ready");
    drop(worker.stdin.take());
    // The grace before SIGTERM passes; the one before SIGKILL would be the same, and is overtaken by the exit.
    let report = worker.stop(Duration::from_millis(500)).await;
    assert_eq!((report.code, report.signal), (Some(7), None));
}

pub(crate) async fn a_worker_that_ignores_sigterm_is_killed() {
    let mut worker = start(script("trap '' TERM; echo ready; exec sleep 3600")).await;
    let mut stdout = lines(&mut worker);
    assert_eq!(line(&mut stdout).await, "ready");
    let report = worker.stop(SHORT).await;
    assert_eq!((report.code, report.signal), (None, Some(9)));
}

const WITH_GRANDCHILD: &str = "trap '' TERM; sleep 3600 & echo ready; read line";

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
    kill_process(
        Pid::from_raw(worker.pid.cast_signed()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    assert_eq!(everything(stdout).await, "");
    let report = worker
        .exit
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    assert_eq!((report.code, report.signal), (None, Some(9)));
}

pub(crate) async fn dropping_a_process_ends_it() {
    let spawner = spawner(script("trap '' TERM; echo ready; exec sleep 3600"));
    let mut worker = spawner.spawn(request()).await.unwrap();
    assert_eq!(line(&mut lines(&mut worker)).await, "ready");
    let mut exit = worker.exit.clone();
    assert_eq!(spawner.alive(), 1);
    drop(worker);
    let report = exit
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
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
    let worker = start(script("trap '' TERM; exec sleep 3600")).await;
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
    for worker in &mut workers {
        let report = worker
            .exit
            .wait_for(Option::is_some)
            .await
            .unwrap()
            .clone()
            .unwrap();
        assert_eq!(
            report.signal,
            Some(15),
            "stdin was still open, so SIGTERM ended it"
        );
    }
    assert!(matches!(
        spawner.spawn(request()).await,
        Err(SpawnError::Stopped)
    ));
}

pub(crate) async fn a_runtime_that_ends_takes_its_workers_along() {
    let (runtime, mut stdout) = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let stdout = runtime.block_on(async {
            let spawner = bridge::spawn::Spawner::start(script(WITH_GRANDCHILD), config()).unwrap();
            let mut worker = spawner.spawn(request()).await.unwrap();
            let mut stdout = lines(&mut worker);
            assert_eq!(line(&mut stdout).await, "ready");
            // Kept alive without its runtime: its guard can't order anything any more.
            std::mem::forget(worker);
            std::fs::File::from(stdout.into_inner().into_owned_fd().unwrap())
        });
        (runtime, stdout)
    })
    .await
    .unwrap();

    tokio::task::spawn_blocking(move || {
        drop(runtime);
        assert_eq!(
            std::io::Read::read(&mut stdout, &mut [0]).unwrap(),
            0,
            "worker and grandchild are gone"
        );
    })
    .await
    .unwrap();
}
