//! The database in use. Everything that names it stands here and in `store.rs`.

use oauth::clock::Timestamp;
use sqlx::Row as _;

use crate::error::StoreError;

pub(crate) type Db = sqlx::Sqlite;
pub(crate) type Pool = sqlx::SqlitePool;
pub(crate) type Row = sqlx::sqlite::SqliteRow;
pub(crate) type Connection = sqlx::SqliteConnection;
pub(crate) type Tx = sqlx::Transaction<'static, Db>;

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
