//! The command line. Exit codes: 0 clean, 1 failure at run time, 2 bad configuration or usage.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::build_info::VERSION_LINE;
use crate::config::FlagValues;

mod admin;
mod backup;
mod config;
mod doctor;
mod exit;
mod forgejo_app;
mod healthcheck;
mod keys;
mod launcher;
mod listing;
mod migrate;
mod reference;
mod restore;
mod serve;
mod state_file;
#[cfg(test)]
mod tests;
mod version;

use exit::Failure;

/// OAuth 2.1 authorization server, MCP endpoint and worker supervisor in front of Forgejo.
#[derive(Parser)]
#[command(name = "fjmcp-broker", version = VERSION_LINE, args_conflicts_with_subcommands = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: FlagValues,
}

#[derive(Subcommand)]
enum Command {
    /// Run the broker; this is what happens without a subcommand
    Serve {
        #[command(flatten)]
        settings: FlagValues,
    },
    /// Ask a running broker whether it is well: exit 0 if so, else 1
    Healthcheck(healthcheck::Arguments),
    /// Look for everything that is easily got wrong, and say what to do: exit 0 if nothing fails, else 1
    Doctor(doctor::Arguments),
    /// Make the broker's OAuth2 application in Forgejo
    ForgejoApp {
        #[command(subcommand)]
        command: forgejo_app::Command,
    },
    /// Print version, revision and build date
    Version,
    /// Print the effective configuration, secrets masked, and where each value came from
    Config {
        /// Print the reference of all settings (Markdown) instead
        #[arg(long)]
        reference: bool,
        #[command(flatten)]
        settings: FlagValues,
    },
    /// Make encryption keys, show the key ring, seal everything anew under its first key
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// See and end users' connections, beside the running broker
    Admin(admin::Arguments),
    /// Copy the state into a file, consistently, while the broker runs
    Backup(backup::Arguments),
    /// Put a backup in the place of the state; the broker has to be stopped
    Restore(restore::Arguments),
    /// Bring the schema of the state up to date, or say how far it is
    Migrate(migrate::Arguments),
    /// Print or write references, manual pages and shell completions
    Reference {
        #[command(subcommand)]
        what: reference::Command,
    },
    /// Prepare a worker process and become it; started by the broker itself
    #[command(name = launcher::NAME, hide = true)]
    WorkerLauncher,
}

/// Runs the program with these arguments, the program's own name first.
#[must_use]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // Before anything else is set up: every start of a worker goes through here.
    if arguments.get(1).is_some_and(|name| name == launcher::NAME) {
        return launcher::run(arguments.into_iter().skip(2));
    }
    match Cli::try_parse_from(arguments) {
        Ok(cli) => match run(cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
        Err(error) => {
            let code = if error.use_stderr() { exit::BAD_CONFIGURATION } else { 0 };
            // A closed pipe is the only way this fails, and then nobody reads anyway.
            let _ = error.print();
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => serve::run(&cli.settings),
        Some(Command::Serve { settings }) => serve::run(&settings),
        Some(Command::Healthcheck(arguments)) => healthcheck::run(&arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments),
        Some(Command::ForgejoApp { command }) => forgejo_app::run(&command),
        Some(Command::Version) => version::run(),
        Some(Command::Config { reference: true, .. }) => print(&crate::config::reference()),
        Some(Command::Config { reference: false, settings }) => config::run(&settings),
        Some(Command::Keys { command }) => keys::run(&command),
        Some(Command::Admin(arguments)) => admin::run(&arguments),
        Some(Command::Backup(arguments)) => backup::run(&arguments),
        Some(Command::Restore(arguments)) => restore::run(&arguments),
        Some(Command::Migrate(arguments)) => migrate::run(&arguments),
        Some(Command::Reference { what }) => reference::run(&what),
        Some(Command::WorkerLauncher) => {
            Err(Failure::Runtime(anyhow::anyhow!("the launcher is for the broker's own use")))
        }
    }
}

/// Writes to standard output; a reader that has gone away is a failure, not a panic.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::Runtime(anyhow::Error::new(error).context("cannot write to standard output")))
}
