//! `make bench`, `make soak`: what the broker costs, beside bridges that do less.
//!
//! `run` measures and writes a result file, `report` writes docs/performance.md from it. All traffic stays on the loopback interface,
//! every count is fixed before it begins, and every answer is checked.
#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use bench::own::{self, Size};
use bench::result::Outcome;
use bench::rounds::{self, Length};
use bench::soak::{self, Soaked};
use bench::{goals, machine, report, say, subject, table};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure, print, and write a result file.
    Run(Run),
    /// Mixed load for a while: does anything grow?
    Soak {
        /// How long.
        #[arg(long, env = "SOAK_SECONDS", default_value_t = 600)]
        seconds: u64,
        /// The result file.
        #[arg(long, env = "SOAK_RESULT", default_value = "target/bench/soak.json")]
        result: PathBuf,
    },
    /// Write docs/performance.md from the result files.
    Report {
        /// Of `run`.
        #[arg(long, env = "BENCH_RESULT", default_value = "target/bench/result.json")]
        result: PathBuf,
        /// Of `soak`; left out if it is not there.
        #[arg(long, env = "SOAK_RESULT", default_value = "target/bench/soak.json")]
        soak: PathBuf,
        /// The folder of the document.
        #[arg(long, default_value = "docs")]
        docs: PathBuf,
    },
    /// Serve the bare handler that is one of the subjects.
    Bare {
        /// Where it listens.
        listen: SocketAddr,
        /// The child behind it.
        child: PathBuf,
    },
}

#[derive(clap::Args)]
struct Run {
    /// Rounds of the comparison.
    #[arg(long, env = "BENCH_ROUNDS")]
    rounds: Option<usize>,
    /// Only subjects whose names contain one of these, separated by commas; `none` for no comparison.
    #[arg(long, env = "BENCH_ONLY", value_delimiter = ',')]
    only: Vec<String>,
    /// Fewer rounds, shorter measures, smaller numbers.
    #[arg(long, env = "BENCH_QUICK", value_parser = clap::builder::FalseyValueParser::new())]
    quick: bool,
    /// Only these of our own figures: starts, answers, gateway, oauth, growth; `none` for none.
    #[arg(long, env = "BENCH_FIGURES", value_delimiter = ',')]
    figures: Vec<String>,
    /// The result file.
    #[arg(long, env = "BENCH_RESULT", default_value = "target/bench/result.json")]
    result: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().what {
        // One thread: it shares two cores with what it measures.
        What::Run(run) => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(run)),
        What::Soak { seconds, result } => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(soak(seconds, &result))
        }
        What::Report { result, soak, docs } => {
            report::write(&Outcome::read(&result)?, Soaked::read(&soak).ok().as_ref(), &docs)
        }
        What::Bare { listen, child } => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(subject::serve_bare(listen, &child)),
    }
}

async fn measure(run: Run) -> Result<()> {
    let length = Length {
        rounds: run.rounds.unwrap_or(if run.quick { 3 } else { 5 }),
        seconds: if run.quick { 0.3 } else { 0.6 },
    };
    let mut outcome =
        Outcome { machine: machine::here()?, rounds: length.rounds, quick: run.quick, ..Outcome::default() };
    if !run.only.iter().any(|only| only == "none") {
        let (mut running, absent) = subject::Rivals::installed()?.start(&run.only).await?;
        outcome.absent = absent;
        outcome.subjects = rounds::compare(&mut running, length).await?;
    }
    print(&table::HEADS, table::rows(&outcome));
    print(&table::RATIO_HEADS, table::ratios(&outcome));
    for (name, reason) in &outcome.absent {
        say(&format!("{name}: absent: {reason}"));
    }
    let wanted = |part: &str| run.figures.is_empty() || run.figures.iter().any(|only| only == part);
    (outcome.figures, outcome.growth) = own::figures(Size::of(run.quick), wanted).await?;
    let figures =
        outcome.figures.iter().map(|figure| vec![figure.what.clone(), table::value(figure), figure.note.clone()]);
    print(&["what", "measured", "how"], figures.collect());
    let verdicts = goals::verdicts(&outcome).into_iter();
    let rows = verdicts.map(|verdict| {
        vec![
            verdict.what.to_owned(),
            verdict.wanted.to_owned(),
            verdict.measured.clone().unwrap_or_default(),
            verdict.word().to_owned(),
        ]
    });
    print(&["target", "wanted", "measured", ""], rows.collect());
    folder_of(&run.result)?;
    outcome.write(&run.result)
}

async fn soak(seconds: u64, result: &Path) -> Result<()> {
    let soaked = soak::run(seconds, machine::here()?.date).await?;
    let rows = soaked.lines.iter().map(|line| {
        vec![
            line.what.clone(),
            format!("{:.1} {}", line.third, line.unit),
            format!("{:.1} {}", line.last, line.unit),
            if line.flat { "flat" } else { "grows" }.to_owned(),
        ]
    });
    print(&["what", "third quarter", "last quarter", ""], rows.collect());
    say(&format!(
        "{} calls, {} sessions, {} refreshes, {} worker starts in {} s; {}",
        soaked.calls, soaked.sessions, soaked.refreshes, soaked.starts, soaked.seconds, soaked.rule
    ));
    folder_of(result)?;
    soaked.write(result)?;
    ensure!(soaked.is_flat(), "something grows");
    Ok(())
}

fn folder_of(file: &Path) -> Result<()> {
    file.parent().map_or(Ok(()), |folder| Ok(std::fs::create_dir_all(folder)?))
}

fn print(heads: &[&str], rows: Vec<Vec<String>>) {
    let mut table = comfy_table::Table::new();
    table.set_header(heads.to_vec()).add_rows(rows);
    say(&table.to_string());
}
