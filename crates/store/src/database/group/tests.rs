use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oauth::clock::Timestamp;
use oauth::token::TokenHash;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;
use crate::Store;
use crate::database::{Tx, query};
use crate::testing::{Kind, Login, Scratch, logged_in, race, rows, tokens};
use crate::tokens::Rotated;

/// Writes a row of this name, in its own way.
struct Note {
    name: &'static str,
    way: Way,
    runs: Arc<AtomicUsize>,
}

enum Way {
    Plain,
    /// Writes, and fails then.
    Fails,
    /// Writes what is found to be wrong at the commit only.
    BreaksTheCommit,
    Panics,
    /// SQLite ends the whole transaction by itself, as it does when it is out of disk or memory.
    LosesTheTransaction,
    /// Tells that it has begun, and waits before it writes.
    Waits {
        begun: Arc<Notify>,
        go: Arc<Notify>,
    },
}

impl Work for Note {
    type Done = &'static str;

    async fn run(&self, tx: &mut Connection) -> Result<&'static str, StoreError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if let Way::Waits { begun, go } = &self.way {
            begun.notify_one();
            go.notified().await;
        }
        let row = "INSERT INTO entry_pins (kind, name, forgejo_id, pinned_at) VALUES ('user', $1, 1, 1)";
        query(row).bind(self.name).execute(&mut *tx).await?;
        match self.way {
            Way::Plain | Way::Waits { .. } => {}
            Way::Fails => return Err(StoreError::NotSealed { table: "entry_pins" }),
            Way::Panics => panic!("as the test wants"),
            Way::LosesTheTransaction => {
                query("ROLLBACK").execute(tx).await?;
                return Err(StoreError::NotSealed { table: "entry_pins" });
            }
            Way::BreaksTheCommit => {
                query("PRAGMA defer_foreign_keys = ON").execute(&mut *tx).await?;
                let orphan = "INSERT INTO access_tokens (hash, grant_id, expires_at) VALUES (x'00', 'nobody', 1)";
                query(orphan).execute(tx).await?;
            }
        }
        Ok(self.name)
    }
}

type Told = JoinHandle<Result<&'static str, StoreError>>;

/// A store whose writer is taken, with one piece before it: whoever comes now waits with the others.
struct Busy {
    store: Store,
    taken: Tx,
    first: Told,
    runs: Arc<AtomicUsize>,
    at: Scratch,
}

impl Busy {
    async fn new() -> Self {
        let at = Scratch::new(Kind::Sqlite);
        let store = at.store().await;
        let taken = store.begin().await.unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let first = spawn(&store, "first", Way::Plain, &runs);
        until(&store, |queue| queue.is_served && queue.waiting.is_empty()).await;
        Self { store, taken, first, runs, at }
    }

    /// One more in the queue.
    async fn write(&self, name: &'static str, way: Way) -> Told {
        let before = self.store.group().unwrap().queue.lock().waiting.len();
        let told = spawn(&self.store, name, way, &self.runs);
        until(&self.store, |queue| queue.waiting.len() == before + 1).await;
        told
    }

    /// Lets them go; the store, and how often the pieces have begun meanwhile, the first one included.
    async fn let_go(self) -> (Store, Arc<AtomicUsize>, Scratch) {
        self.taken.rollback().await.unwrap();
        assert_eq!(self.first.await.unwrap().unwrap(), "first");
        (self.store, self.runs, self.at)
    }
}

fn spawn(store: &Store, name: &'static str, way: Way, runs: &Arc<AtomicUsize>) -> Told {
    let (group, note) = (store.group().unwrap().clone(), Note { name, way, runs: runs.clone() });
    tokio::spawn(async move { group.write(note).await })
}

async fn until(store: &Store, is_so: impl Fn(&Queue) -> bool) {
    while !is_so(&store.group().unwrap().queue.lock()) {
        tokio::task::yield_now().await;
    }
}

async fn names(store: &Store) -> Vec<String> {
    let rows = query("SELECT name FROM entry_pins WHERE name <> 'first' ORDER BY name");
    let rows = rows.fetch_all(store.read()).await.unwrap();
    rows.iter().map(|row| row.try_get("name").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_at_the_same_time_are_written_once_each_and_all() {
    let busy = Busy::new().await;
    let told = [busy.write("a", Way::Plain).await, busy.write("b", Way::Plain).await];
    let (store, runs, _at) = busy.let_go().await;
    for (told, name) in told.into_iter().zip(["a", "b"]) {
        assert_eq!(told.await.unwrap().unwrap(), name);
    }
    assert_eq!(names(&store).await, ["a", "b"]);
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_is_told_so_and_harms_none_of_the_others() {
    let busy = Busy::new().await;
    let good = [busy.write("a", Way::Plain).await, busy.write("c", Way::Plain).await];
    let bad = [busy.write("b", Way::Fails).await, busy.write("a", Way::Plain).await];
    let last = busy.write("d", Way::Plain).await;
    let (store, _, _at) = busy.let_go().await;
    for (told, name) in good.into_iter().chain([last]).zip(["a", "c", "d"]) {
        assert_eq!(told.await.unwrap().unwrap(), name);
    }
    let [failed, clashed] = bad;
    assert!(matches!(failed.await.unwrap(), Err(StoreError::NotSealed { .. })));
    assert!(matches!(clashed.await.unwrap(), Err(StoreError::Unavailable(sqlx::Error::Database(_)))));
    assert_eq!(names(&store).await, ["a", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_fails_for_everybody_and_nothing_of_it_is_kept() {
    let busy = Busy::new().await;
    let told = [busy.write("a", Way::Plain).await, busy.write("b", Way::BreaksTheCommit).await];
    let (store, _, _at) = busy.let_go().await;
    for told in told {
        assert!(matches!(told.await.unwrap(), Err(StoreError::NotWritten(_))));
    }
    assert_eq!(names(&store).await, [""; 0]);
    assert_eq!(spawn(&store, "c", Way::Plain, &Arc::default()).await.unwrap().unwrap(), "c", "and life goes on");
    assert_eq!(names(&store).await, ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_caller_who_went_away_before_his_turn_nothing_is_written() {
    let busy = Busy::new().await;
    let told = [busy.write("a", Way::Plain).await, busy.write("b", Way::Plain).await];
    let gone = busy.write("gone", Way::Plain).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let (store, _, _at) = busy.let_go().await;
    for told in told {
        told.await.unwrap().unwrap();
    }
    assert_eq!(names(&store).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_in_the_middle_of_his_turn_takes_nobody_along() {
    let busy = Busy::new().await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let before = busy.write("a", Way::Plain).await;
    let gone = busy.write("gone", Way::Waits { begun: begun.clone(), go: go.clone() }).await;
    let after = busy.write("b", Way::Plain).await;
    let (store, _, _at) = busy.let_go().await;
    begun.notified().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    go.notify_one();
    assert_eq!((before.await.unwrap().unwrap(), after.await.unwrap().unwrap()), ("a", "b"));
    // It had begun, so it is there, and whole.
    assert_eq!(names(&store).await, ["a", "b", "gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_before_the_commit() {
    let busy = Busy::new().await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let written = busy.write("a", Way::Plain).await;
    let slow = busy.write("b", Way::Waits { begun: begun.clone(), go: go.clone() }).await;
    let (store, _, _at) = busy.let_go().await;
    begun.notified().await;
    assert_eq!(names(&store).await, [""; 0]);
    assert!(!written.is_finished(), "its piece is done, its transaction is not");
    go.notify_one();
    written.await.unwrap().unwrap();
    assert_eq!(names(&store).await, ["a", "b"], "as another connection sees it at the time of the answer");
    slow.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_that_panics_leaves_nobody_waiting() {
    let busy = Busy::new().await;
    let told = [busy.write("a", Way::Plain).await, busy.write("b", Way::Panics).await];
    let (store, _, _at) = busy.let_go().await;
    for told in told {
        let told = tokio::time::timeout(Duration::from_mins(1), told).await.expect("nobody answers").unwrap();
        assert!(matches!(told, Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed))));
    }
    assert_eq!(names(&store).await, [""; 0]);
    assert_eq!(spawn(&store, "c", Way::Plain, &Arc::default()).await.unwrap().unwrap(), "c");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_sqlite_ends_by_itself_leaves_nothing_half_written_and_a_writer_that_works() {
    let busy = Busy::new().await;
    let before = busy.write("a", Way::Plain).await;
    let bad = busy.write("b", Way::LosesTheTransaction).await;
    let after = busy.write("c", Way::Plain).await;
    let (store, _, _at) = busy.let_go().await;
    assert_eq!((before.await.unwrap().unwrap(), after.await.unwrap().unwrap()), ("a", "c"));
    assert!(matches!(bad.await.unwrap(), Err(StoreError::NotSealed { .. })));
    assert_eq!(names(&store).await, ["a", "c"]);
    store.probe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_does_no_harm_once_there_is_room() {
    let at = Scratch::new(Kind::Sqlite);
    let store = at.store().await;
    let pages = rows(&store, "SELECT page_count FROM pragma_page_count").await;
    let limit = |pages: i64| query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")));
    limit(pages).execute(store.write()).await.unwrap();
    let event = crate::audit::AuditEvent {
        at: Timestamp(1),
        actor: None,
        client: None,
        event: "tool_called".into(),
        subject: None,
        outcome: "ok".into(),
        detail: Some("x".repeat(50_000)),
        duration_ms: None,
        request_id: None,
    };
    assert!(store.record_audit(std::slice::from_ref(&event)).await.is_err());
    limit(pages + 1_000).execute(store.write()).await.unwrap();
    store.record_audit(std::slice::from_ref(&event)).await.unwrap();
    assert_eq!(spawn(&store, "a", Way::Plain, &Arc::default()).await.unwrap().unwrap(), "a");
    assert_eq!(store.recent_audit(9).await.unwrap(), [event]);
}

#[tokio::test(flavor = "multi_thread")]
async fn once_the_store_is_closed_everybody_is_told() {
    let busy = Busy::new().await;
    let waits = busy.write("a", Way::Plain).await;
    let (closed, store) = (busy.store.clone(), busy.store.clone());
    let closing = tokio::spawn(async move { closed.close().await });
    assert!(matches!(waits.await.unwrap(), Err(StoreError::NotWritten(_))));
    assert!(matches!(busy.first.await.unwrap(), Err(StoreError::NotWritten(_))));
    busy.taken.rollback().await.unwrap();
    closing.await.unwrap();
    let late = spawn(&store, "b", Way::Plain, &Arc::default()).await.unwrap();
    assert!(matches!(late, Err(StoreError::NotWritten(_))));
}

/// What a kill leaves behind is file and log as they are at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_answered_survives_a_kill_at_the_next_moment() {
    let at = Scratch::new(Kind::Sqlite);
    let store = at.store().await;
    logged_in(&store).await;
    let firsts: Vec<_> = (0..12).map(|family| tokens(&format!("first {family}"), 0)).collect();
    for (family, first) in firsts.iter().enumerate() {
        let grant = format!("g{family}");
        Login::of(&grant).write(&store).await.unwrap();
        store.redeem_code(&TokenHash::of(&format!("code-{grant}")), Timestamp(1), first).await.unwrap();
    }
    let crate::Database::Sqlite(path) = at.database().clone() else { panic!("this is SQLite") };
    let copies = race(12, &store, |store, family| {
        let (first, path) = (firsts[family], path.clone());
        async move {
            let next = tokens(&format!("next {family}"), 0);
            let told = store.rotate(&first.refresh_hash, Timestamp(2), &next, Some(b"sealed")).await.unwrap();
            assert!(matches!(told, Rotated::Won));
            let copy = path.with_file_name(format!("copy-{family}.db"));
            for suffix in ["", "-wal"] {
                let of = |path: &std::path::Path| format!("{}{suffix}", path.display());
                std::fs::copy(of(&path), of(&copy)).unwrap();
            }
            (copy, next)
        }
    })
    .await;
    for (copy, next) in copies {
        let copy = Store::open(&copy, crate::testing::ring(crate::testing::KEY)).await.unwrap();
        assert!(copy.refresh_token(&next.refresh_hash).await.unwrap().is_some());
        assert!(copy.access_token(&next.access_hash).await.unwrap().is_some());
    }
}
