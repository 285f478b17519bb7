//! A statement with its values, for whichever database it is run on.

use std::borrow::Cow;
use std::marker::PhantomData;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Decode, Executor as _, PgConnection, Postgres, SqlSafeStr, SqlStr, Sqlite, Type};

use super::pool::{Connection, Pool};
use super::row::Row;
use super::server::{ServerPool, limited};

/// A statement with the values of its placeholders.
#[derive(Clone)]
pub(crate) struct Query<'q> {
    text: SqlStr,
    values: Vec<Value<'q>>,
}

/// A statement whose rows have one column.
pub(crate) struct Scalar<'q, T> {
    query: Query<'q>,
    column: PhantomData<T>,
}

/// What can stand for a placeholder.
#[derive(Clone)]
pub(crate) enum Value<'q> {
    Text(Option<Cow<'q, str>>),
    Bytes(Option<Cow<'q, [u8]>>),
    Integer(Option<i64>),
    Flag(bool),
}

/// Where a statement is run: on any connection of a pool, or within a transaction.
pub(crate) enum Target<'t> {
    Pool(&'t Pool),
    Connection(&'t mut Connection),
}

/// How much of what came of a statement is wanted.
#[derive(Clone, Copy)]
enum Wanted {
    Count,
    FirstRow,
    AllRows,
}

/// What came of a statement.
#[derive(Default)]
pub(crate) struct Answer {
    rows: Vec<Row>,
    rows_affected: u64,
}

/// A statement of the one text that both databases take. Placeholders are `$1`, `$2` …
pub(crate) fn query<'q>(text: impl SqlSafeStr) -> Query<'q> {
    Query { text: text.into_sql_str(), values: Vec::new() }
}

/// The same, for a single column.
pub(crate) fn query_scalar<'q, T>(text: impl SqlSafeStr) -> Scalar<'q, T> {
    Scalar { query: query(text), column: PhantomData }
}

// === impl Query ===

macro_rules! bound {
    ($query:expr) => {{
        let mut bound = sqlx::query($query.text);
        for value in $query.values {
            bound = match value {
                Value::Text(text) => bound.bind(text),
                Value::Bytes(bytes) => bound.bind(bytes),
                Value::Integer(number) => bound.bind(number),
                Value::Flag(flag) => bound.bind(flag),
            };
        }
        bound
    }};
}

macro_rules! answer {
    ($target:expr, $query:expr, $wanted:expr, $row:path) => {
        match $wanted {
            Wanted::Count => {
                let done = $target.execute($query).await?;
                Ok(Answer { rows: Vec::new(), rows_affected: done.rows_affected() })
            }
            Wanted::FirstRow => {
                let row = $target.fetch_optional($query).await?;
                Ok(Answer { rows: row.map($row).into_iter().collect(), rows_affected: 0 })
            }
            Wanted::AllRows => {
                let rows = $target.fetch_all($query).await?;
                Ok(Answer { rows: rows.into_iter().map($row).collect(), rows_affected: 0 })
            }
        }
    };
}

impl<'q> Query<'q> {
    /// The value of the next placeholder.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it for what it changes.
    pub(crate) async fn execute(self, on: impl Into<Target<'_>>) -> Result<Answer, sqlx::Error> {
        self.run(on.into(), Wanted::Count).await
    }

    /// The first row, if there is one.
    pub(crate) async fn fetch_optional(self, on: impl Into<Target<'_>>) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.run(on.into(), Wanted::FirstRow).await?.rows.pop())
    }

    /// The first row, which has to be there.
    pub(crate) async fn fetch_one(self, on: impl Into<Target<'_>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// All rows.
    pub(crate) async fn fetch_all(self, on: impl Into<Target<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        Ok(self.run(on.into(), Wanted::AllRows).await?.rows)
    }

    async fn run(self, on: Target<'_>, wanted: Wanted) -> Result<Answer, sqlx::Error> {
        match on {
            Target::Pool(Pool::Sqlite(pool)) => answer!(pool, self.for_sqlite(), wanted, Row::Sqlite),
            Target::Pool(Pool::Postgres(server)) => self.run_on_server(server, wanted).await,
            Target::Connection(Connection::Sqlite(tx)) => answer!(tx, self.for_sqlite(), wanted, Row::Sqlite),
            Target::Connection(Connection::Postgres { transaction, server }) => {
                limited(server.patience(), self.run_on_connection(transaction, server.is_pooled(), wanted)).await
            }
        }
    }

    /// A statement that only reads is run again on another connection if the first one turns out to be gone.
    async fn run_on_server(self, server: &ServerPool, wanted: Wanted) -> Result<Answer, sqlx::Error> {
        let mut tries_left = if self.text.as_str().starts_with("SELECT") { server.tries() } else { 0 };
        while tries_left > 0 {
            match self.clone().run_once(server, wanted).await {
                Err(error) if ServerPool::is_gone(&error) => tries_left -= 1,
                done => return done,
            }
        }
        self.run_once(server, wanted).await
    }

    async fn run_once(self, server: &ServerPool, wanted: Wanted) -> Result<Answer, sqlx::Error> {
        if server.is_pooled() {
            // Behind a pooler only a transaction stays on one connection, and preparing and running are two steps.
            let mut transaction = server.begin().await?;
            let answer = self.run_on_connection(&mut transaction, true, wanted);
            let answer = limited(server.patience(), answer).await?;
            limited(server.patience(), transaction.commit()).await?;
            Ok(answer)
        } else {
            let mut connection = server.acquire().await?;
            limited(server.patience(), self.run_on_connection(&mut connection, false, wanted)).await
        }
    }

    async fn run_on_connection(
        self,
        connection: &mut PgConnection,
        pooled: bool,
        wanted: Wanted,
    ) -> Result<Answer, sqlx::Error> {
        answer!(connection, self.for_postgres().persistent(!pooled), wanted, Row::Postgres)
    }

    fn for_sqlite(self) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
        bound!(self)
    }

    fn for_postgres(self) -> sqlx::query::Query<'q, Postgres, PgArguments> {
        bound!(self)
    }
}

// === impl Scalar ===

impl<'q, T> Scalar<'q, T>
where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    /// The value of the next placeholder.
    pub(crate) fn bind(self, value: impl Into<Value<'q>>) -> Self {
        Self { query: self.query.bind(value), column: PhantomData }
    }

    /// The value in the first row, which has to be there.
    pub(crate) async fn fetch_one(self, on: impl Into<Target<'_>>) -> Result<T, sqlx::Error> {
        self.query.fetch_one(on).await?.try_get(0)
    }

    /// The values of all rows.
    pub(crate) async fn fetch_all(self, on: impl Into<Target<'_>>) -> Result<Vec<T>, sqlx::Error> {
        self.query.fetch_all(on).await?.iter().map(|row| row.try_get(0)).collect()
    }
}

// === impl Answer ===

impl Answer {
    /// How many rows the statement changed.
    pub(crate) fn rows_affected(&self) -> u64 {
        self.rows_affected
    }
}

// === impl Target ===

impl<'t> From<&'t Pool> for Target<'t> {
    fn from(pool: &'t Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'t> From<&'t mut Connection> for Target<'t> {
    fn from(connection: &'t mut Connection) -> Self {
        Self::Connection(connection)
    }
}

// === impl Value ===

macro_rules! values {
    ($($given:ty => |$value:ident| $made:expr;)*) => {
        $(impl<'q> From<$given> for Value<'q> {
            fn from($value: $given) -> Self {
                $made
            }
        })*
    };
}

values! {
    &'q str => |text| Self::Text(Some(text.into()));
    &'q String => |text| Self::Text(Some(text.as_str().into()));
    String => |text| Self::Text(Some(text.into()));
    Option<&'q str> => |text| Self::Text(text.map(Cow::Borrowed));
    &'q Option<String> => |text| Self::Text(text.as_deref().map(Cow::Borrowed));
    Option<String> => |text| Self::Text(text.map(Cow::Owned));
    &'q [u8] => |bytes| Self::Bytes(Some(bytes.into()));
    &'q Vec<u8> => |bytes| Self::Bytes(Some(bytes.as_slice().into()));
    Vec<u8> => |bytes| Self::Bytes(Some(bytes.into()));
    Option<&'q [u8]> => |bytes| Self::Bytes(bytes.map(Cow::Borrowed));
    i64 => |number| Self::Integer(Some(number));
    Option<i64> => |number| Self::Integer(number);
    bool => |flag| Self::Flag(flag);
}
