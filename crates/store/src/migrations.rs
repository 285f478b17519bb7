//! The schema, as numbered steps that are part of the program. Each is applied once and remembered with its checksum.
//!
//! The schema says itself which programs may run on it: the oldest one, by the newest step that it knows. So a step that only adds leaves
//! yesterday's program running beside today's, on either database, and only a program that would break something refuses.
//!
//! Listed by hand rather than by `sqlx::migrate!`, which would bring sqlx's macros and their build time for one line.

use std::fmt;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::database::{Connection, Pool, Target, Turn, Tx, query, query_scalar};

/// A change of the schema.
#[derive(Debug, Clone, Copy)]
struct Step {
    number: i64,
    name: &'static str,
    text: &'static str,
    /// The newest step that a program has to know to run on a schema with this one.
    oldest_program: i64,
}

const fn step(number: i64, name: &'static str, text: &'static str, oldest_program: i64) -> Step {
    Step { number, name, text, oldest_program }
}

/// Never change an entry that has been released: databases remember its checksum.
const SQLITE: &[Step] = &[
    step(1, "initial", include_str!("../migrations/sqlite/0001_initial.sql"), 1),
    step(2, "client_assertions", include_str!("../migrations/sqlite/0002_client_assertions.sql"), 2),
    step(3, "grant_changed", include_str!("../migrations/sqlite/0003_grant_changed.sql"), 3),
    step(4, "account", include_str!("../migrations/sqlite/0004_account.sql"), 4),
    step(5, "entry_and_audit", include_str!("../migrations/sqlite/0005_entry_and_audit.sql"), 5),
    step(6, "ended_sessions", include_str!("../migrations/sqlite/0006_ended_sessions.sql"), 6),
    step(7, "rings", include_str!("../migrations/sqlite/0007_rings.sql"), 7),
    step(8, "oldest_program", include_str!("../migrations/sqlite/0008_oldest_program.sql"), 8),
    // A program that knows no owners would serve sessions that others hold.
    step(10, "replicas", include_str!("../migrations/sqlite/0010_replicas.sql"), 10),
];

/// PostgreSQL came with step 8: its first one makes what SQLite's first eight do. From then on both have the same numbers.
const POSTGRES: &[Step] = &[
    step(8, "initial", include_str!("../migrations/postgres/0008_initial.sql"), 8),
    step(10, "replicas", include_str!("../migrations/postgres/0010_replicas.sql"), 10),
];

/// Why a database can't be brought to this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Written by a newer program.
    #[error(
        "the database has schema {found}, on which only programs that know step {oldest_program} may run; this one knows steps up to {known}: \
         it was written by a newer version; start that version, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The database's newest step.
        found: i64,
        /// This program's newest step.
        known: i64,
        /// The newest step that a program has to know.
        oldest_program: i64,
    },
    /// A step was applied whose text was another one.
    #[error("step {step} of the database's schema is not the one of this program: it was written by another build")]
    Altered {
        /// Which step.
        step: i64,
    },
    /// The database refused a step; nothing of it is left behind.
    #[error("the database's schema can't be updated: {0}")]
    Failed(MigrateError),
}

/// How far a database's schema is from this program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaState {
    /// Newest step that the database has; 0 if it has none.
    pub found: i64,
    /// Newest step that this program knows.
    pub known: i64,
    /// The newest step that a program has to know to run on the database.
    pub oldest_program: i64,
    /// Steps of this program that the database lacks.
    pub pending: Vec<(i64, &'static str)>,
    /// Steps of the database that this program does not know.
    pub unknown: Vec<i64>,
}

// === impl SchemaState ===

impl SchemaState {
    /// Whether this program can run on it as it is.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.pending.is_empty() && !self.is_too_new()
    }

    /// Whether only a newer program may run on it.
    #[must_use]
    pub fn is_too_new(&self) -> bool {
        !self.unknown.is_empty() && self.oldest_program > self.known
    }
}

impl fmt::Display for SchemaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, known, oldest_program, .. } = *self;
        if self.is_too_new() {
            return write!(f, "{}", SchemaError::Newer { found, known, oldest_program });
        }
        if !self.pending.is_empty() {
            let pending: Vec<String> = self.pending.iter().map(|(number, name)| format!("{number} ({name})")).collect();
            let pending = pending.join(", ");
            return write!(f, "the schema lacks steps {pending}: run `fjmcp-broker migrate`, or start the broker");
        }
        if self.unknown.is_empty() {
            write!(f, "the schema is up to date (step {found})")
        } else {
            write!(
                f,
                "the schema (step {found}) is of a newer version, beside which this one can run (it knows step {known})"
            )
        }
    }
}

/// Reads how far a database is, and changes nothing.
pub(crate) async fn state(pool: &Pool) -> Result<SchemaState, sqlx::Error> {
    let steps = steps(matches!(pool, Pool::Postgres(_)));
    let applied: Vec<i64> = if has_table(pool, "_sqlx_migrations").await? {
        query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version").fetch_all(pool).await?
    } else {
        Vec::new()
    };
    let missing = steps.iter().filter(|step| !applied.contains(&step.number));
    Ok(SchemaState {
        found: applied.last().copied().unwrap_or_default(),
        known: newest(steps),
        oldest_program: oldest_program(pool, applied.last().copied()).await?,
        pending: missing.map(|step| (step.number, step.name)).collect(),
        unknown: applied.into_iter().filter(|number| !steps.iter().any(|known| known.number == *number)).collect(),
    })
}

async fn has_table(pool: &Pool, name: &str) -> Result<bool, sqlx::Error> {
    let text = match pool {
        Pool::Sqlite(_) => "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
        Pool::Postgres(_) => "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)",
    };
    let number: i64 = query_scalar(text).bind(name).fetch_one(pool).await?;
    Ok(number > 0)
}

/// Before the schema said so itself, a program ran on its own step only.
async fn oldest_program(pool: &Pool, newest: Option<i64>) -> Result<i64, sqlx::Error> {
    if has_table(pool, "oldest_program").await? { said(pool).await } else { Ok(newest.unwrap_or_default()) }
}

async fn said(on: impl Into<Target<'_>>) -> Result<i64, sqlx::Error> {
    query_scalar("SELECT step FROM oldest_program").fetch_one(on).await
}

/// Applies what is missing. The caller commits.
pub(crate) async fn apply(tx: &mut Tx) -> Result<(), SchemaError> {
    let failed = |error| SchemaError::Failed(MigrateError::Execute(error));
    // Of several that start at once one does it; the others wait and find it done.
    tx.take_turn(Turn::Migrate).await.map_err(failed)?;
    let steps = steps(tx.is_shared());
    let migrator = migrator_of(steps);
    let applied = match &mut **tx {
        Connection::Sqlite(transaction) => migrator.run_direct(None, &mut **transaction, false).await,
        Connection::Postgres { transaction, .. } => migrator.run_direct(None, &mut **transaction, false).await,
    };
    applied.map_err(|error| match error {
        MigrateError::VersionMismatch(step) => SchemaError::Altered { step },
        error => SchemaError::Failed(error),
    })?;
    let oldest_program = said(&mut **tx).await.map_err(failed)?;
    let known = newest(steps);
    if oldest_program > known {
        let found = query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut **tx).await;
        return Err(SchemaError::Newer { found: found.map_err(failed)?, known, oldest_program });
    }
    let needed = steps.iter().map(|step| step.oldest_program).max().unwrap_or_default();
    query("UPDATE oldest_program SET step = $1 WHERE step < $1")
        .bind(needed)
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    Ok(())
}

fn steps(postgres: bool) -> &'static [Step] {
    if postgres { POSTGRES } else { SQLITE }
}

fn migrator_of(steps: &[Step]) -> Migrator {
    let step = |step: &Step| {
        Migration::new(step.number, step.name.into(), MigrationType::Simple, step.text.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(steps.iter().map(step).collect());
    // Whether a newer schema is one to run on says the schema. The lock that sqlx would take is one of the session.
    migrator.set_ignore_missing(true).set_locking(false);
    migrator
}

fn newest(steps: &[Step]) -> i64 {
    steps.iter().map(|step| step.number).max().unwrap_or_default()
}

/// The steps of this program that a database lacks. Changes nothing.
pub(crate) async fn missing(pool: &Pool) -> Result<usize, SchemaError> {
    let failed = |error| SchemaError::Failed(MigrateError::Execute(error));
    let state = state(pool).await.map_err(failed)?;
    let SchemaState { found, known, oldest_program, .. } = state;
    if found == 0 {
        return Ok(state.pending.len());
    }
    if state.is_too_new() {
        return Err(SchemaError::Newer { found, known, oldest_program });
    }
    let migrator = migrator_of(steps(matches!(pool, Pool::Postgres(_))));
    let applied = query("SELECT version, checksum FROM _sqlx_migrations WHERE success").fetch_all(pool).await;
    for row in applied.map_err(failed)? {
        let (version, checksum): (i64, &[u8]) =
            (row.try_get("version").map_err(failed)?, row.try_get("checksum").map_err(failed)?);
        if migrator.iter().any(|step| step.version == version && *step.checksum != *checksum) {
            return Err(SchemaError::Altered { step: version });
        }
    }
    Ok(state.pending.len())
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    use super::*;

    async fn database_at_step(step: i64) -> Pool {
        let options = SqliteConnectOptions::new().in_memory(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let steps: Vec<_> = SQLITE.iter().filter(|known| known.number <= step).copied().collect();
        let mut tx = pool.begin().await.unwrap();
        migrator_of(&steps).run_direct(None, &mut *tx, false).await.unwrap();
        tx.commit().await.unwrap();
        Pool::Sqlite(pool)
    }

    async fn bring_up_to_date(pool: &Pool) {
        let mut tx = pool.begin().await.unwrap();
        apply(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn next_revocation(pool: &Pool) -> i64 {
        let insert = "INSERT INTO revocations (kind, subject, at) VALUES ('grant', 'g', 0) RETURNING id";
        query_scalar(insert).fetch_one(pool).await.unwrap()
    }

    #[tokio::test]
    async fn the_sequence_of_revocations_goes_on_where_the_older_schema_left_it() {
        // Followers remember the last id: one that came a second time would never be read.
        for kept in [0, 1, 3] {
            let pool = database_at_step(2).await;
            for _ in 0..3 {
                next_revocation(&pool).await;
            }
            query("DELETE FROM revocations WHERE id > $1").bind(kept).execute(&pool).await.unwrap();
            bring_up_to_date(&pool).await;
            let rows: i64 = query_scalar("SELECT count(*) FROM revocations").fetch_one(&pool).await.unwrap();
            assert_eq!((rows, next_revocation(&pool).await), (kept, 4));
        }
        let pool = database_at_step(2).await;
        bring_up_to_date(&pool).await;
        assert_eq!(next_revocation(&pool).await, 1);
    }
}
