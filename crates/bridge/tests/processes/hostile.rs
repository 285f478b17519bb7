use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;

use hostile_child::{ATTEMPTS, Outcome, Report};
use rustix::process::getuid;
use tokio::process::Command;

use crate::workers::RUNGS;
use crate::{page, roles};

/// What a house does besides the attempts of its worker.
pub(crate) const ENDINGS: [(&str, &str); 7] = [
    ("stubborn", "outlive SIGTERM, outside of its process group"),
    ("orphans", "leave processes behind in another session"),
    ("orphans-may-fork", "the same from a program that may fork"),
    ("fork-bomb", "start processes without end (stops at 300)"),
    ("threads", "start threads without end (stops at 600)"),
    ("fork-bomb-may-fork", "start processes without end from a program that may fork (stops at 300)"),
    ("endless-line", "print a line without end"),
];

/// An ordinary user, on any machine.
const NOBODY: u32 = 65_534;

/// What is open on a rung from 2 on, and why.
pub(crate) const KNOWN: [(usize, &str, &str); 1] = [(
    2,
    "same-port",
    "Landlock names ports and not hosts; only a network of its own keeps a worker from a host that listens on the gateway's port",
)];

/// Attempts that the kernel or the machine's settings may refuse to anybody, so that they say nothing on rung 0.
const MAY_FAIL_ANYWAY: [&str; 11] = [
    "broker-environ",
    "broker-memory",
    "broker-vm-read",
    "worker-ptrace",
    "fast-open",
    "mptcp",
    "tcp6",
    "io-uring",
    "namespace",
    "memory",
    "descriptors",
];

/// What came of each attempt, by its key.
pub(crate) type Column = BTreeMap<String, Report>;

/// On one rung; `None` if the rung can't be had here.
async fn column(rung: usize, user: Option<u32>) -> Option<Column> {
    let mut command = roles::command("house");
    command.arg(rung.to_string());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = Command::from(command).kill_on_drop(true).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "rung {rung}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut column = Column::new();
    for report in text.lines().map(|line| serde_json::from_str::<Report>(line).unwrap()) {
        column.insert(report.attempt.clone(), report);
    }
    let got = column.remove("rung").unwrap();
    if got.outcome == Outcome::Refused {
        println!("rung {rung} can't be had here: {}", got.detail);
        return None;
    }
    Some(column)
}

fn judge(rung: usize, column: &Column) {
    for (key, _) in ATTEMPTS.iter().chain(&ENDINGS) {
        let Report { outcome, detail, .. } = &column[*key];
        let open = *outcome == Outcome::Open;
        let known = KNOWN.iter().any(|(on, which, _)| (*on, *which) == (rung, key));
        match (rung, *key) {
            (_, "gateway") => assert!(open, "rung {rung}: the gateway can't be reached: {detail}"),
            (0, key) if MAY_FAIL_ANYWAY.contains(&key) || ENDINGS.iter().any(|(ending, _)| *ending == key) => {}
            (0, key) => assert!(open, "without a cage, {key} should work: {detail}"),
            (1, _) => {}
            (_, key) => assert_eq!(open, known, "rung {rung}: {key}: {detail}"),
        }
    }
}

pub(crate) async fn a_hostile_worker_gets_nothing_on_rungs_two_and_three() {
    let root = getuid().is_root();
    let mut shown = BTreeMap::new();
    for rung in 0..RUNGS.len() {
        let other = async { if root { column(rung, Some(NOBODY)).await } else { None } };
        let (own, ordinary) = tokio::join!(column(rung, None), other);
        for column in [&own, &ordinary].into_iter().flatten() {
            judge(rung, column);
        }
        if let Some(column) = ordinary.or(own) {
            shown.insert(rung, column);
        }
    }
    if std::env::args().any(|arg| arg == "--write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security-cage.md");
        std::fs::write(path, page::page(&shown)).unwrap();
    }
}
