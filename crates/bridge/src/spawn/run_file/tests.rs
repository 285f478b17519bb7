use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use super::*;

fn sleeper() -> Child {
    Command::new("/bin/sleep").arg("600").process_group(0).spawn().unwrap()
}

fn start_time(child: &Child) -> u64 {
    procfs::stat(child.id()).unwrap().start_time
}

fn write(directory: &Path, text: &str) {
    fs::write(directory.join(NAME), text).unwrap();
}

fn read(directory: &Path) -> String {
    fs::read_to_string(directory.join(NAME)).unwrap()
}

#[test]
fn the_sweep_ends_a_process_only_if_pid_and_start_time_match() {
    let directory = tempfile::tempdir().unwrap();
    let (mut left, mut other) = (sleeper(), sleeper());
    let (matching, wrong) = (start_time(&left), start_time(&other) + 1);
    write(
        directory.path(),
        &format!("boot {}\n{} {matching}\nrubbish\n{} {wrong}\n", boot_id(), left.id(), other.id()),
    );

    RunFile::open(directory.path()).unwrap();

    assert!(left.wait().unwrap().code().is_none(), "killed by a signal");
    assert!(other.try_wait().unwrap().is_none(), "another start time is another process");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn the_sweep_takes_the_whole_group() {
    let directory = tempfile::tempdir().unwrap();
    let mut leader = sleeper();
    let group = i32::try_from(leader.id()).unwrap();
    let mut member = Command::new("/bin/sleep").arg("600").process_group(group).spawn().unwrap();
    write(directory.path(), &format!("boot {}\n{} {}\n", boot_id(), leader.id(), start_time(&leader)));

    RunFile::open(directory.path()).unwrap();

    assert!(leader.wait().unwrap().code().is_none());
    assert!(member.wait().unwrap().code().is_none());
}

#[test]
fn a_file_of_another_boot_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = sleeper();
    write(directory.path(), &format!("boot another\n{} {}\n", child.id(), start_time(&child)));

    RunFile::open(directory.path()).unwrap();

    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_file_is_private_and_names_who_lives() {
    let directory = tempfile::tempdir().unwrap();
    let run_file = RunFile::open(directory.path()).unwrap();
    run_file.record(41, 7);
    run_file.record(42, 8);
    assert_eq!(read(directory.path()), format!("boot {}\n41 7\n42 8\n", boot_id()));
    let mode = fs::metadata(directory.path().join(NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_has_grown_is_rewritten_with_the_living_only() {
    let directory = tempfile::tempdir().unwrap();
    let run_file = RunFile::open(directory.path()).unwrap();
    run_file.record(1, 1);
    for pid in 2..9000 {
        run_file.record(pid, 123_456_789);
        run_file.forget(pid);
    }
    run_file.record(9001, 2);
    let text = read(directory.path());
    assert!(text.len() < 2 * usize::try_from(REWRITE_AT).unwrap(), "{} bytes", text.len());
    assert!(text.starts_with(&format!("boot {}\n1 1\n", boot_id())) && text.ends_with("9001 2\n"));
}

#[test]
fn a_second_broker_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = RunFile::open(directory.path()).unwrap();
    let text = RunFile::open(directory.path()).err().unwrap().to_string();
    assert!(text.contains("workers.run") && text.contains("its own state directory"), "{text}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let text = RunFile::open(Path::new("/nonexistent")).err().unwrap().to_string();
    assert!(text.contains("/nonexistent/workers.run") && text.contains("writable"), "{text}");
}
