//! One table over children: every program that is present does every task; one that is absent is printed as skipped.

mod reference;
mod tasks;

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::children::{self, Child};
use e2e::stack::Stack;

use self::tasks::{ALL, Scene, Verdict};

/// What came of a child's tasks, in their order.
struct Row {
    label: String,
    verdicts: Vec<Verdict>,
}

#[tokio::test]
async fn every_child_that_is_present_does_every_task() -> Result<()> {
    let (present, absent) = children::table()?;
    let mut rows = Vec::new();
    for child in &present {
        let verdicts = run(child).await.with_context(|| child.label.clone())?;
        let count = |word: &str| verdicts.iter().filter(|verdict| verdict.word() == word).count();
        let (done, asked) = (count("ok"), ALL.len() - count("-"));
        say(&format!("{} ({}): {done} of {asked} tasks", child.label, child.command.display()))?;
        rows.push(Row { label: child.label.clone(), verdicts });
    }
    for child in &absent {
        say(&format!("{}: skipped: {}", child.label, child.reason))?;
    }
    say(&summary(&rows))?;
    let failures = failures(&rows);
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

async fn run(child: &Child) -> Result<Vec<Verdict>> {
    let mut scene = Scene::set(Stack::start(child).await?, child.clone()).await?;
    let mut verdicts = Vec::new();
    for task in ALL {
        verdicts.push(match (task.run)(&mut scene).await {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Failed(format!("{error:#}")),
        });
    }
    Ok(verdicts)
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
