//! A look at a database that changes nothing in it, also while a broker uses it.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::key_ring::KeyRing;
use crate::migrations;
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

/// Looks at the database at `path`: whether it is sound, of a schema that this program can use, and sealed under `keys`.
///
/// # Errors
/// As [`crate::Store::open`], which would fail on it too.
pub async fn examine(path: &Path, keys: &KeyRing) -> Result<Examined, OpenError> {
    let database = |source| OpenError::Database { path: path.to_owned(), source };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(database)?;
    let damage: Vec<(String,)> = sqlx::query_as("PRAGMA quick_check(5)").fetch_all(&pool).await.map_err(database)?;
    let damage: Vec<String> = damage.into_iter().map(|(line,)| line).filter(|line| line != "ok").collect();
    let mut connection = pool.acquire().await.map_err(database)?;
    let pending_steps = migrations::missing(&mut connection)
        .await
        .map_err(|source| OpenError::Schema { path: path.to_owned(), source })?;
    drop(connection);
    let (users,): (i64,) = sqlx::query_as("SELECT count(*) FROM users").fetch_one(&pool).await.map_err(database)?;
    check_keys(&pool, keys, path).await?;
    pool.close().await;
    Ok(Examined { pending_steps, users, damage })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use oauth::random::OsRandom;

    use super::*;
    use crate::Store;
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
        let examined = examine(&path, &keys).await.unwrap();
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
        sqlx::query("INSERT INTO _sqlx_migrations VALUES (99, 'later', 0, TRUE, x'00', 0)")
            .execute(store.write())
            .await
            .unwrap();
        store.close().await;
        let newer = examine(&path, &keys).await;
        let is_newer = matches!(newer, Err(OpenError::Schema { source: SchemaError::Newer { found: 99, .. }, .. }));
        assert!(is_newer, "{newer:?}");

        let rubbish = folder.path().join("rubbish.db");
        std::fs::write(&rubbish, "not a database at all, but long enough to look like a file with a header").unwrap();
        let rubbish = examine(&rubbish, &keys).await;
        assert!(matches!(rubbish, Err(OpenError::Database { .. })), "{rubbish:?}");
        let nowhere = examine(&folder.path().join("nowhere.db"), &keys).await;
        assert!(matches!(nowhere, Err(OpenError::Database { .. })), "{nowhere:?}");
    }
}
