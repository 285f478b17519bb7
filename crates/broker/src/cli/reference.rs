//! `fjmcp-broker reference`: what the program knows of itself, for documents, manuals and shells.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;

use super::Cli;
use super::exit::Failure;
use crate::build_info::VERSION_LINE;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the reference of all settings (Markdown)
    Settings,
    /// Print the reference of all metrics (Markdown)
    Metrics,
    /// Write manual pages, one for each command, into a folder
    Man {
        /// Folder for the pages, such as /usr/local/share/man/man1
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Settings => super::print(&crate::config::reference()),
        Command::Metrics => super::print(&crate::metrics::reference()),
        Command::Man { folder } => {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            clap_mangen::generate_to(visible(), folder)
                .with_context(|| format!("cannot write manual pages to {}", folder.display()))?;
            Ok(())
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut visible(), "fjmcp-broker", &mut text);
            super::print(&String::from_utf8_lossy(&text))
        }
    }
}

/// The command line without what is for the program's own use.
fn visible() -> clap::Command {
    let whole = Cli::command();
    let subcommands: Vec<clap::Command> =
        whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    clap::Command::new("fjmcp-broker")
        .version(VERSION_LINE)
        .about(whole.get_about().cloned().unwrap_or_default())
        .disable_help_subcommand(true)
        .args(whole.get_arguments().cloned())
        .subcommands(subcommands)
}
