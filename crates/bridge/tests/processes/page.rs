//! The table of what a hostile worker gets, as the documentation shows it.

use std::collections::BTreeMap;

use hostile_child::{ATTEMPTS, Outcome, Report};

use crate::hostile::{Column, ENDINGS, KNOWN};

/// The whole page, from a column for each rung that could be had.
pub(crate) fn page(columns: &BTreeMap<usize, Column>) -> String {
    let head = row("attempt", columns.keys().map(|rung| format!("rung {rung}")));
    let line = format!("|{}", "---|".repeat(columns.len() + 1));
    let attempts = ATTEMPTS.iter().chain(&ENDINGS);
    let rows = attempts.map(|(key, what)| row(what, columns.values().map(|column| cell(&column[*key]))));
    let table: Vec<String> = [head, line].into_iter().chain(rows).collect();
    let open = KNOWN.map(|(_, key, why)| {
        let what = ATTEMPTS.iter().chain(&ENDINGS).find(|(attempt, _)| *attempt == key).unwrap().1;
        format!("- {what}: {why}.")
    });
    let parts = [INTRODUCTION, &table.join("\n"), OPEN, &open.join("\n"), NOTES];
    parts.map(str::trim).join("\n\n") + "\n"
}

fn row(first: &str, rest: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = std::iter::once(first.to_owned()).chain(rest).collect();
    format!("| {} |", cells.join(" | "))
}

/// Contained and not refused: the detail says how.
const UNREFUSED: [&str; 4] = ["stubborn", "orphans", "orphans-may-fork", "endless-line"];

fn cell(report: &Report) -> String {
    let Report { outcome, detail, attempt } = report;
    let detail = detail.split(" (os error").next().unwrap_or_default();
    match outcome {
        Outcome::Open if attempt == "gateway" => "yes".to_owned(),
        Outcome::Open => format!("**open** ({detail})"),
        Outcome::Refused if UNREFUSED.contains(&attempt.as_str()) => detail.to_owned(),
        Outcome::Refused => format!("refused ({detail})"),
    }
}

const OPEN: &str = "## What is open on rung 2";

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
- Threads and processes without end are refused by the kernel on rung 3, unless the broker runs as the machine's root, whom it exempts. Else the
  broker counts them once a second and ends the worker: for a moment there can be more than the limit, and it is the container's or the
  service's own limit (`pids.max`) that bounds that moment. Each such end is counted.
- A program that may fork (`may_fork` in its profile) starts processes in the same cage. What it leaves behind when it ends is
  ended by the broker, see `docs/adr/0005-subreaper-and-sweep.md`.
";
