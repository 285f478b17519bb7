//! The PostgreSQL server: what it makes of the rows.

use sqlx::AssertSqlSafe;

use super::TransferError;
use super::digest::Hasher;
use super::source::{Table, quote, quoted};
use crate::database::{Connection, Row, Value, query, query_scalar};

/// So many rows are read back at once.
const AT_ONCE: u32 = 500;

const COLUMNS: &str = "SELECT column_name::text AS name, data_type::text AS type, is_identity = 'YES' AS counted \
                       FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bytes,
    Integer,
    Flag,
}

/// Whether the target's table has the same columns.
pub(super) async fn check(tx: &mut Connection, table: &Table) -> Result<Result<(), TransferError>, sqlx::Error> {
    let rows = query(COLUMNS).bind(&table.name).fetch_all(&mut *tx).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?;
    let unlike = |why: String| Ok(Err(TransferError::Unlike { table: table.name.clone(), why }));
    if let Some(missing) = table.columns.iter().find(|column| !names.contains(column)) {
        return unlike(format!("it has no column {missing}"));
    }
    if let Some(further) = names.iter().find(|column| !table.columns.contains(column)) {
        return unlike(format!("the target has a column {further}"));
    }
    if table.key.is_empty() {
        return unlike("it has no key".to_owned());
    }
    Ok(Ok(()))
}

pub(super) async fn has_rows(tx: &mut Connection, table: &str) -> Result<bool, sqlx::Error> {
    let text = AssertSqlSafe(format!("SELECT 1 FROM {} LIMIT 1", quote(table)));
    Ok(query(text).fetch_optional(tx).await?.is_some())
}

pub(super) async fn insert(
    tx: &mut Connection,
    table: &Table,
    rows: Vec<Vec<Value<'static>>>,
) -> Result<(), sqlx::Error> {
    let kinds = kinds(tx, table).await?;
    let width = table.columns.len();
    let places: Vec<String> = (0..rows.len())
        .map(|row| {
            let places: Vec<String> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
            format!("({})", places.join(", "))
        })
        .collect();
    let (name, columns) = (quote(&table.name), quoted(&table.columns));
    let text = format!("INSERT INTO {name} ({columns}) VALUES {}", places.join(", "));
    let mut insert = query(AssertSqlSafe(text));
    for row in rows {
        for (value, kind) in row.into_iter().zip(&kinds) {
            insert = insert.bind(fit(value, *kind));
        }
    }
    insert.execute(tx).await?;
    Ok(())
}

async fn kinds(tx: &mut Connection, table: &Table) -> Result<Vec<Kind>, sqlx::Error> {
    let rows = query(COLUMNS).bind(&table.name).fetch_all(tx).await?;
    let mut kinds = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let mut kind = Kind::Integer;
        for row in &rows {
            if row.try_get::<&str, _>("name")? == column {
                kind = match row.try_get("type")? {
                    "text" => Kind::Text,
                    "bytea" => Kind::Bytes,
                    "boolean" => Kind::Flag,
                    _ => Kind::Integer,
                };
            }
        }
        kinds.push(kind);
    }
    Ok(kinds)
}

/// The value as the column's type has it. One that does not fit is passed on, and refused by the server.
fn fit(value: Value<'static>, kind: Kind) -> Value<'static> {
    match (value, kind) {
        (Value::Text(None), Kind::Bytes) => Value::Bytes(None),
        (Value::Text(None), Kind::Integer | Kind::Flag) => Value::Integer(None),
        (Value::Integer(Some(number)), Kind::Flag) => Value::Flag(number != 0),
        (value, _) => value,
    }
}

/// Reads the table again.
pub(super) async fn digest(tx: &mut Connection, table: &Table) -> Result<Hasher, sqlx::Error> {
    let kinds = kinds(tx, table).await?;
    // Named after the table: what a statement's columns are is remembered by its text.
    let cursor = quote(&format!("arrived_{}", table.name));
    let declare = format!("DECLARE {cursor} NO SCROLL CURSOR FOR {}", table.select());
    query(AssertSqlSafe(declare)).execute(&mut *tx).await?;
    let mut hasher = Hasher::default();
    loop {
        let fetch = format!("FETCH FORWARD {AT_ONCE} FROM {cursor}");
        let rows = query(AssertSqlSafe(fetch)).fetch_all(&mut *tx).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let values = kinds.iter().enumerate().map(|(index, kind)| value(row, index, *kind));
            hasher.add(&values.collect::<Result<Vec<_>, _>>()?);
        }
    }
    query(AssertSqlSafe(format!("CLOSE {cursor}"))).execute(tx).await?;
    Ok(hasher)
}

fn value(row: &Row, index: usize, kind: Kind) -> Result<Value<'static>, sqlx::Error> {
    Ok(match kind {
        Kind::Text => row.try_get::<Option<String>, _>(index)?.into(),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(index)?.map_or(Value::Bytes(None), Into::into),
        Kind::Integer => row.try_get::<Option<i64>, _>(index)?.into(),
        Kind::Flag => row.try_get::<Option<bool>, _>(index)?.map_or(Value::Integer(None), Into::into),
    })
}

/// The next row that the target numbers gets a number that the source had given to none.
pub(super) async fn go_on_counting(tx: &mut Connection, table: &Table) -> Result<(), sqlx::Error> {
    let columns = query(COLUMNS).bind(&table.name).fetch_all(&mut *tx).await?;
    for row in columns {
        if !row.try_get::<bool, _>("counted")? {
            continue;
        }
        let column: String = row.try_get("name")?;
        let text = format!("SELECT COALESCE(max({}), 0) FROM {}", quote(&column), quote(&table.name));
        let highest: i64 = query_scalar(AssertSqlSafe(text)).fetch_one(&mut *tx).await?;
        let counted_to = highest.max(table.counted_to.unwrap_or_default());
        if counted_to > 0 {
            let set = query("SELECT setval(pg_get_serial_sequence($1, $2), $3)");
            set.bind(quote(&table.name)).bind(&column).bind(counted_to).fetch_one(&mut *tx).await?;
        }
    }
    Ok(())
}
