//! `make conformance`: the public conformance suite against the broker, with a worker of either era, and against the workers alone.
//!
//! The suite can neither log in nor send a bearer token, so the broker is reached through a loopback proxy that adds one.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod alone;
mod authorization;
mod house;
mod injector;
mod report;
mod runs;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use e2e::binaries::project_root;

use crate::report::Report;
use crate::runs::{Door, Era, Run};
use crate::suite::Suite;

/// Runs the public conformance suite against the broker.
#[derive(Parser)]
struct Arguments {
    /// A node of at least version 22.
    #[arg(long)]
    node: PathBuf,
    /// Where the suite is installed.
    #[arg(long)]
    suite: PathBuf,
    /// Today, for the report.
    #[arg(long)]
    date: String,
    /// Only this run; may be given several times. Without it: all.
    #[arg(long, value_parser = Run::parse, value_name = "NAME")]
    run: Vec<Run>,
    /// Runs nothing, but keeps a broker with a worker of this era up until Ctrl-C, for looking into a scenario by hand.
    #[arg(long, value_parser = Era::parse, value_name = "ERA", conflicts_with_all = ["run", "write"])]
    serve: Option<Era>,
    /// Not one broker, but three on one PostgreSQL behind nginx in strict round-robin.
    #[arg(long, conflicts_with = "write")]
    replicas: bool,
    /// Writes docs/conformance.md. Takes all runs.
    #[arg(long, conflicts_with = "run")]
    write: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(worker) = arguments.serve {
        let door = Door::open(worker, arguments.replicas).await?;
        println!("endpoint with a token put in   {}", door.url);
        println!("the broker's own endpoint      {}/mcp", door.house.url());
        println!("its bearer token               {}", door.bearer);
        tokio::signal::ctrl_c().await?;
        return Ok(ExitCode::SUCCESS);
    }
    let suite = Suite::new(arguments.node, arguments.suite)?;
    let wanted = if arguments.run.is_empty() { Run::all() } else { arguments.run };
    let mut report = Report::new(suite.version()?, arguments.date);
    for results in runs::execute(&suite, &wanted, arguments.replicas).await? {
        report.add(results);
    }
    println!("{}", report.table());
    if arguments.write {
        let path = project_root().join("docs/conformance.md");
        std::fs::write(&path, report.page())?;
        println!("written to {}", path.display());
    }
    let surprises = report.surprises();
    for surprise in &surprises {
        println!("{surprise}");
    }
    Ok(if surprises.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
