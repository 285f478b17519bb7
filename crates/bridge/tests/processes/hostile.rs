use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;

use hostile_child::{ATTEMPTS, Outcome, Report};
use rustix::process::getuid;
use tokio::process::Command;

use crate::roles;
use crate::workers::RUNGS;

/// What a house does besides the attempts of its worker.
const ENDINGS: [(&str, &str); 3] = [
    ("stubborn", "outlive SIGTERM, outside of its process group"),
    ("orphans", "leave processes behind in another session"),
    ("orphans-may-fork", "the same from a program that may fork"),
];

/// An ordinary user, on any machine.
const NOBODY: u32 = 65_534;

/// What is open on a rung from 2 on, and why.
const KNOWN: [(usize, &str, &str); 2] = [
    (
        2,
        "same-port",
        "Landlock names ports and not hosts; only a network of its own keeps a worker from a host that listens on the gateway's port",
    ),
    (2, "threads", "a limit on tasks counts those of the user, unless he has a user namespace of its own"),
];

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
type Column = BTreeMap<String, Report>;

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

fn judge(rung: usize, root: bool, column: &Column) {
    for (key, _) in ATTEMPTS.iter().chain(&ENDINGS) {
        let Report { outcome, detail, .. } = &column[*key];
        let open = *outcome == Outcome::Open;
        let known = KNOWN.iter().any(|(on, which, _)| (*on, *which) == (rung, key));
        match (rung, *key) {
            (_, "gateway") => assert!(open, "rung {rung}: the gateway can't be reached: {detail}"),
            (0, key) if MAY_FAIL_ANYWAY.contains(&key) || ENDINGS.iter().any(|(ending, _)| *ending == key) => {}
            (0, key) => assert!(open, "without a cage, {key} should work: {detail}"),
            (1, _) => {}
            // The kernel does not count the tasks of the machine's root.
            (_, "threads") if root => {}
            (_, key) => assert_eq!(open, known, "rung {rung}: {key}: {detail}"),
        }
    }
}

pub(crate) async fn a_hostile_worker_gets_nothing_on_rungs_two_and_three() {
    let root = getuid().is_root();
    let mut shown = BTreeMap::new();
    for rung in 0..RUNGS.len() {
        let own = column(rung, None).await;
        let ordinary = if root { column(rung, Some(NOBODY)).await } else { None };
        for (column, root) in [(&own, root), (&ordinary, false)] {
            column.iter().for_each(|column| judge(rung, root, column));
        }
        if let Some(column) = ordinary.or(own) {
            shown.insert(rung, column);
        }
    }
    if std::env::args().any(|arg| arg == "--write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security-cage.md");
        std::fs::write(path, page(&shown)).unwrap();
    }
}

fn page(columns: &BTreeMap<usize, Column>) -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| attempt |");
    columns.keys().for_each(|rung| text.push_str(&format!(" rung {rung} |")));
    text.push_str("\n|---|");
    columns.keys().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for (key, what) in ATTEMPTS.iter().chain(&ENDINGS) {
        text.push_str(&format!("| {what} |"));
        columns.values().for_each(|column| text.push_str(&format!(" {} |", cell(&column[*key]))));
        text.push('\n');
    }
    text.push_str("\n## What is open on rung 2\n\n");
    for (_, key, why) in KNOWN {
        let what = ATTEMPTS.iter().find(|(attempt, _)| *attempt == key).unwrap().1;
        text.push_str(&format!("- {what}: {why}.\n"));
    }
    text.push_str(NOTES);
    text
}

fn cell(report: &Report) -> String {
    let Report { outcome, detail, attempt } = report;
    let detail = detail.split(" (os error").next().unwrap_or_default();
    match outcome {
        Outcome::Open if attempt == "gateway" => "yes".to_owned(),
        Outcome::Open => format!("**open** ({detail})"),
        Outcome::Refused if ENDINGS.iter().any(|(ending, _)| ending == attempt) => detail.to_owned(),
        Outcome::Refused => format!("refused ({detail})"),
    }
}

const INTRODUCTION: &str = "\
# What a hostile worker gets

Made by a test: `cargo test -p bridge --test processes -- --write hostile`. A worker (`crates/hostile-child`) tries every
way out that we know, on every rung of the cage (`docs/design.md` §7), as an ordinary user and beside a hardened broker. \"open\"
means that it worked; in brackets stands what the system said.

";

const NOTES: &str = "
## How to read it

- Rung 0 is the control: what is refused there is refused by the kernel to anybody, or by the broker's own shield (it is
  not dumpable, so processes of its user can't look into it).
- A connection that is refused on rung 3 was refused by a network in which nobody listens but the gateway.
- The limit on threads does not hold for a broker that runs as the machine's root, whom the kernel exempts; run it as an
  ordinary user, or as root of a rootless container.
- A program that may fork (`may_fork` in its profile) starts processes in the same cage. What it leaves behind when it ends is
  ended by the broker, see `docs/adr/0005-subreaper-and-sweep.md`.
";
