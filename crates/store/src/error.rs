//! What can go wrong with a store that is open.

use std::sync::Arc;

use oauth::id::ClientId;

use crate::key_ring::OpenSealedError;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer or refused; another try may succeed. The text is for the operator's log.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The same, told to everybody whose writing was to share the transaction. Nothing of theirs counts as stored.
    #[error("the database is not available: {0}")]
    NotWritten(#[source] Arc<sqlx::Error>),
    /// A row that this program can't have written.
    #[error("row {row} of table {table} makes no sense in column {column}: restore the database from a backup")]
    Corrupt {
        /// Table of the row.
        table: &'static str,
        /// The column, or the first of those that contradict each other.
        column: &'static str,
        /// Its key; hashes in hex.
        row: String,
    },
    /// A sealed value stays closed.
    #[error("column {column} of row {row} in table {table} can't be read: {source}")]
    Sealed {
        /// Table of the row.
        table: &'static str,
        /// The sealed column.
        column: &'static str,
        /// Its key; hashes in hex.
        row: String,
        /// Why.
        source: OpenSealedError,
    },
    /// A value could not be sealed.
    #[error("a value for table {table} could not be sealed")]
    NotSealed {
        /// Where it was meant to go.
        table: &'static str,
    },
    /// As many dynamic clients as allowed are registered, and all of them are in use.
    #[error("all {cap} places for dynamically registered clients are taken by clients in use")]
    ClientsFull {
        /// The limit.
        cap: u32,
    },
    /// The client was removed while its login was under way.
    #[error("client {0} is not registered any more: register again")]
    ClientGone(ClientId),
}

// === impl StoreError ===

impl StoreError {
    /// Whether a transaction failed because another one was at the same rows in the same moment, so that it may be run again.
    pub(crate) fn is_a_collision(error: &Self) -> bool {
        const COLLISIONS: [&str; 3] = [
            "40001", // serialization_failure
            "40P01", // deadlock_detected
            "23505", // unique_violation
        ];
        let Self::Unavailable(sqlx::Error::Database(error)) = error else {
            return false;
        };
        error.code().is_some_and(|code| COLLISIONS.contains(&&*code))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error)
    }
}
