use std::os::unix::fs::PermissionsExt as _;

use oauth::clock::Timestamp;

use super::*;
use crate::store::Store;
use crate::testing::{KEY, Login, logged_in, place, ring};

const NOW: Timestamp = Timestamp(7_000);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_backup_of_a_running_store_is_whole_private_and_never_overwrites() {
    let (directory, path) = place();
    let store = Store::open(&path, ring(KEY)).await.unwrap();
    logged_in(&store).await;
    let backup = directory.path().join("backup.db");
    back_up(&path, &backup).await.unwrap();
    assert_eq!(mode(&backup), 0o600);
    assert!(!unfinished(&backup).exists());
    assert!(matches!(back_up(&path, &backup).await, Err(CopyError::Exists(name)) if name == backup));
    let copy = Store::open(&backup, ring(KEY)).await.unwrap();
    assert!(copy.grant(&"g".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_backup_that_fails_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source.db");
    fs::write(&source, "SQLite format 3\0 and then nonsense").unwrap();
    let backup = directory.path().join("backup.db");
    assert!(back_up(&source, &backup).await.is_err());
    assert!(!backup.exists() && !unfinished(&backup).exists());
    let nowhere = directory.path().join("missing/backup.db");
    fs::remove_file(&source).unwrap();
    assert!(back_up(&source, &nowhere).await.unwrap_err().to_string().contains("there is no database at"));
}

#[tokio::test]
async fn a_restoration_brings_back_what_was_and_keeps_what_is() {
    let (directory, path) = place();
    let store = Store::open(&path, ring(KEY)).await.unwrap();
    logged_in(&store).await;
    let backup = directory.path().join("backup.db");
    back_up(&path, &backup).await.unwrap();
    Login::of("later").write(&store).await.unwrap();
    assert!(matches!(restore(&backup, &path, NOW).await, Err(CopyError::InUse(_))), "the store is open");
    store.close().await;

    let aside = restore(&backup, &path, NOW).await.unwrap().unwrap();
    assert_eq!((mode(&path), mode(&aside)), (0o600, 0o600));
    let restored = Store::open(&path, ring(KEY)).await.unwrap();
    assert!(restored.grant(&"g".into()).await.unwrap().is_some());
    assert!(restored.grant(&"later".into()).await.unwrap().is_none());
    let before = Store::open(&aside, ring(KEY)).await.unwrap();
    assert!(before.grant(&"later".into()).await.unwrap().is_some());
}

#[tokio::test]
async fn nothing_is_restored_under_a_broker_or_from_what_is_no_backup() {
    let (directory, path) = place();
    let store = Store::open(&path, ring(KEY)).await.unwrap();
    logged_in(&store).await;
    let backup = directory.path().join("backup.db");
    back_up(&path, &backup).await.unwrap();
    store.close().await;
    let before = fs::read(&path).unwrap();

    let running = lock(&path).unwrap();
    assert!(matches!(restore(&backup, &path, NOW).await, Err(CopyError::InUse(_))));
    drop(running);
    let mut bytes = fs::read(&backup).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xaa);
    let damaged = directory.path().join("damaged.db");
    fs::write(&damaged, &bytes).unwrap();
    assert!(restore(&damaged, &path, NOW).await.is_err());
    let empty = directory.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    assert!(matches!(restore(&empty, &path, NOW).await, Err(CopyError::Schema { .. })));
    assert_eq!(fs::read(&path).unwrap(), before, "the database was touched");
    assert!(!with_ending(&path, "incoming").exists());
}

#[tokio::test]
async fn a_migration_says_where_the_schema_is() {
    let (_directory, path) = place();
    Store::open(&path, ring(KEY)).await.unwrap().close().await;
    let state = migrate(&Database::Sqlite(path.clone())).await.unwrap();
    assert!(state.is_usable(), "{state}");
    assert!(state.to_string().contains("up to date"));
}
