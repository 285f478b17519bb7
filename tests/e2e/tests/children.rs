//! One table over children: every program that is present does every task on every rung of the cage; one that is absent is printed as
//! skipped.

mod reference;
mod tasks;

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::{self, Child};
use e2e::stack::Stack;
use forgejo_sim::SimConfig;

use self::tasks::{ALL, Scene, Verdict};

const RUNGS: [u8; 3] = [1, 2, 3];

/// What came of a child's tasks, in their order.
struct Row {
    label: String,
    verdicts: Vec<Verdict>,
}

#[tokio::test]
async fn every_child_that_is_present_does_every_task_on_every_rung() -> Result<()> {
    let (present, absent) = children::table()?;
    let mut rows = Vec::new();
    for (child, rung) in present.iter().flat_map(|child| RUNGS.map(|rung| (child, rung))) {
        let label = format!("{} on rung {rung}", child.label);
        let Some(verdicts) = run(child, rung).await.with_context(|| label.clone())? else {
            say(&format!("{label}: skipped: the rung can't be had here"))?;
            continue;
        };
        let count = |word: &str| verdicts.iter().filter(|verdict| verdict.word() == word).count();
        let (done, asked) = (count("ok"), ALL.len() - count("-"));
        say(&format!("{label} ({}): {done} of {asked} tasks", child.command.display()))?;
        rows.push(Row { label, verdicts });
    }
    for child in &absent {
        say(&format!("{}: skipped: {}", child.label, child.reason))?;
    }
    say(&summary(&rows))?;
    let failures = failures(&rows);
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// `None` where the rung can't be had.
async fn run(child: &Child, rung: u8) -> Result<Option<Vec<Verdict>>> {
    let settings = Settings::default().with("WORKER_CAGE_MAX_RUNG", rung.to_string());
    let stack = Stack::start_with(child, SimConfig::default(), settings).await?;
    if stack.rung().await? != rung {
        return Ok(None);
    }
    let mut scene = Scene::set(stack, child.clone()).await?;
    let mut verdicts = Vec::new();
    for task in ALL {
        verdicts.push(match (task.run)(&mut scene).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Failed(format!("{error:#}")),
        });
    }
    Ok(Some(verdicts))
}

fn summary(rows: &[Row]) -> String {
    let width = ALL.iter().map(|task| task.name.len()).max().unwrap_or_default();
    let line = |name: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>7}")).collect();
        format!("{name:width$}{}", cells.concat())
    };
    let mut lines: Vec<String> =
        rows.iter().enumerate().map(|(number, row)| format!("{:>4}  {}", number + 1, row.label)).collect();
    lines.push(line("", (1..=rows.len()).map(|number| number.to_string()).collect()));
    for (index, task) in ALL.iter().enumerate() {
        lines.push(line(task.name, rows.iter().map(|row| row.verdicts[index].word().to_owned()).collect()));
    }
    lines.join("\n")
}

fn failures(rows: &[Row]) -> Vec<String> {
    let of_row = |row: &Row| -> Vec<String> {
        let tasks = ALL.iter().zip(&row.verdicts);
        let failed = tasks.filter_map(|(task, verdict)| match verdict {
            Verdict::Failed(reason) => Some(format!("{}: {}: {reason}", row.label, task.name)),
            Verdict::Done | Verdict::NotOffered => None,
        });
        failed.collect()
    };
    rows.iter().flat_map(of_row).collect()
}

/// Past the test harness, which keeps what a successful test prints.
fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "{text}")?)
}
