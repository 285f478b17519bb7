//! A look at a database that changes nothing in it, also while a broker uses it.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::database::{Database, Pool, query_scalar};
use crate::key_ring::KeyRing;
use crate::migrations;
use crate::replicas::{self, LiveReplica};
use crate::store::{OpenError, check_keys};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Steps of the schema that the program will apply at its next start.
    pub pending_steps: usize,
    /// Users who have logged in.
    pub users: i64,
    /// What SQLite says is broken (`PRAGMA quick_check`); empty if nothing is.
    pub damage: Vec<String>,
}

/// Looks at a database: whether it is sound, of a schema that this program can use, and sealed under `keys`.
///
/// # Errors
/// As [`crate::Store::at`], which would fail on it too.
pub async fn examine(database: &Database, keys: &KeyRing) -> Result<Examined, OpenError> {
    let failed = |source| OpenError::of(database, source);
    let (pool, damage) = match database {
        Database::Sqlite(path) => {
            let pool = open_file(path).await.map_err(failed)?;
            let damage = query_scalar("PRAGMA quick_check(5)").fetch_all(&pool).await.map_err(failed)?;
            (pool, damage.into_iter().filter(|line: &String| line != "ok").collect())
        }
        // The server looks after its pages by itself.
        Database::Postgres(server) => {
            server.knock().await.map_err(failed)?;
            (Pool::Postgres(server.pool()), Vec::new())
        }
    };
    let pending_steps =
        migrations::missing(&pool).await.map_err(|source| OpenError::Schema { at: database.to_string(), source })?;
    let mut users = 0;
    if !is_new(&pool).await.map_err(failed)? {
        users = query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await.map_err(failed)?;
        check_keys(&pool, keys, database).await?;
    }
    pool.close().await;
    Ok(Examined { pending_steps, users, damage })
}

/// Brokers on one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbourhood {
    /// Those whose leases are good.
    pub live: Vec<LiveReplica>,
    /// The database's clock, in milliseconds since the Unix epoch.
    pub clock: i64,
}

/// Looks who shares a database; `None` for a file, and where the schema knows nothing of it yet.
///
/// # Errors
/// As [`crate::Store::at`].
pub async fn neighbourhood(database: &Database) -> Result<Option<Neighbourhood>, OpenError> {
    let Database::Postgres(server) = database else { return Ok(None) };
    let failed = |source| OpenError::of(database, source);
    let pool = Pool::Postgres(server.pool());
    let pending = migrations::state(&pool).await.map_err(failed)?.pending;
    let seen = if pending.is_empty() { Some(replicas::look(&pool).await.map_err(failed)?) } else { None };
    pool.close().await;
    Ok(seen)
}

async fn open_file(path: &Path) -> Result<Pool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    Ok(Pool::Sqlite(SqlitePoolOptions::new().max_connections(1).connect_with(options).await?))
}

/// Whether there is nothing in it yet, not even a schema.
async fn is_new(pool: &Pool) -> Result<bool, sqlx::Error> {
    Ok(migrations::state(pool).await?.found == 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oauth::random::OsRandom;

    use super::*;
    use crate::Store;
    use crate::database::query;
    use crate::migrations::SchemaError;

    fn keys() -> Arc<KeyRing> {
        let key = KeyRing::generate(&OsRandom::default()).unwrap();
        Arc::new(KeyRing::parse(&key).unwrap())
    }

    #[tokio::test]
    async fn a_database_in_use_is_looked_at_without_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.db");
        let keys = keys();
        let store = Store::open(&path, Arc::clone(&keys)).await.unwrap();
        let before = std::fs::read(&path).unwrap();
        let examined = examine(&Database::Sqlite(path.clone()), &keys).await.unwrap();
        assert_eq!(examined, Examined { pending_steps: 0, users: 0, damage: Vec::new() });
        assert_eq!(std::fs::read(&path).unwrap(), before);
        store.probe().await.unwrap();
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_and_what_is_none_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.db");
        let keys = keys();
        let store = Store::open(&path, Arc::clone(&keys)).await.unwrap();
        query("INSERT INTO _sqlx_migrations VALUES (99, 'later', 0, TRUE, x'00', 0)")
            .execute(store.write())
            .await
            .unwrap();
        query("UPDATE oldest_program SET step = 99").execute(store.write()).await.unwrap();
        store.close().await;
        let newer = examine(&Database::Sqlite(path.clone()), &keys).await;
        let is_newer = matches!(newer, Err(OpenError::Schema { source: SchemaError::Newer { found: 99, .. }, .. }));
        assert!(is_newer, "{newer:?}");

        let rubbish = folder.path().join("rubbish.db");
        std::fs::write(&rubbish, "not a database at all, but long enough to look like a file with a header").unwrap();
        let rubbish = examine(&Database::Sqlite(rubbish), &keys).await;
        assert!(matches!(rubbish, Err(OpenError::Database { .. })), "{rubbish:?}");
        let nowhere = examine(&Database::Sqlite(folder.path().join("nowhere.db")), &keys).await;
        assert!(matches!(nowhere, Err(OpenError::Database { .. })), "{nowhere:?}");
    }
}
