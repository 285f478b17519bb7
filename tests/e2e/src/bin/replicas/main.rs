//! `make replicas`: three brokers on one PostgreSQL behind nginx in strict round-robin, held to what one broker does.
//!
//! Races have one winner; what a hop, a takeover and a revocation take is measured, and what the database is asked; then replicas, the
//! database and the network between them fail at random under load, and nobody may be wronged by it.
#![forbid(unsafe_code)]

mod measure;
mod races;
mod rage;
mod statements;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use e2e::broker::Settings;
use e2e::children;
use e2e::farm::Farm;

/// Holds several brokers to what one does.
#[derive(Parser)]
struct Arguments {
    /// How long the storm lasts, in seconds.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// Repeats the throws of an earlier run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clients with a session, for each user.
    #[arg(long, default_value_t = 3)]
    sessions: usize,
    /// Clients of 2026-07-28, for each user.
    #[arg(long, default_value_t = 2)]
    stateless: usize,
    /// Only this part; may be given several times.
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// Links do not stall, their packets are dropped: in a namespace that scripts/netns.sh has made.
    #[arg(long)]
    partitions: bool,
    /// Passes where nginx is not installed.
    #[arg(long)]
    optional: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Many at once want what only one may have.
    Races,
    /// What it takes, in time.
    Figures,
    /// What it takes of the database.
    Statements,
    /// Everything fails under load.
    Storm,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("replicas: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    if wanted(Part::Races) {
        let Some(farm) = farm(arguments, &races::settings()).await? else { return Ok(()) };
        races::run(farm).await?;
    }
    if wanted(Part::Figures) {
        let Some(farm) = farm(arguments, &measure::settings()).await? else { return Ok(()) };
        measure::run(farm).await?;
    }
    if wanted(Part::Statements) {
        let Some(farm) = farm(arguments, &statements::settings()).await? else { return Ok(()) };
        statements::run(farm).await?;
    }
    if wanted(Part::Storm) {
        let Some(farm) = farm(arguments, &rage::settings()).await? else { return Ok(()) };
        rage::run(farm, arguments).await?;
    }
    Ok(())
}

async fn farm(arguments: &Arguments, settings: &Settings) -> Result<Option<Farm>> {
    let farm = Farm::start(&children::fixture("2.34.1")?, settings).await?;
    if farm.is_none() {
        if !arguments.optional {
            bail!("nginx is not installed: PREPARE_PROXIES=1 scripts/prepare.sh installs it");
        }
        say("skipped: nginx is not installed");
    }
    Ok(farm)
}

#[expect(clippy::print_stdout, reason = "the report of this program")]
fn say(text: &str) {
    println!("{text}");
}

/// Limits that would be met by a machine on which all users have one address.
fn without_rates() -> Settings {
    ["REGISTER", "AUTHORIZE", "TOKEN", "CLIENT", "UNAUTHENTICATED", "GRANT"]
        .iter()
        .fold(Settings::default(), |settings, name| settings.with(&format!("RATE_LIMIT_{name}"), "off"))
}
