use oauth::clock::Timestamp;
use oauth::token::TokenHash;

use super::*;
use crate::audit::AuditEvent;
use crate::database::query;
use crate::selections::{Chosen, Selection, SelectionPurpose};
use crate::sessions::SessionRow;
use crate::testing::{Kind, Login, Scratch, credential, logged_in, rows, tokens};

fn path(at: &Scratch) -> &Path {
    match at.database() {
        Database::Sqlite(path) => path,
        Database::Postgres(_) => panic!("no file"),
    }
}

fn server(at: &Scratch) -> &Server {
    match at.database() {
        Database::Postgres(server) => server,
        Database::Sqlite(_) => panic!("no server"),
    }
}

/// A file with something in every table.
async fn filled() -> Scratch {
    let at = Scratch::new(Kind::Sqlite);
    let store = at.store().await;
    let user = logged_in(&store).await;
    let first = tokens("1", 0);
    store.redeem_code(&TokenHash::of("code"), Timestamp(1), &first).await.unwrap();
    store.rotate(&first.refresh_hash, Timestamp(2), &tokens("2", 0), Some(b"sealed")).await.unwrap();
    Login::of("g2").write(&store).await.unwrap();
    for number in 0..3 {
        Login::of(&format!("r{number}")).write(&store).await.unwrap();
        store.revoke_grant(&format!("r{number}").into(), Timestamp(3)).await.unwrap();
    }
    query("DELETE FROM revocations WHERE id > 1").execute(store.write()).await.unwrap();
    let session = SessionRow {
        id_hash: [7; 32],
        user: user.clone(),
        client: "c".into(),
        grant: "g".into(),
        protocol_version: "2025-11-25".into(),
        initialize: b"{}".to_vec(),
        initialized: true,
        log_level: None,
        subscriptions: vec!["a\u{0}\u{1F600}b".replace('\0', "")],
        created_at: Timestamp(1),
        last_seen: Timestamp(1),
        epoch: 1,
    };
    assert!(store.insert_session(&session, None).await.unwrap());
    let selection = Selection {
        id: "s".into(),
        user,
        purpose: SelectionPurpose::Authorize(b"sealed".to_vec()),
        chosen: vec![Chosen { id: 1, name: "a/b".into() }],
        created_at: Timestamp(1),
        expires_at: Timestamp(9),
    };
    store.begin_selection(&selection, &TokenHash::of("browser")).await.unwrap();
    let event = AuditEvent {
        at: Timestamp(1),
        actor: None,
        client: None,
        event: "login.completed".into(),
        subject: None,
        outcome: "ok".into(),
        detail: None,
        duration_ms: None,
        request_id: None,
    };
    store.record_audit(&vec![event; 450]).await.unwrap();
    store.note_ring(Timestamp(1)).await.unwrap();
    store.close().await;
    at
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_and_goes_on_where_it_was() {
    let (from, to) = (filled().await, Scratch::new(Kind::Postgres));
    let mut seen = Vec::new();
    let moved = transfer(path(&from), server(&to), |progress| seen.push((progress.done, progress.all))).await.unwrap();
    let count = |table: &str| moved.iter().find(|moved| moved.name == table).map(|moved| moved.rows);
    assert_eq!((count("users"), count("grants"), count("audit_events")), (Some(1), Some(5), Some(450)));
    assert_eq!((count("sessions"), count("rings"), count("oldest_program")), (Some(1), Some(1), None));
    let (done, all) = *seen.last().unwrap();
    assert!(done == all && seen.is_sorted() && seen.len() > moved.len(), "{seen:?}");

    let store = to.store().await;
    let bearer = store.access_token(&TokenHash::of("2-access")).await.unwrap().unwrap();
    assert!(bearer.record.grant.is_live());
    let user = bearer.record.grant.user;
    assert_eq!(store.credential(&user).await.unwrap().unwrap().access_token.as_str(), "forgejo-access");
    assert!(store.session(&[7; 32]).await.unwrap().unwrap().initialized);
    let rotated = store.rotate(&TokenHash::of("2-refresh"), Timestamp(5), &tokens("3", 0), None).await.unwrap();
    assert!(matches!(rotated, crate::tokens::Rotated::Won));
    // Three had been numbered, of which one was left.
    store.revoke_grant(&"g2".into(), Timestamp(6)).await.unwrap();
    assert_eq!(store.last_revocation().await.unwrap(), 4);
    let version = store.credential(&user).await.unwrap().unwrap().version;
    assert!(store.save_credential(&user, version, &credential("next")).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_moved_to_where_something_is_nor_twice() {
    let (from, to) = (filled().await, Scratch::new(Kind::Postgres));
    let store = to.store().await;
    crate::testing::client(&store, "another").await;
    let refused = transfer(path(&from), server(&to), |_| {}).await.unwrap_err();
    assert!(matches!(&refused, TransferError::NotEmpty { table, .. } if table == "clients"), "{refused}");
    assert_eq!(rows(&store, "SELECT count(*) FROM clients").await, 1);
    assert_eq!(rows(&store, "SELECT count(*) FROM users").await, 0);

    let empty = Scratch::new(Kind::Postgres);
    transfer(path(&from), server(&empty), |_| {}).await.unwrap();
    let again = transfer(path(&from), server(&empty), |_| {}).await.unwrap_err();
    assert!(matches!(again, TransferError::NotEmpty { .. }), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_otherwise_than_it_was_sent_is_found_and_nothing_stays() {
    let (from, to) = (filled().await, Scratch::new(Kind::Postgres));
    to.store().await.close().await;
    to.run(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.login := 'mallory'; RETURN NEW; END $$; \
         CREATE TRIGGER spoil BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION spoil()",
    );
    let differs = transfer(path(&from), server(&to), |_| {}).await.unwrap_err();
    assert!(
        matches!(&differs, TransferError::Differs { table, sent: 1, arrived: 1, .. } if table == "users"),
        "{differs}"
    );
    let store = to.store().await;
    assert_eq!(rows(&store, "SELECT count(*) FROM users").await, 0);
    assert_eq!(rows(&store, "SELECT count(*) FROM clients").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_move_that_fails_half_way_not_even_the_schema_is_left() {
    let (from, to) = (filled().await, Scratch::new(Kind::Postgres));
    let store = from.store().await;
    // A text that PostgreSQL can't hold.
    query("UPDATE audit_events SET outcome = $1 WHERE id = 450").bind("a\0b").execute(store.write()).await.unwrap();
    store.close().await;
    let failed = transfer(path(&from), server(&to), |_| {}).await.unwrap_err();
    assert!(matches!(failed, TransferError::Sql { .. }), "{failed}");
    assert_eq!(to.run("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_schema_is_behind_is_not_moved() {
    let (from, to) = (filled().await, Scratch::new(Kind::Postgres));
    let store = from.store().await;
    query("DELETE FROM _sqlx_migrations WHERE version = 8").execute(store.write()).await.unwrap();
    store.close().await;
    let refused = transfer(path(&from), server(&to), |_| {}).await.unwrap_err();
    assert!(matches!(&refused, TransferError::Schema { .. }), "{refused}");
    assert!(refused.to_string().contains("fjmcp-broker migrate"), "{refused}");
}
