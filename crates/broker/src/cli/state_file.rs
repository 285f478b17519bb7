//! The state file that a command is about.

use std::path::PathBuf;

use anyhow::Context as _;

use super::exit::Failure;
use crate::config::{FlagValues, store_path};

/// Where the state is. Nothing else of the configuration is needed.
#[derive(clap::Args)]
pub(super) struct StateFile {
    /// The SQLite file that holds the state
    #[arg(long, value_name = "FILE", global = true, help_heading = "State")]
    store_path: Option<String>,
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = "State",
        help = "Configuration file that names it [env: FJMCP_BROKER_CONFIG]"
    )]
    config: Option<String>,
}

// === impl StateFile ===

impl StateFile {
    /// Its path, from these flags or the same variables and file as the broker's.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        let flags = FlagValues::of_store(self.config.as_deref(), self.store_path.as_deref());
        Ok(store_path(&flags, &|name| std::env::var_os(name))?)
    }
}

/// Runs what a command does in the end.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, anyhow::Error>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    Ok(runtime.block_on(work)?)
}

/// Now, as the store counts it.
pub(super) fn now() -> oauth::clock::Timestamp {
    use oauth::clock::{Clock as _, SystemClock};
    SystemClock.now()
}
