//! `fjmcp-broker keys`.

use clap::Subcommand;
use oauth::random::OsRandom;
use store::KeyRing;

use super::exit::Failure;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a new encryption key
    Generate,
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Generate => {
            let key = KeyRing::generate(&OsRandom::default()).map_err(anyhow::Error::new)?;
            super::print(&format!("{}\n", key.as_str()))
        }
    }
}
