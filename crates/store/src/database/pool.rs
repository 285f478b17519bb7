//! Pools, transactions, and what SQLite's single writer makes needless.

use std::ops::{Deref, DerefMut};

use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr as _, SqlStr, Sqlite, SqlitePool, Transaction};

use super::query::query;
use super::server::{ServerPool, limited};

/// Connections to one of the databases. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(ServerPool),
}

/// A transaction that writes. Without [`Tx::commit`] nothing of it is left.
pub(crate) struct Tx(Connection);

/// Where the statements of a transaction are run.
pub(crate) enum Connection {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres { transaction: Transaction<'static, Postgres>, server: ServerPool },
}

/// What only one transaction of all processes may do at a time, until it ends. The numbers are keys of advisory locks: they never change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// Bringing the schema up to date.
    Migrate = 1,
    /// Counting clients and registering one more.
    RegisterClient = 2,
    /// Adding to the sequence of revocations: so its ids become visible in their order, and whoever has read one misses none before it.
    Revoke = 3,
}

/// First half of our advisory locks' keys ("fjmc"), so that other programs on the same database keep out of their way.
const LOCKS: i64 = 0x666a_6d63;

// === impl Pool ===

impl Pool {
    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(Tx(match self {
            Self::Sqlite(pool) => Connection::Sqlite(begin(pool).await?),
            Self::Postgres(server) => {
                Connection::Postgres { transaction: server.begin().await?, server: server.clone() }
            }
        }))
    }

    /// The present time by the database's clock, as SQL: milliseconds since the Unix epoch.
    pub(crate) fn clock_sql(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres(_) => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// Ends all connections after their present work.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }
}

/// Without disk or memory SQLite ends a transaction by itself. sqlx goes on counting it and lets none begin on that connection ever after;
/// so there is another one.
async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    match pool.begin_with("BEGIN IMMEDIATE").await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            pool.acquire().await?.close().await?;
            pool.begin_with("BEGIN IMMEDIATE").await
        }
        begun => begun,
    }
}

// === impl Tx ===

impl Tx {
    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Connection::Sqlite(transaction) => transaction.commit().await,
            Connection::Postgres { transaction, server } => limited(server.patience(), transaction.commit()).await,
        }
    }

    /// Undoes it.
    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Connection::Sqlite(transaction) => transaction.rollback().await,
            Connection::Postgres { transaction, server } => limited(server.patience(), transaction.rollback()).await,
        }
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

// === impl Connection ===

impl Connection {
    /// A `SELECT` whose rows nobody else changes until the transaction ends. Whoever finds them being changed waits, and reads what they
    /// have become.
    pub(crate) fn locking(&self, select: &'static str) -> SqlStr {
        match self {
            Self::Sqlite(_) => select.into_sql_str(),
            Self::Postgres { .. } => AssertSqlSafe(format!("{select} FOR UPDATE")).into_sql_str(),
        }
    }

    /// Waits for this transaction's turn at something.
    pub(crate) async fn take_turn(&mut self, turn: Turn) -> Result<(), sqlx::Error> {
        if matches!(self, Self::Postgres { .. }) {
            let key = LOCKS << 32 | turn as i64;
            query("SELECT pg_advisory_xact_lock($1)").bind(key).execute(self).await?;
        }
        Ok(())
    }

    /// Tells whoever listens, once the transaction is committed.
    pub(crate) async fn notify(&mut self, channel: &'static str) -> Result<(), sqlx::Error> {
        if matches!(self, Self::Postgres { .. }) {
            query("SELECT pg_notify($1, '')").bind(channel).execute(self).await?;
        }
        Ok(())
    }

    /// Whether many processes write at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
}
