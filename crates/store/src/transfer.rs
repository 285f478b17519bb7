//! Moves everything from an SQLite file into an empty place on a PostgreSQL server, in one transaction there: schema and rows are there
//! together, or nothing is.
//!
//! What there is to move, the source says itself: its tables in the order in which they refer to each other, and their columns. So a table that a
//! later step of the schema brings can't be forgotten. What arrived is read again and compared, table by table, before the transaction is
//! committed: number of rows, and a digest of all of them in the order of their keys. Sealed values stay sealed; the key ring is not needed.

mod digest;
mod source;
mod target;

use std::path::{Path, PathBuf};

use crate::administration::{self, AdministrationError};
use crate::copies::{self, CopyError};
use crate::database::{Database, Pool, Server};
use crate::migrations::{self, SchemaError, SchemaState};

pub use digest::Digest;

/// What was moved of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedTable {
    /// Its name.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// Of all rows in the order of their keys; the same on both sides.
    pub digest: Digest,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Table that is being moved.
    pub table: &'a str,
    /// Rows of all tables that are moved.
    pub done: u64,
    /// Rows of all tables.
    pub all: u64,
}

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// One of the two can't be opened.
    #[error(transparent)]
    Database(#[from] AdministrationError),
    /// A broker runs on the source.
    #[error(transparent)]
    Source(#[from] CopyError),
    /// The source is of another schema.
    #[error("{path}: {state}; its schema has to be this program's: run `fjmcp-broker migrate --store-path FILE` first")]
    Schema {
        /// The source.
        path: PathBuf,
        /// How far it is.
        state: SchemaState,
    },
    /// There is something in the target.
    #[error("{at} is not empty: there are rows in {table}. Name a new database, or a role with a schema of its own")]
    NotEmpty {
        /// The target.
        at: String,
        /// The first table with rows.
        table: String,
    },
    /// The schema can't be made in the target.
    #[error("{at}: {source}")]
    Migration {
        /// The target.
        at: String,
        /// What is wrong.
        source: SchemaError,
    },
    /// One of the two failed in the middle.
    #[error("{at}: {source}")]
    Sql {
        /// Which one.
        at: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// A table of the source has no equal in the target.
    #[error("{table} of the source does not fit the target's: {why}")]
    Unlike {
        /// Which one.
        table: String,
        /// In which way.
        why: String,
    },
    /// What arrived is not what was sent.
    #[error(
        "{table} arrived otherwise than it was sent: {sent} rows with digest {sent_digest}, then {arrived} with {arrived_digest}"
    )]
    Differs {
        /// Which table.
        table: String,
        /// Rows of the source.
        sent: u64,
        /// Their digest.
        sent_digest: Digest,
        /// Rows of the target.
        arrived: u64,
        /// Their digest.
        arrived_digest: Digest,
    },
}

/// Moves everything from the file at `from`, on which no broker may run, to `to`. The file stays as it is.
pub async fn transfer(
    from: &Path,
    to: &Server,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Vec<MovedTable>, TransferError> {
    let pool = administration::open_file(from).await?;
    let moved = async {
        let _lock = copies::lock(from)?;
        move_all(&pool, from, to, &mut progress).await
    };
    let moved = moved.await;
    pool.close().await;
    moved
}

async fn move_all(
    pool: &sqlx::SqlitePool,
    from: &Path,
    to: &Server,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Vec<MovedTable>, TransferError> {
    let source_failed = |source| TransferError::Sql { at: from.display().to_string(), source };
    let at = to.to_string();
    let target_failed = |source| TransferError::Sql { at: at.clone(), source };
    let state = migrations::state(&Pool::Sqlite(pool.clone())).await.map_err(source_failed)?;
    if !state.is_usable() || !state.unknown.is_empty() {
        return Err(TransferError::Schema { path: from.to_owned(), state });
    }
    // One moment of the source, whoever else reads or writes it.
    let mut reading = pool.begin().await.map_err(source_failed)?;
    let tables = source::tables(&mut reading).await.map_err(source_failed)?;
    let all = tables.iter().map(|table| table.rows).sum();

    let target = administration::open_any(&Database::Postgres(Box::new(to.clone()))).await?;
    let mut tx = target.begin().await.map_err(target_failed)?;
    migrations::apply(&mut tx).await.map_err(|source| TransferError::Migration { at: at.clone(), source })?;
    for table in &tables {
        target::check(&mut tx, table).await.map_err(target_failed)??;
        if target::has_rows(&mut tx, &table.name).await.map_err(target_failed)? {
            return Err(TransferError::NotEmpty { at, table: table.name.clone() });
        }
    }
    let (mut moved, mut done) = (Vec::with_capacity(tables.len()), 0);
    for table in &tables {
        progress(Progress { table: &table.name, done, all });
        let mut sent = digest::Hasher::default();
        let mut rows = source::Rows::of(&mut reading, table);
        loop {
            let batch = rows.next_batch().await.map_err(source_failed)?;
            if batch.is_empty() {
                break;
            }
            sent.add_all(&batch);
            done += batch.len() as u64;
            target::insert(&mut tx, table, batch).await.map_err(target_failed)?;
            progress(Progress { table: &table.name, done, all });
        }
        drop(rows);
        let arrived = target::digest(&mut tx, table).await.map_err(target_failed)?;
        let ((sent, sent_digest), (arrived, arrived_digest)) = (sent.finish(), arrived.finish());
        if (sent, sent_digest) != (arrived, arrived_digest) {
            let table = table.name.clone();
            return Err(TransferError::Differs { table, sent, sent_digest, arrived, arrived_digest });
        }
        target::go_on_counting(&mut tx, table).await.map_err(target_failed)?;
        moved.push(MovedTable { name: table.name.clone(), rows: sent, digest: sent_digest });
    }
    tx.commit().await.map_err(target_failed)?;
    target.close().await;
    Ok(moved)
}

#[cfg(test)]
mod tests;
