//! The schema, as numbered steps that are part of the program. Each is applied once and remembered with its checksum.
//!
//! Listed by hand rather than by `sqlx::migrate!`, which would bring sqlx's macros and their build time for one line.

use std::fmt;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::database::{Connection, Pool, Tx};

/// Number, name, text. Never change an entry that has been released: databases remember its checksum.
const STEPS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/sqlite/0001_initial.sql")),
    (2, "client_assertions", include_str!("../migrations/sqlite/0002_client_assertions.sql")),
    (3, "grant_changed", include_str!("../migrations/sqlite/0003_grant_changed.sql")),
    (4, "account", include_str!("../migrations/sqlite/0004_account.sql")),
    (5, "entry_and_audit", include_str!("../migrations/sqlite/0005_entry_and_audit.sql")),
    (6, "ended_sessions", include_str!("../migrations/sqlite/0006_ended_sessions.sql")),
    (7, "rings", include_str!("../migrations/sqlite/0007_rings.sql")),
    (10, "replicas", include_str!("../migrations/sqlite/0010_replicas.sql")),
];

/// Why a database can't be brought to this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Written by a newer program.
    #[error(
        "the database has schema {found}, this program knows schemas up to {known}: it was written by a newer version; \
         start that version, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The database's newest step.
        found: i64,
        /// This program's newest step.
        known: i64,
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
    /// Steps of this program that the database lacks.
    pub pending: Vec<(i64, &'static str)>,
    /// Steps of the database that this program does not know.
    pub unknown: Vec<i64>,
}

// === impl SchemaState ===

impl SchemaState {
    /// Whether the two are the same.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty()
    }
}

impl fmt::Display for SchemaState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_current() {
            return write!(f, "the schema is up to date (step {})", self.found);
        }
        if !self.unknown.is_empty() {
            let Self { found, known, .. } = self;
            return write!(f, "{}", SchemaError::Newer { found: *found, known: *known });
        }
        let pending: Vec<String> = self.pending.iter().map(|(number, name)| format!("{number} ({name})")).collect();
        write!(f, "the schema lacks steps {}: run `fjmcp-broker migrate`, or start the broker", pending.join(", "))
    }
}

/// Reads how far a database is, and changes nothing.
pub(crate) async fn state(pool: &Pool) -> Result<SchemaState, sqlx::Error> {
    let begun: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'")
            .fetch_one(pool)
            .await?;
    let applied: Vec<i64> = if begun == 0 {
        Vec::new()
    } else {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(pool)
            .await?
    };
    let missing = STEPS.iter().filter(|(number, ..)| !applied.contains(number));
    Ok(SchemaState {
        found: applied.last().copied().unwrap_or_default(),
        known: newest(),
        pending: missing.map(|(number, name, _)| (*number, *name)).collect(),
        unknown: applied.into_iter().filter(|number| !STEPS.iter().any(|(known, ..)| known == number)).collect(),
    })
}

/// Applies what is missing. The caller commits.
pub(crate) async fn apply(tx: &mut Tx) -> Result<(), SchemaError> {
    migrator().run_direct(None, &mut **tx, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => SchemaError::Newer { found, known: newest() },
        MigrateError::VersionMismatch(step) => SchemaError::Altered { step },
        error => SchemaError::Failed(error),
    })
}

fn migrator() -> Migrator {
    migrator_of(STEPS)
}

fn migrator_of(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let step = |&(number, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.iter().map(step).collect())
}

fn newest() -> i64 {
    STEPS.iter().map(|step| step.0).max().unwrap_or_default()
}

/// The steps of this program that a database lacks. Changes nothing.
pub(crate) async fn missing(connection: &mut Connection) -> Result<usize, SchemaError> {
    let failed = |error| SchemaError::Failed(MigrateError::Execute(error));
    let applied: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let migrator = migrator();
    for (version, checksum) in &applied {
        let Some(step) = migrator.iter().find(|step| step.version == *version) else {
            return Err(SchemaError::Newer { found: *version, known: newest() });
        };
        if *step.checksum != **checksum {
            return Err(SchemaError::Altered { step: *version });
        }
    }
    Ok(STEPS.len().saturating_sub(applied.len()))
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    use super::*;
    use crate::database::Pool;

    async fn database_at_step(step: i64) -> Pool {
        let options = SqliteConnectOptions::new().in_memory(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let steps: Vec<_> = STEPS.iter().filter(|(number, ..)| *number <= step).copied().collect();
        let mut tx = pool.begin().await.unwrap();
        migrator_of(&steps).run_direct(None, &mut *tx, false).await.unwrap();
        tx.commit().await.unwrap();
        pool
    }

    async fn bring_up_to_date(pool: &Pool) {
        let mut tx = pool.begin().await.unwrap();
        apply(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn next_revocation(pool: &Pool) -> i64 {
        let insert = "INSERT INTO revocations (kind, subject, at) VALUES ('grant', 'g', 0) RETURNING id";
        sqlx::query_scalar(insert).fetch_one(pool).await.unwrap()
    }

    #[tokio::test]
    async fn the_sequence_of_revocations_goes_on_where_the_older_schema_left_it() {
        // Followers remember the last id: one that came a second time would never be read.
        for kept in [0, 1, 3] {
            let pool = database_at_step(2).await;
            for _ in 0..3 {
                next_revocation(&pool).await;
            }
            sqlx::query("DELETE FROM revocations WHERE id > $1").bind(kept).execute(&pool).await.unwrap();
            bring_up_to_date(&pool).await;
            let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM revocations").fetch_one(&pool).await.unwrap();
            assert_eq!((rows, next_revocation(&pool).await), (kept, 4));
        }
        let pool = database_at_step(2).await;
        bring_up_to_date(&pool).await;
        assert_eq!(next_revocation(&pool).await, 1);
    }
}
