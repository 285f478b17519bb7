//! Opening and closing.
//!
//! One connection writes, inside `BEGIN IMMEDIATE`; up to four read. Measured: with several writers a deferred transaction that reads
//! before it writes fails in most cases under load, and immediate ones wait for hundreds of milliseconds; one writer has neither
//! (reference: `SQLITE_BUSY_SNAPSHOT`). Those who wait for the writer at the same time share a transaction (`database/group.rs`). `synchronous=FULL`, because a rotated token that is forgotten in a power cut logs a user out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use sqlx::ConnectOptions as _;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

use crate::credentials;
use crate::database::{Database, Group, Pool, PoolFigures, Server, Tx, Work, again, query};
use crate::error::StoreError;
use crate::key_ring::{KeyRing, OpenSealedError};
use crate::migrations::{self, SchemaError};

/// How long a caller waits for the writer before it is told that the database is not available.
const PATIENCE: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// What each of them remembers of the file at most: negative, so in KiB.
const READERS_CACHE: &str = "-512";
/// How many times [`PATIENCE`] the first connection may take.
const OPENING_TRIES: u32 = 24;

/// The broker's memory. A cheap handle; clones share one database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its directory can't be made or read.
    #[error("{path}: {source}")]
    File {
        /// Which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{path} can't be opened as an SQLite database: {source}")]
    Database {
        /// Which path.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The server does not let us in, or does not answer.
    #[error("the database {at} can't be used: {source}")]
    Server {
        /// Which one; without the password.
        at: String,
        /// What was tried.
        source: sqlx::Error,
    },
    /// The schema is not one that this program can use.
    #[error("{at}: {source}")]
    Schema {
        /// Which database.
        at: String,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// The configured encryption keys don't open what is in the database.
    #[error(
        "{at}: the stored Forgejo tokens can't be read with the configured encryption keys: {source}. If that key is lost for good, give up \
         what lies under it with `fjmcp-broker keys forget ID`: the users concerned log in again"
    )]
    Keys {
        /// Which database.
        at: String,
        /// Names the missing key.
        source: OpenSealedError,
    },
}

struct Inner {
    database: Database,
    write: Pool,
    read: Pool,
    /// Where there is one writer for all.
    group: Option<Group>,
    keys: RwLock<Arc<KeyRing>>,
}

// === impl Store ===

impl Store {
    /// Opens the database at `path`, making file (0600) and directory (0700) where they are missing, brings its schema up to date and
    /// makes sure that `keys` open what it holds.
    pub async fn open(path: &Path, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        let store = Self::open_lacking_keys(path, keys).await?;
        store.check_keys(&store.keys()).await?;
        Ok(store)
    }

    /// Connects to the database at `server`, which has to be there, brings its schema up to date and makes sure that `keys` open what
    /// it holds.
    pub async fn connect(server: &Server, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        let store = Self::connect_lacking_keys(server, keys).await?;
        store.check_keys(&store.keys()).await?;
        Ok(store)
    }

    /// Opens or connects, whichever it is.
    pub async fn at(database: &Database, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        match database {
            Database::Sqlite(path) => Self::open(path, keys).await,
            Database::Postgres(server) => Self::connect(server, keys).await,
        }
    }

    /// The same, whether `keys` open everything or not: what they don't counts as lost.
    pub async fn at_lacking_keys(database: &Database, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        match database {
            Database::Sqlite(path) => Self::open_lacking_keys(path, keys).await,
            Database::Postgres(server) => Self::connect_lacking_keys(server, keys).await,
        }
    }

    /// Connects, whether `keys` open everything or not: what they don't counts as lost.
    pub async fn connect_lacking_keys(server: &Server, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        let at = server.to_string();
        let failed = |source| OpenError::Server { at: at.clone(), source };
        server.knock().await.map_err(failed)?;
        let pool = Pool::Postgres(server.pool());
        let mut tx = pool.begin().await.map_err(failed)?;
        migrations::apply(&mut tx).await.map_err(|source| OpenError::Schema { at: at.clone(), source })?;
        tx.commit().await.map_err(failed)?;
        let database = Database::Postgres(Box::new(server.clone()));
        Ok(Self {
            inner: Arc::new(Inner { database, write: pool.clone(), read: pool, group: None, keys: RwLock::new(keys) }),
        })
    }

    /// The same, whether `keys` open everything or not: what they don't counts as lost.
    pub async fn open_lacking_keys(path: &Path, keys: Arc<KeyRing>) -> Result<Self, OpenError> {
        private_file(path)?;
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        // SQLite gives its companions -wal and -shm the mode of the main file.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let pool = || SqlitePoolOptions::new().acquire_timeout(PATIENCE).test_before_acquire(false).max_lifetime(None);
        let write = pool().max_connections(1).min_connections(1).idle_timeout(None).connect_lazy_with(
            options
                .clone()
                // Erased means overwritten: a sealed pair must not outlive its window in the file's free space.
                .pragma("secure_delete", "ON")
                .optimize_on_close(true, None),
        );
        await_writer(&write).await.map_err(database)?;
        use_wal(&write).await.map_err(database)?;
        let write = Pool::Sqlite(write);
        let mut tx = write.begin().await.map_err(database)?;
        migrations::apply(&mut tx)
            .await
            .map_err(|source| OpenError::Schema { at: path.display().to_string(), source })?;
        tx.commit().await.map_err(database)?;
        let read = Pool::Sqlite(
            pool().max_connections(READERS).connect_lazy_with(
                options
                    .read_only(true)
                    // Most of what is asked often is remembered by the broker, and the rest by the system.
                    .pragma("cache_size", READERS_CACHE),
            ),
        );
        let database = Database::Sqlite(path.to_owned());
        let group = Some(Group::new(write.clone()));
        Ok(Self { inner: Arc::new(Inner { database, write, read, group, keys: RwLock::new(keys) }) })
    }

    /// Whether the database takes writes and answers reads.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.begin().await?.rollback().await?;
        query("SELECT 1 FROM users LIMIT 1").fetch_optional(self.read()).await?;
        Ok(())
    }

    /// Ends all connections after their present work, the writer last, so that the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.inner.read.close().await;
        self.inner.write.close().await;
    }

    /// Connections for reading.
    pub(crate) fn read(&self) -> &Pool {
        &self.inner.read
    }

    /// The writing connection, for a single statement.
    pub(crate) fn write(&self) -> &Pool {
        &self.inner.write
    }

    /// The present time by the database's clock, as SQL: milliseconds since the Unix epoch.
    pub(crate) fn clock_sql(&self) -> &'static str {
        self.read().clock_sql()
    }

    /// The writing connection, for several statements that belong together. Inside, nothing may ask for it a second time.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.inner.write.begin().await?)
    }

    /// Writes something, all or nothing, and returns when it is on the disk. On SQLite those who come at the same time share one
    /// transaction. Inside, nothing may ask for the writing connection.
    pub(crate) async fn transact<W: Work>(&self, work: W) -> Result<W::Done, StoreError> {
        if let Some(group) = &self.inner.group {
            return group.write(work).await;
        }
        again!(self.transact_alone(&work).await)
    }

    #[cfg(test)]
    pub(crate) fn group(&self) -> Option<&Group> {
        self.inner.group.as_ref()
    }

    async fn transact_alone<W: Work>(&self, work: &W) -> Result<W::Done, StoreError> {
        let mut tx = self.begin().await?;
        let done = work.run(&mut tx).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// The ring in use.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.inner.keys.read())
    }

    /// Takes another ring, if it opens what the database holds; else the old one stays.
    pub async fn replace_keys(&self, keys: Arc<KeyRing>) -> Result<(), OpenError> {
        self.check_keys(&keys).await?;
        *self.inner.keys.write() = keys;
        Ok(())
    }

    /// What the connections to PostgreSQL are doing; `None` with SQLite.
    #[must_use]
    pub fn pool_figures(&self) -> Option<PoolFigures> {
        match &self.inner.write {
            Pool::Sqlite(_) => None,
            Pool::Postgres(server) => Some(server.figures()),
        }
    }

    /// Which database it is.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.inner.database
    }

    async fn check_keys(&self, keys: &KeyRing) -> Result<(), OpenError> {
        check_keys(self.read(), keys, &self.inner.database).await
    }
}

impl OpenError {
    pub(crate) fn of(database: &Database, source: sqlx::Error) -> Self {
        match database {
            Database::Sqlite(path) => Self::Database { path: path.clone(), source },
            Database::Postgres(server) => Self::Server { at: server.to_string(), source },
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Tries one stored token of each key, so that a forgotten key ends the start and not the first request.
pub(crate) async fn check_keys(pool: &Pool, keys: &KeyRing, database: &Database) -> Result<(), OpenError> {
    let failed = |source| OpenError::of(database, source);
    let samples =
        query("SELECT min(id) AS id FROM users WHERE length(access_token) > 0 GROUP BY substr(access_token, 1, 5)")
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    for sample in samples {
        let id: String = sample.try_get("id").map_err(failed)?;
        let row =
            query("SELECT access_token FROM users WHERE id = $1").bind(&id).fetch_one(pool).await.map_err(failed)?;
        let sealed: &[u8] = row.try_get("access_token").map_err(failed)?;
        credentials::open_column(keys, credentials::ACCESS_TOKEN, &id, sealed)
            .map_err(|source| OpenError::Keys { at: database.to_string(), source })?;
    }
    Ok(())
}

/// Makes the file before SQLite does, because SQLite would leave its mode to the umask.
///
/// A file that exists is not opened: closing it again would drop the locks that this process may hold on it (POSIX advisory locks).
#[cfg(unix)]
fn private_file(path: &Path) -> Result<(), OpenError> {
    use std::fs::{DirBuilder, OpenOptions, Permissions, set_permissions};
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};

    let failed = |path: &Path, source| OpenError::File { path: path.to_owned(), source };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|source| failed(directory, source))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => path.metadata().and_then(|metadata| {
            if metadata.is_file() {
                set_permissions(path, Permissions::from_mode(0o600))
            } else {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file; name the database file"))
            }
        }),
        made => made.map(drop),
    }
    .map_err(|source| failed(path, source))
}

/// Opens the first connection. A pool gives up on it after its own patience, which a machine under load can exceed; a start has more.
async fn await_writer(write: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut tries_left = OPENING_TRIES;
    loop {
        match write.acquire().await {
            Err(sqlx::Error::PoolTimedOut) if tries_left > 0 => tries_left -= 1,
            done => return done.map(drop),
        }
    }
}

/// Switches to write-ahead logging, which the file remembers. SQLite does not wait for others with this, unlike with everything else:
/// where another process is at the same first start, this one waits for it inside a transaction and tries again.
async fn use_wal(write: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut tries_left = 10;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(write).await {
            Err(error) if is_busy(&error) && tries_left > 0 => {
                tries_left -= 1;
                write.begin_with("BEGIN IMMEDIATE").await?.rollback().await?;
            }
            done => return done.map(drop),
        }
    }
}

pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: i32 = 5;
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // The upper bits say why it is busy.
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

#[cfg(test)]
mod tests;
