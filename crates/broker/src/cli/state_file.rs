//! The state file that a command is about.

use std::path::PathBuf;

use anyhow::Context as _;
use store::{Database, Server};

use super::exit::Failure;
use crate::config::{FlagValues, database, server};

/// Where the state is. Nothing else of the configuration is needed.
#[derive(clap::Args)]
pub(super) struct StateFile {
    /// The SQLite file that holds the state
    #[arg(long, value_name = "FILE", global = true, help_heading = "State")]
    store_path: Option<String>,
    /// The database that holds the state, as a URL; a password belongs in a file (`FJMCP_BROKER_DATABASE_PASSWORD_FILE`)
    #[arg(long, value_name = "URL", global = true, help_heading = "State")]
    database_url: Option<String>,
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
    /// The database, from these flags or the same variables and file as the broker's.
    pub(super) fn database(&self) -> Result<Database, Failure> {
        let (config, path, url) = (self.config.as_deref(), self.store_path.as_deref(), self.database_url.as_deref());
        let flags = FlagValues::of_store(config, path, url);
        Ok(database(&flags, &|name| std::env::var_os(name))?)
    }

    /// A server by its URL, reached as these flags, the variables and the file say.
    pub(super) fn server(&self, url: &str) -> Result<Server, Failure> {
        let flags = FlagValues::of_store(self.config.as_deref(), None, None);
        Ok(server(url, &flags, &|name| std::env::var_os(name))?)
    }

    /// The SQLite file, for what only a file needs. `instead` says what PostgreSQL has for it.
    pub(super) fn path(&self, instead: &str) -> Result<PathBuf, Failure> {
        match self.database()? {
            Database::Sqlite(path) => Ok(path),
            Database::Postgres(server) => {
                Err(Failure::Runtime(anyhow::anyhow!("the state is in PostgreSQL ({server}): {instead}")))
            }
        }
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
