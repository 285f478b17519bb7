//! Backup, restoration and schema of a database file, for the operator's commands.
//!
//! A backup is made by SQLite itself (`VACUUM INTO`), so that it is of one moment whatever the running broker writes meanwhile, and it holds
//! nothing of what was deleted. A restoration takes the lock that a running broker holds on its folder, so that neither can happen under
//! the other, and keeps what was there before.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::{Row as _, SqlitePool};

use crate::administration::{self, AdministrationError};
use crate::database::{Database, Pool};
use crate::migrations::{self, SchemaError, SchemaState};
use crate::store::is_busy;

/// Beside the database; a running broker has it locked.
const RUN_FILE: &str = "workers.run";

/// Why there is no copy, or no restoration.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The database can't be read.
    #[error(transparent)]
    Database(#[from] AdministrationError),
    /// SQLite refused in the middle of it.
    #[error("{path}: {source}")]
    Sql {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A file can't be written, moved or read.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing is overwritten.
    #[error("{0} is there already; choose another name, or remove it first")]
    Exists(PathBuf),
    /// A broker is running on the database.
    #[error("a broker is running on {0}; stop it first")]
    InUse(PathBuf),
    /// SQLite finds the file damaged.
    #[error("{path} is damaged: {finding}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The first thing that SQLite found.
        finding: String,
    },
    /// The file is no database of this program, or of a newer one.
    #[error("{path} can't be used: {state}")]
    Schema {
        /// Which file.
        path: PathBuf,
        /// How far its schema is.
        state: SchemaState,
    },
    /// The schema can't be brought up to date.
    #[error("{at}: {source}")]
    Migration {
        /// Which database.
        at: String,
        /// What is wrong.
        source: SchemaError,
    },
}

/// Bytes that the backup of the database at `path` will have at most.
pub async fn size(path: &Path) -> Result<u64, CopyError> {
    let pool = administration::open_file(path).await?;
    let pages: i64 = pragma(&pool, "PRAGMA page_count", path).await?;
    let page: i64 = pragma(&pool, "PRAGMA page_size", path).await?;
    pool.close().await;
    Ok((pages * page).unsigned_abs())
}

/// Where a backup grows until it is whole.
#[must_use]
pub fn unfinished(target: &Path) -> PathBuf {
    with_ending(target, "unfinished")
}

/// Makes a consistent copy (0600) of the database at `source`, running broker or not, and checks it. `target` is there only once it is whole.
pub async fn back_up(source: &Path, target: &Path) -> Result<(), CopyError> {
    let pool = administration::open_file(source).await?;
    // Holds the name, with the right mode, against whoever would take it meanwhile.
    private(target)?;
    let growing = unfinished(target);
    let made = make_copy(&pool, source, &growing).await;
    pool.close().await;
    let moved = made.and_then(|()| rename(&growing, target));
    if moved.is_err() {
        for leftover in [growing.as_path(), target] {
            // Whatever is wrong with the files is in the error already.
            let _ = fs::remove_file(leftover);
        }
    }
    moved
}

async fn make_copy(pool: &SqlitePool, source: &Path, growing: &Path) -> Result<(), CopyError> {
    private(growing)?;
    let sql = |source| CopyError::Sql { path: growing.to_owned(), source };
    // An empty file is what SQLite accepts as not being there; so the mode is ours.
    sqlx::query("VACUUM INTO $1")
        .bind(growing.to_string_lossy().as_ref())
        .execute(pool)
        .await
        .map_err(|error| CopyError::Sql { path: source.to_owned(), source: error })?;
    let copy = administration::open_file(growing).await?;
    let finding = check(&copy).await.map_err(sql);
    copy.close().await;
    refuse_damaged(growing, finding?)?;
    sync(growing)
}

/// Puts the backup at `source` in the place of the database at `target` and says where the old one is now, if there was one.
///
/// # Errors
/// [`CopyError::InUse`] while a broker runs on `target`. In any case `target` is either as it was or wholly replaced.
pub async fn restore(source: &Path, target: &Path, now: oauth::clock::Timestamp) -> Result<Option<PathBuf>, CopyError> {
    let incoming = with_ending(target, "incoming");
    let _lock = lock(target)?;
    let prepared = prepare(source, &incoming, target).await;
    let replaced = prepared.and_then(|()| replace(&incoming, target, now));
    if replaced.is_err() {
        let _ = fs::remove_file(&incoming);
    }
    replaced
}

async fn prepare(source: &Path, incoming: &Path, target: &Path) -> Result<(), CopyError> {
    if !source.is_file() {
        return Err(AdministrationError::Missing(source.to_owned()).into());
    }
    // A copy is looked at, not the backup itself: opening it would make files beside it.
    let mut to = private(incoming)?;
    let mut from = File::open(source).map_err(|error| file(source, error))?;
    io::copy(&mut from, &mut to).map_err(|error| file(incoming, error))?;
    let pool = administration::open_file(incoming).await?;
    let looked = look(&pool, source).await;
    pool.close().await;
    looked?;
    sync(incoming)?;
    if target.is_file() { settle(target).await } else { Ok(()) }
}

async fn look(pool: &SqlitePool, source: &Path) -> Result<(), CopyError> {
    let sql = |error| CopyError::Sql { path: source.to_owned(), source: error };
    refuse_damaged(source, check(pool).await.map_err(sql)?)?;
    let state = migrations::state(&Pool::Sqlite(pool.clone())).await.map_err(sql)?;
    if state.found == 0 || state.is_too_new() {
        return Err(CopyError::Schema { path: source.to_owned(), state });
    }
    Ok(())
}

/// Folds the write-ahead log of the old database into it, so that it is one file. Fails if anybody else has it open.
async fn settle(target: &Path) -> Result<(), CopyError> {
    let pool = match administration::open_file(target).await {
        Ok(pool) => pool,
        // What is no database can be put aside as it is.
        Err(AdministrationError::Database { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let folded = sqlx::query("PRAGMA journal_mode = DELETE").fetch_one(&pool).await;
    pool.close().await;
    let in_use = match &folded {
        Ok(row) => row.try_get::<String, _>(0).is_ok_and(|mode| mode == "wal"),
        Err(error) => is_busy(error),
    };
    // Else it is folded; or not readable, which may be why there is a restoration.
    if in_use { Err(CopyError::InUse(target.to_owned())) } else { Ok(()) }
}

fn replace(incoming: &Path, target: &Path, now: oauth::clock::Timestamp) -> Result<Option<PathBuf>, CopyError> {
    let aside = with_ending(target, &format!("before-restore-{}", now.0 / 1000));
    let was_there = target.exists();
    if was_there {
        if aside.exists() {
            return Err(CopyError::Exists(aside));
        }
        rename(target, &aside)?;
    }
    for companion in ["wal", "shm"] {
        let name = PathBuf::from(format!("{}-{companion}", target.display()));
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file(&name, error)),
            _ => {}
        }
    }
    rename(incoming, target)?;
    Ok(was_there.then_some(aside))
}

/// Brings the schema of a database up to date.
pub async fn migrate(database: &Database) -> Result<SchemaState, CopyError> {
    let pool = administration::open_any(database).await?;
    let sql = |source| CopyError::Database(AdministrationError::of(database, source));
    let migrated = async {
        let mut tx = pool.begin().await.map_err(sql)?;
        migrations::apply(&mut tx).await.map_err(|source| CopyError::Migration { at: database.to_string(), source })?;
        tx.commit().await.map_err(sql)?;
        migrations::state(&pool).await.map_err(sql)
    };
    let state = migrated.await;
    pool.close().await;
    state
}

/// What is wrong with the file, by SQLite's own check.
async fn check(pool: &SqlitePool) -> Result<Option<String>, sqlx::Error> {
    let finding: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(pool).await?;
    Ok((finding != "ok").then_some(finding))
}

fn refuse_damaged(path: &Path, finding: Option<String>) -> Result<(), CopyError> {
    finding.map_or(Ok(()), |finding| Err(CopyError::Damaged { path: path.to_owned(), finding }))
}

async fn pragma(pool: &SqlitePool, text: &'static str, path: &Path) -> Result<i64, CopyError> {
    let sql = |source| CopyError::Sql { path: path.to_owned(), source };
    sqlx::query(text).fetch_one(pool).await.map_err(sql)?.try_get(0).map_err(sql)
}

/// The lock that a broker on this database holds.
pub(crate) fn lock(target: &Path) -> Result<File, CopyError> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = folder.join(RUN_FILE);
    let options = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options
    };
    let locked = options().open(&path).map_err(|error| file(&path, error))?;
    match locked.try_lock() {
        Ok(()) => Ok(locked),
        Err(TryLockError::WouldBlock) => Err(CopyError::InUse(target.to_owned())),
        Err(TryLockError::Error(error)) => Err(file(&path, error)),
    }
}

/// A new empty file that only its owner reads.
fn private(path: &Path) -> Result<File, CopyError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CopyError::Exists(path.to_owned()),
        _ => file(path, error),
    })
}

fn sync(path: &Path) -> Result<(), CopyError> {
    File::open(path).and_then(|opened| opened.sync_all()).map_err(|error| file(path, error))
}

/// Moves a file over another, and has the folder remember it through a power cut.
fn rename(from: &Path, to: &Path) -> Result<(), CopyError> {
    fs::rename(from, to).map_err(|error| file(to, error))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync(folder)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

fn file(path: &Path, source: io::Error) -> CopyError {
    CopyError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
