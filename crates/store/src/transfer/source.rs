//! The SQLite file: what tables it has, and their rows.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _};

use crate::database::Value;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    /// In the order in which they were made.
    pub(super) columns: Vec<String>,
    /// Those of the primary key.
    pub(super) key: Vec<String>,
    pub(super) rows: u64,
    /// The highest number that was ever given to a row, where SQLite remembers it.
    pub(super) counted_to: Option<i64>,
}

/// The rows of a table in the order of its key.
pub(super) struct Rows<'c> {
    stream: Pin<Box<dyn Stream<Item = Result<SqliteRow, sqlx::Error>> + Send + 'c>>,
    columns: usize,
}

/// So many rows go over the wire at once.
const AT_ONCE: usize = 200;

/// All tables, each behind those that it refers to. The schema's own bookkeeping is not among them: the target has its own.
pub(super) async fn tables(source: &mut SqliteConnection) -> Result<Vec<Table>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
         AND name <> 'oldest_program' ORDER BY name",
    )
    .fetch_all(&mut *source)
    .await?;
    let mut waiting = Vec::with_capacity(names.len());
    for name in names {
        let refers: Vec<String> = sqlx::query_scalar("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)")
            .bind(&name)
            .fetch_all(&mut *source)
            .await?;
        waiting.push((describe(source, name).await?, refers));
    }
    let mut ordered: Vec<Table> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let (ready, still): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(table, refers)| {
            refers.iter().all(|other| *other == table.name || ordered.iter().any(|known| known.name == *other))
        });
        if ready.is_empty() {
            // They refer to each other in a ring, which no schema of ours has: the target says what it lacks.
            ordered.extend(still.into_iter().map(|(table, _)| table));
            break;
        }
        ordered.extend(ready.into_iter().map(|(table, _)| table));
        waiting = still;
    }
    Ok(ordered)
}

async fn describe(source: &mut SqliteConnection, name: String) -> Result<Table, sqlx::Error> {
    let columns: Vec<(String, i64)> = sqlx::query_as("SELECT name, pk FROM pragma_table_info($1) ORDER BY cid")
        .bind(&name)
        .fetch_all(&mut *source)
        .await?;
    let mut key: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).collect();
    key.sort_by_key(|(_, place)| *place);
    let key = key.into_iter().map(|(column, _)| column.clone()).collect();
    let rows: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM \"{name}\""))).fetch_one(&mut *source).await?;
    let counted_to = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = $1")
        .bind(&name)
        .fetch_optional(&mut *source)
        .await?;
    let columns = columns.into_iter().map(|(column, _)| column).collect();
    Ok(Table { name, columns, key, rows: rows.unsigned_abs(), counted_to })
}

// === impl Table ===

impl Table {
    /// Reads all of it in the order of the key. Both databases take the text.
    pub(super) fn select(&self) -> String {
        format!("SELECT {} FROM {} ORDER BY {}", quoted(&self.columns), quote(&self.name), quoted(&self.key))
    }
}

pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

// === impl Rows ===

impl<'c> Rows<'c> {
    pub(super) fn of(source: &'c mut SqliteConnection, table: &Table) -> Self {
        let stream = sqlx::query(AssertSqlSafe(table.select())).fetch(source);
        Self { stream, columns: table.columns.len() }
    }

    /// The next rows; empty after the last one.
    pub(super) async fn next_batch(&mut self) -> Result<Vec<Vec<Value<'static>>>, sqlx::Error> {
        let mut batch = Vec::with_capacity(AT_ONCE);
        while batch.len() < AT_ONCE
            && let Some(row) = self.stream.next().await
        {
            let row = row?;
            batch.push((0..self.columns).map(|index| value(&row, index)).collect::<Result<_, _>>()?);
        }
        Ok(batch)
    }
}

fn value(row: &SqliteRow, index: usize) -> Result<Value<'static>, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Text(None));
    }
    let kind = raw.type_info().name().to_owned();
    match kind.as_str() {
        "TEXT" => Ok(row.try_get::<String, _>(index)?.into()),
        "BLOB" => Ok(row.try_get::<Vec<u8>, _>(index)?.into()),
        _ => Ok(row.try_get::<i64, _>(index)?.into()),
    }
}
