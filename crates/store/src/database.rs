//! The two databases behind one face: one text per query, one row type, one transaction type.
//!
//! An enum rather than `sqlx::Any`: that one knows neither the options of the two (pragmas, TLS files, statement cache) nor SQLite's
//! flags, and copies every row once more (docs/adr/0013). What differs between the two is decided here and in `database/`, and in the few
//! places that ask [`Connection::locking`] or [`Connection::take_turn`] for what SQLite's single writer gives for nothing.

mod group;
mod pool;
mod query;
mod row;
mod server;

use oauth::clock::Timestamp;

use crate::error::StoreError;

pub(crate) use group::{Group, Work};
pub(crate) use pool::{Connection, Pool, Turn, Tx};
pub(crate) use query::{Query, Target, Value, query, query_scalar};
pub(crate) use row::Row;
pub(crate) use server::limited;
pub use server::{Database, PoolFigures, Server, ServerError, Tls};

/// Reads a time.
pub(crate) fn time(row: &Row, column: &str) -> Result<Timestamp, StoreError> {
    Ok(Timestamp(row.try_get(column)?))
}

/// Reads a time that may be missing.
pub(crate) fn optional_time(row: &Row, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp))
}

/// Reads a hash that is also the key of its row.
pub(crate) fn hash(row: &Row, table: &'static str, column: &'static str) -> Result<[u8; 32], StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| StoreError::Corrupt { table, column, row: hex::encode(bytes) })
}

/// Runs a transaction again as long as the database says that it stood in another one's way: a deadlock, a conflict, or a row that
/// somebody else wrote in the same moment. The expression is the whole transaction, so that nothing is left of the try before.
macro_rules! again {
    ($transaction:expr) => {{
        let mut tries_left = crate::database::TRIES;
        loop {
            match $transaction {
                Err(error) if tries_left > 0 && crate::error::StoreError::is_a_collision(&error) => tries_left -= 1,
                done => break done,
            }
        }
    }};
}
pub(crate) use again;

/// How often [`again`] runs a transaction anew.
pub(crate) const TRIES: u32 = 8;
