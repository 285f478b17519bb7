//! docs/performance.md, from a result file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::goals;
use crate::plot::{self, Line, Words};
use crate::result::Outcome;
use crate::soak::Soaked;
use crate::table;

/// Where plots go, below the folder of the document.
const PLOTS: &str = "performance";

/// Writes the document and its plots into `docs`.
///
/// # Errors
/// When a file cannot be written.
pub fn write(outcome: &Outcome, soaked: Option<&Soaked>, docs: &Path) -> Result<()> {
    let plots = docs.join(PLOTS);
    std::fs::create_dir_all(&plots)?;
    let mut text = String::new();
    head(&mut text, outcome)?;
    targets(&mut text, outcome)?;
    comparison(&mut text, outcome)?;
    figures(&mut text, outcome)?;
    for series in &outcome.growth {
        let file = format!("{}.svg", series.key);
        let words = Words { title: &series.what, across: &series.number, up: &series.unit };
        plot::growth(&plots.join(&file), &words, &Line { name: &series.what, points: &series.points })?;
        let points: Vec<String> =
            series.points.iter().map(|(number, cost)| format!("{number}: {cost:.1} {}", series.unit)).collect();
        writeln!(text, "![{}]({PLOTS}/{file})\n\n{}\n", series.what, points.join(" · "))?;
    }
    if let Some(soaked) = soaked {
        soak(&mut text, soaked, &plots)?;
    }
    text.push_str(include_str!("report/notes.md"));
    let path = docs.join("performance.md");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn head(text: &mut String, outcome: &Outcome) -> Result<()> {
    let machine = &outcome.machine;
    writeln!(
        text,
        "# Performance\n\nWritten by `make performance` from the results of `make bench` and `make soak`; do not edit it by hand.\n\n\
         | | |\n|---|---|\n| measured | {} |\n| machine | {} |\n| kernel | {} |\n| broker | {} |\n| compiler | {} |\n| rounds | {}{} |\n\n\
         Load generator, broker and the MCP server behind it share the machine's cores; all traffic is on the loopback interface. Every subject has the \
         same server behind it (one thread, `bench/src/bin/echo.rs`) and answers the same calls (about 260 bytes) of one client with so many requests \
         under way; all run at the same time and are measured in turns. Every answer is checked. Times of single subjects change with the machine \
         and its load: compare ratios. A cell has the median of the rounds and, in brackets, the lowest and the highest.\n",
        machine.date,
        machine.hardware,
        machine.kernel,
        machine.broker,
        machine.rustc,
        outcome.rounds,
        if outcome.quick { " (a shortened run)" } else { "" },
    )?;
    Ok(())
}

fn targets(text: &mut String, outcome: &Outcome) -> Result<()> {
    writeln!(text, "## Targets\n")?;
    let rows = goals::verdicts(outcome).into_iter().map(|verdict| {
        let word = verdict.word().to_owned();
        vec![verdict.what.to_owned(), verdict.wanted.to_owned(), verdict.measured.unwrap_or_default(), word]
    });
    markdown(text, &["what", "target", "measured", ""], rows)
}

fn comparison(text: &mut String, outcome: &Outcome) -> Result<()> {
    if outcome.subjects.is_empty() && outcome.absent.is_empty() {
        return Ok(());
    }
    writeln!(text, "## Beside other bridges\n")?;
    markdown(text, &table::HEADS, table::rows(outcome).into_iter())?;
    writeln!(
        text,
        "CPU is that of the bridge's processes for each call by 32 callers; memory is theirs too (PSS), never that of the server behind them. \
         No memory for a session: less than that of a busy process varies by. \"Half load\" is the 99th percentile of eight callers at a constant rate, half of what they reached before, counted from when a call was due. \
         The row through nginx has the broker's CPU and memory alone.\n\n\
         How many times better our legacy session is (below 1: worse):\n"
    )?;
    markdown(text, &table::RATIO_HEADS, table::ratios(outcome).into_iter())?;
    for (name, reason) in &outcome.absent {
        writeln!(text, "Not compared: {name}: {reason}.\n")?;
    }
    Ok(())
}

fn figures(text: &mut String, outcome: &Outcome) -> Result<()> {
    writeln!(text, "## Our own figures\n")?;
    let rows =
        outcome.figures.iter().map(|figure| vec![figure.what.clone(), table::value(figure), figure.note.clone()]);
    markdown(text, &["what", "measured", "how"], rows)
}

fn soak(text: &mut String, soaked: &Soaked, plots: &Path) -> Result<()> {
    let lines: Vec<Line<'_>> =
        soaked.lines.iter().map(|line| Line { name: &line.what, points: &line.points }).collect();
    let words = Words {
        title: "Under mixed load, against the mean of the second half",
        across: "seconds",
        up: "share of the mean",
    };
    plot::over_time(&plots.join("soak.svg"), &words, &lines)?;
    writeln!(
        text,
        "## Soak\n\n{} s of mixed load ({}), {}: {} calls, {} sessions begun, {} refreshes, {} worker starts, none of them answered wrongly.\n\n![soak]({PLOTS}/soak.svg)\n",
        soaked.seconds, soaked.date, soaked.rule, soaked.calls, soaked.sessions, soaked.refreshes, soaked.starts
    )?;
    let rows = soaked.lines.iter().map(|line| {
        let told = |value: f64| format!("{value:.1} {}", line.unit);
        let word = if line.flat { "flat" } else { "**grows**" };
        vec![line.what.clone(), told(line.third), told(line.last), word.to_owned()]
    });
    markdown(text, &["what", "mean of the third quarter", "mean of the last quarter", ""], rows)
}

fn markdown(text: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
    writeln!(text, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()))?;
    for row in rows {
        writeln!(text, "| {} |", row.join(" | "))?;
    }
    writeln!(text)?;
    Ok(())
}
