use std::fs;

use bridge::spawn::Spawner;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;

use crate::workers::{NEVER, line, lines, profile, request, spawner};

pub(crate) async fn two_hundred_workers_leave_no_zombie_descriptor_or_task() {
    let spawner = spawner(profile("/bin/cat", &[]));
    // Its own watch lives as long as it does.
    let own_tasks = Handle::current().metrics().num_alive_tasks();
    // What is made once, by the first of anything, is not a leak.
    cycle(&spawner).await;
    settle(own_tasks).await;
    let (descriptors, children) = (open_descriptors(), children());

    for _ in 0..25 {
        let cycles: Vec<_> = (0..8)
            .map(|_| {
                let spawner = spawner.clone();
                tokio::spawn(async move { cycle(&spawner).await })
            })
            .collect();
        for cycle in cycles {
            cycle.await.unwrap();
        }
    }

    settle(own_tasks).await;
    assert_eq!(spawner.alive(), 0);
    assert_eq!(self::children(), children, "zombies");
    assert_eq!(open_descriptors(), descriptors);
}

async fn cycle(spawner: &Spawner) {
    let mut worker = spawner.spawn(request()).await.unwrap();
    let mut stdout = lines(&mut worker);
    let mut stdin = worker.stdin.take().unwrap();
    stdin.write_all(b"ping\n").await.unwrap();
    assert_eq!(line(&mut stdout).await, "ping");
    drop(stdin);
    let report = worker.stop(NEVER).await;
    assert_eq!((report.code, report.signal), (Some(0), None));
}

/// A task that has just told its end is still alive for a moment. Never returns if one stays.
async fn settle(tasks: usize) {
    while Handle::current().metrics().num_alive_tasks() > tasks {
        tokio::task::yield_now().await;
    }
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

pub(crate) fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // A thread may end between the two reads.
    let lists = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
