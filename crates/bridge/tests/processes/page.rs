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
    let parts = [INTRODUCTION, &table.join("\n"), OPEN, &open.join("\n"), LIES, NOTES];
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
        Outcome::Refused if UNREFUSED.contains(&attempt.as_str()) || detail.ends_with("by the broker") => {
            detail.to_owned()
        }
        Outcome::Refused => format!("refused ({detail})"),
    }
}

const OPEN: &str = "## What is open on rung 2";

const LIES: &str = "\
## What a worker gets that lies

The same on every rung, shown through the built broker (`cargo test -p e2e`, the tests of these names). What is passed over or refused is
counted.

| attempt | what comes of it | shown by |
|---|---|---|
| ask the gateway without a capability, with a made-up one, with a client's token, with a token of Forgejo's | 401, and nothing reaches Forgejo | `nothing_but_a_living_workers_capability_opens_the_gateway` |
| use the capability of a worker that has ended | 401 | `a_capability_ends_with_its_worker` |
| use the capability of a worker that has no user yet | refused, but for the start-up probes | `a_waiting_worker_holds_a_capability_that_opens_nothing` |
| find another living worker's capability | from rung 2 on its environment, memory and descriptors are closed (above) | `a_hostile_worker_gets_nothing_on_rungs_two_and_three` |
| give its own capability or the gateway's address away to its client | they are cut out of what it prints | `a_capability_is_not_shown_to_the_client` |
| send its token to a stranger | the token opens nothing there; from rung 2 on nobody is reached | `a_stranger_is_sent_no_token_of_forgejo_on_any_rung_and_from_rung_two_on_nothing_at_all` |
| print binary garbage, half messages, broken JSON | passed over; after 100 lines in a row the worker is ended | `lines_of_a_worker_that_are_no_messages_are_passed_over`, `a_worker_that_prints_nothing_but_rubbish_is_replaced` |
| print a line beyond the limit, or without end | passed over, in constant memory | `a_line_beyond_the_limit_is_passed_over_and_one_without_end_costs_only_its_call` |
| answer under ids that nobody asked, twice, or in another call's place | dropped: it knows only numbers of its own calls, each good once | `lines_of_a_worker_that_are_no_messages_are_passed_over` |
| answer a call of another session | it can't name one: numbers are its own | `trap_28_a_worker_takes_no_call_of_another_user`, `two_conversations_without_sessions_may_use_the_same_ids` |
";

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
