use std::os::unix::fs::PermissionsExt as _;

use oauth::clock::Timestamp;
use oauth::id::UserId;
use oauth::token::TokenHash;

use super::*;
use crate::administration::{Administration, schema_state};
use crate::database::query_scalar;
use crate::examine::examine;
use crate::testing::{KEY, Kind, Login, OTHER_KEY, Scratch, credential, logged_in, on_each, place, ring, rows, tokens};

const NOW: Timestamp = Timestamp(1);

async fn open(path: &Path, keys: &str) -> Result<Store, OpenError> {
    Store::open(path, ring(keys)).await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_new_database_and_its_companions_are_for_the_owner_only() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    logged_in(&store).await;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_database_that_others_could_read_is_closed_to_them() {
    let (_directory, path) = place();
    open(&path, KEY).await.unwrap().close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    open(&path, KEY).await.unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    let user = logged_in(&store).await;
    store.close().await;
    assert!(!PathBuf::from(format!("{}-wal", path.display())).exists(), "the log is folded into the file");
    let store = open(&path, KEY).await.unwrap();
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!(row.access_token.as_str(), "forgejo-access");
    assert!(store.grant(&"g".into()).await.unwrap().unwrap().is_live());
}

#[tokio::test]
async fn what_was_committed_survives_without_a_close() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    logged_in(&store).await;
    // A copy of file and log is what a kill leaves behind.
    let copy = path.with_file_name("copy.db");
    for suffix in ["", "-wal"] {
        let of = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(of(&path), of(&copy)).unwrap();
    }
    let copy = open(&copy, KEY).await.unwrap();
    assert_eq!(rows(&copy, "SELECT count(*) FROM codes").await, 1);
}

on_each!(the_probe_fails_when_the_database_is_gone);
async fn the_probe_fails_when_the_database_is_gone(at: Scratch) {
    let store = at.store().await;
    store.probe().await.unwrap();
    store.close().await;
    assert!(matches!(store.probe().await, Err(StoreError::Unavailable(_))));
}

on_each!(a_forgotten_key_ends_the_start_and_is_named);
async fn a_forgotten_key_ends_the_start_and_is_named(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.close().await;
    let error = at.open(ring(OTHER_KEY)).await.unwrap_err();
    assert!(matches!(error, OpenError::Keys { source: OpenSealedError::UnknownKey { .. }, .. }), "{error}");
    assert!(error.to_string().contains("66687aad"), "{error}");
    at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
}

on_each!(each_key_in_use_is_tried_at_the_start);
async fn each_key_in_use_is_tried_at_the_start(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.close().await;
    let store = at.open(ring(&format!("{OTHER_KEY},{KEY}"))).await.unwrap();
    Login { sub: "2", ..Login::of("h") }.write(&store).await.unwrap();
    store.close().await;
    assert!(matches!(at.open(ring(OTHER_KEY)).await, Err(OpenError::Keys { .. })));
    assert!(matches!(at.open(ring(KEY)).await, Err(OpenError::Keys { .. })));
}

on_each!(an_altered_schema_step_is_refused);
async fn an_altered_schema_step_is_refused(at: Scratch) {
    let store = at.store().await;
    let alter = query("UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 8").bind([0].as_slice());
    alter.execute(store.write()).await.unwrap();
    store.close().await;
    let error = at.open(ring(KEY)).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema { source: SchemaError::Altered { step: 8 }, .. }), "{error}");
}

/// What a program of tomorrow leaves: a step, and which programs may run on it.
async fn migrate_to_tomorrow(store: &Store, oldest_program: i64) {
    query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of tomorrow', TRUE, $1, 1)",
    )
    .bind([0].as_slice())
    .execute(store.write())
    .await
    .unwrap();
    query("UPDATE oldest_program SET step = $1").bind(oldest_program).execute(store.write()).await.unwrap();
}

on_each!(a_schema_on_which_only_newer_programs_may_run_is_refused);
async fn a_schema_on_which_only_newer_programs_may_run_is_refused(at: Scratch) {
    let store = at.store().await;
    migrate_to_tomorrow(&store, 9999).await;
    store.close().await;
    let error = at.open(ring(KEY)).await.unwrap_err();
    let found =
        matches!(error, OpenError::Schema { source: SchemaError::Newer { found: 9999, oldest_program: 9999, .. }, .. });
    assert!(found, "{error}");
    assert!(error.to_string().contains("start that version"), "{error}");
    let seen = schema_state(at.database()).await.unwrap();
    assert!(seen.is_too_new() && !seen.is_usable() && seen.to_string().contains("9999"), "{seen}");
    assert!(Administration::open(at.database(), "operator").await.is_err());
    assert!(examine(at.database(), &ring(KEY)).await.is_err());
}

on_each!(a_newer_schema_that_lets_this_program_run_is_used_and_left_as_it_is);
async fn a_newer_schema_that_lets_this_program_run_is_used_and_left_as_it_is(at: Scratch) {
    let store = at.store().await;
    let known = schema_state(at.database()).await.unwrap().known;
    migrate_to_tomorrow(&store, known).await;
    let beside = at.store().await;
    logged_in(&beside).await;
    assert!(store.grant(&"g".into()).await.unwrap().is_some(), "both work on it");
    let state = schema_state(at.database()).await.unwrap();
    assert_eq!((state.found, state.oldest_program), (9999, known));
    assert!(state.is_usable() && state.to_string().contains("beside"), "{state}");
    Administration::open(at.database(), "operator").await.unwrap();
    assert_eq!(examine(at.database(), &ring(KEY)).await.unwrap().pending_steps, 0);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_directory, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = "these are somebody's notes, and there are enough of them to be taken for a header".repeat(9);
    std::fs::write(&path, &text).unwrap();
    let error = open(&path, KEY).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_directory_in_place_of_the_file_is_named_and_left_alone() {
    let (directory, _path) = place();
    let before = mode(directory.path());
    let error = open(directory.path(), KEY).await.unwrap_err();
    assert_eq!(mode(directory.path()), before);
    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_that_open_a_new_database_at_once_all_succeed() {
    let (_directory, path) = place();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { open(&path, KEY).await })
        })
        .collect();
    let mut stores = Vec::new();
    for task in tasks {
        stores.push(task.await.unwrap().unwrap());
    }
    logged_in(&stores[0]).await;
    for store in &stores {
        assert!(store.grant(&"g".into()).await.unwrap().is_some());
        let mode: String = query_scalar("PRAGMA journal_mode").fetch_one(store.write()).await.unwrap();
        assert_eq!(mode, "wal");
    }
}

#[tokio::test]
async fn nothing_that_can_be_spent_is_in_the_file() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    logged_in(&store).await;
    store.redeem_code(&TokenHash::of("code"), NOW, &tokens("t", 1)).await.unwrap();
    store.close().await;
    let file = std::fs::read(&path).unwrap();
    for secret in ["forgejo-access", "forgejo-refresh", "t-access", "t-refresh"] {
        assert!(!file.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    assert!(file.windows(5).any(|window| window == b"alice"), "the search finds what is there");
}

#[tokio::test]
async fn an_erased_pair_leaves_no_trace_in_the_file() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    logged_in(&store).await;
    let (first, second) = (tokens("1", 0), tokens("2", 0));
    let sealed = b"a sealed pair that must not be found any more".repeat(3);
    store.redeem_code(&TokenHash::of("code"), NOW, &first).await.unwrap();
    store.rotate(&first.refresh_hash, NOW, &second, Some(&sealed)).await.unwrap();
    assert_eq!(store.erase_expired_successors(Timestamp(2)).await.unwrap(), 1);
    store.close().await;
    let file = std::fs::read(&path).unwrap();
    assert!(!file.windows(15).any(|window| sealed.windows(15).any(|part| part == window)));
}

on_each!(debug_output_shows_nothing_of_a_credential);
async fn debug_output_shows_nothing_of_a_credential(at: Scratch) {
    let store = at.store().await;
    let user: UserId = logged_in(&store).await;
    let row = store.credential(&user).await.unwrap().unwrap();
    let shown = format!("{store:?} {row:?} {:?}", credential("forgejo-access"));
    assert!(!shown.contains("forgejo-"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_that_connect_to_a_new_database_at_once_all_succeed() {
    let at = Scratch::new(Kind::Postgres);
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let database = at.database().clone();
            tokio::spawn(async move { Store::at(&database, ring(KEY)).await })
        })
        .collect();
    let mut stores = Vec::new();
    for task in tasks {
        stores.push(task.await.unwrap().unwrap());
    }
    logged_in(&stores[0]).await;
    for store in &stores {
        assert!(store.grant(&"g".into()).await.unwrap().is_some());
    }
}
