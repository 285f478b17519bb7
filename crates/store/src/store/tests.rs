use std::os::unix::fs::PermissionsExt as _;

use oauth::clock::Timestamp;
use oauth::id::UserId;
use oauth::token::TokenHash;

use super::*;
use crate::testing::{KEY, Login, OTHER_KEY, credential, logged_in, place, ring, rows, store, tokens};

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

#[tokio::test]
async fn the_probe_fails_when_the_database_is_gone() {
    let (_directory, store) = store().await;
    store.probe().await.unwrap();
    store.close().await;
    assert!(matches!(store.probe().await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn a_forgotten_key_ends_the_start_and_is_named() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    logged_in(&store).await;
    store.close().await;
    let error = open(&path, OTHER_KEY).await.unwrap_err();
    assert!(matches!(error, OpenError::Keys { source: OpenSealedError::UnknownKey { .. }, .. }), "{error}");
    assert!(error.to_string().contains("66687aad"), "{error}");
    open(&path, &format!("{OTHER_KEY}\n{KEY}")).await.unwrap();
}

#[tokio::test]
async fn each_key_in_use_is_tried_at_the_start() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    logged_in(&store).await;
    store.close().await;
    let store = open(&path, &format!("{OTHER_KEY},{KEY}")).await.unwrap();
    Login { sub: "2", ..Login::of("h") }.write(&store).await.unwrap();
    store.close().await;
    assert!(matches!(open(&path, OTHER_KEY).await, Err(OpenError::Keys { .. })));
    assert!(matches!(open(&path, KEY).await, Err(OpenError::Keys { .. })));
}

#[tokio::test]
async fn an_altered_schema_step_is_refused() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").execute(store.write()).await.unwrap();
    store.close().await;
    let error = open(&path, KEY).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema { source: SchemaError::Altered { step: 1 }, .. }), "{error}");
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let (_directory, path) = place();
    let store = open(&path, KEY).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of tomorrow', TRUE, x'00', 1)",
    )
    .execute(store.write())
    .await
    .unwrap();
    store.close().await;
    let error = open(&path, KEY).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema { source: SchemaError::Newer { found: 9999, .. }, .. }), "{error}");
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
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(store.write()).await.unwrap();
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

#[tokio::test]
async fn debug_output_shows_nothing_of_a_credential() {
    let (_directory, store) = store().await;
    let user: UserId = logged_in(&store).await;
    let row = store.credential(&user).await.unwrap().unwrap();
    let shown = format!("{store:?} {row:?} {:?}", credential("forgejo-access"));
    assert!(!shown.contains("forgejo-"), "{shown}");
}
