//! What an operator sees and ends, from a process of its own beside the running broker.
//!
//! It opens the database without the key ring, because nothing here is unsealed, and without touching the schema, because the running broker
//! may be of another version. Whatever ends is written into the revocation sequence in the same transaction, by which the running
//! broker learns of it within a second; there is no other channel between the two. Every change leaves an audit event.

mod audit;
mod clients;
mod grants;
mod sessions;
mod stats;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use oauth::clock::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};

pub use audit::{AuditFilter, AuditRecord};
pub use clients::ListedClient;
pub use grants::{GrantFilter, ListedGrant};
pub use sessions::ListedSession;
pub use stats::Statistics;
pub use users::ListedUser;

use crate::audit::{AuditEvent, insert};
use crate::database::{Connection, Database, Pool, Tx};
use crate::error::StoreError;
use crate::migrations::{self, SchemaState};

/// How long the running broker's writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// An operator's view of a database. A cheap handle.
#[derive(Debug, Clone)]
pub struct Administration {
    pool: Pool,
    actor: String,
}

/// Why the database is not shown.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// There is no such file.
    #[error("there is no database at {0}; name it with --store-path")]
    Missing(PathBuf),
    /// SQLite refused.
    #[error("{path} can't be opened as an SQLite database: {source}")]
    Database {
        /// Which path.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The server does not let us in, or does not answer.
    #[error("the database {at} can't be used: {source}")]
    Server {
        /// Which one; without the password.
        at: String,
        /// What was tried.
        source: sqlx::Error,
    },
    /// Its schema is not this program's.
    #[error("{at}: {state}")]
    Schema {
        /// Which database.
        at: String,
        /// How far it is.
        state: SchemaState,
    },
}

// === impl Administration ===

impl Administration {
    /// Opens a database, which has to be there and of a schema that this program can use. `actor` is named in the audit log.
    pub async fn open(database: &Database, actor: &str) -> Result<Self, AdministrationError> {
        let pool = open_any(database).await?;
        let state = state(database, &pool).await?;
        if state.is_usable() {
            Ok(Self { pool, actor: actor.to_owned() })
        } else {
            Err(AdministrationError::Schema { at: database.to_string(), state })
        }
    }

    /// Ends the connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.pool.begin().await?)
    }

    /// Notes in the audit log what was done.
    async fn note(
        &self,
        tx: &mut Connection,
        event: &'static str,
        subject: &str,
        outcome: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let event = AuditEvent {
            at: now,
            actor: Some(self.actor.clone()),
            client: None,
            event: event.into(),
            subject: Some(subject.to_owned()),
            outcome: outcome.to_owned(),
            detail: None,
            duration_ms: None,
            request_id: None,
        };
        insert(tx, &event).await
    }
}

/// How far the schema of a database is. Changes nothing.
pub async fn schema_state(database: &Database) -> Result<SchemaState, AdministrationError> {
    let pool = open_any(database).await?;
    let state = state(database, &pool).await;
    pool.close().await;
    state
}

async fn state(database: &Database, pool: &Pool) -> Result<SchemaState, AdministrationError> {
    migrations::state(pool).await.map_err(|source| AdministrationError::of(database, source))
}

pub(crate) async fn open_any(database: &Database) -> Result<Pool, AdministrationError> {
    match database {
        Database::Sqlite(path) => Ok(Pool::Sqlite(open_file(path).await?)),
        Database::Postgres(server) => {
            server.knock().await.map_err(|source| AdministrationError::of(database, source))?;
            Ok(Pool::Postgres(server.pool()))
        }
    }
}

pub(crate) async fn open_file(path: &Path) -> Result<SqlitePool, AdministrationError> {
    if !path.is_file() {
        return Err(AdministrationError::Missing(path.to_owned()));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options);
    pool.await.map_err(|source| AdministrationError::Database { path: path.to_owned(), source })
}

// === impl AdministrationError ===

impl AdministrationError {
    pub(crate) fn of(database: &Database, source: sqlx::Error) -> Self {
        match database {
            Database::Sqlite(path) => Self::Database { path: path.clone(), source },
            Database::Postgres(server) => Self::Server { at: server.to_string(), source },
        }
    }
}

#[cfg(test)]
mod tests;
