use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use bridge::spawn::{SpawnConfig, Spawner};

use crate::workers::{NEVER, config, profile, request};

fn boot_line() -> String {
    format!("boot {}", fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim())
}

fn start_time(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned()
}

pub(crate) async fn a_start_ends_what_the_run_file_names() {
    let directory = tempfile::tempdir().unwrap();
    let mut leftover = Command::new("/bin/sleep").arg("600").process_group(0).spawn().unwrap();
    let line = format!("{} {}", leftover.id(), start_time(leftover.id()));
    fs::write(directory.path().join("workers.run"), format!("{}\n{line}\n", boot_line())).unwrap();

    let config = SpawnConfig { state_dir: Some(directory.path().into()), ..config() };
    let spawner = Spawner::start(profile("/bin/cat", &[]), config.clone()).unwrap();

    assert_eq!(leftover.wait().unwrap().signal(), Some(9));
    let second = Spawner::start(profile("/bin/cat", &[]), config).err().unwrap().to_string();
    assert!(second.contains("another broker"), "{second}");
    drop(spawner);
}

pub(crate) async fn the_run_file_names_a_worker_while_it_lives() {
    let directory = tempfile::tempdir().unwrap();
    let config = SpawnConfig { state_dir: Some(directory.path().into()), ..config() };
    let spawner = Spawner::start(profile("/bin/cat", &[]), config).unwrap();
    let mut worker = spawner.spawn(request()).await.unwrap();

    let text = fs::read_to_string(directory.path().join("workers.run")).unwrap();

    assert_eq!(text, format!("{}\n{} {}\n", boot_line(), worker.pid, start_time(worker.pid)));
    drop(worker.stdin.take());
    worker.stop(NEVER).await;
}
