use super::*;
use crate::database::{query, query_scalar};
use crate::testing::{Login, Scratch, client, logged_in, on_each};

fn session(user: &UserId, id: u8) -> SessionRow {
    SessionRow {
        id_hash: [id; 32],
        user: user.clone(),
        client: "c".into(),
        grant: "g".into(),
        protocol_version: "2025-11-25".into(),
        initialize: br#"{"clientInfo":{"name":"the client's words"}}"#.to_vec(),
        initialized: false,
        log_level: None,
        subscriptions: vec![],
        created_at: Timestamp(1),
        last_seen: Timestamp(1),
        epoch: 1,
    }
}

on_each!(a_session_is_read_back_as_it_was_written);
async fn a_session_is_read_back_as_it_was_written(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let mut session = session(&user, 1);
    assert!(store.insert_session(&session, None).await.unwrap());
    assert_eq!(store.session(&[1; 32]).await.unwrap(), Some(session.clone()));
    session.initialized = true;
    session.log_level = Some("debug".into());
    session.subscriptions = vec!["forgejo://a/b".into(), "forgejo://c".into()];
    session.last_seen = Timestamp(9);
    assert!(store.update_session(&session).await.unwrap());
    assert_eq!(store.session(&[1; 32]).await.unwrap(), Some(session));
    assert_eq!(store.session(&[2; 32]).await.unwrap(), None);
}

on_each!(what_the_client_said_at_the_start_is_sealed);
async fn what_the_client_said_at_the_start_is_sealed(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    store.insert_session(&session(&user, 1), None).await.unwrap();
    let stored: Vec<u8> = query_scalar("SELECT initialize FROM sessions").fetch_one(store.read()).await.unwrap();
    assert!(!stored.windows(9).any(|window| window == b"the clien"));
    query("UPDATE sessions SET id_hash = $1").bind([2; 32].as_slice()).execute(store.write()).await.unwrap();
    let error = store.session(&[2; 32]).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { table: "sessions", column: "initialize", .. }), "{error}");
}

on_each!(no_session_begins_under_a_grant_that_has_ended_or_is_anothers);
async fn no_session_begins_under_a_grant_that_has_ended_or_is_anothers(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let other = Login { sub: "2", ..Login::of("h") }.write(&store).await.unwrap().user;
    assert!(!store.insert_session(&session(&other, 1), None).await.unwrap());
    let unknown = SessionRow { grant: "unknown".into(), ..session(&user, 1) };
    assert!(!store.insert_session(&unknown, None).await.unwrap());
    store.revoke_grant(&"g".into(), Timestamp(2)).await.unwrap();
    assert!(!store.insert_session(&session(&user, 1), None).await.unwrap());
    assert_eq!(store.session_count().await.unwrap(), 0);
}

on_each!(a_session_moves_to_a_newer_grant_of_the_same_user_and_client_only);
async fn a_session_moves_to_a_newer_grant_of_the_same_user_and_client_only(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    client(&store, "d").await;
    Login::of("newer").write(&store).await.unwrap();
    Login { client: "d", ..Login::of("other-client") }.write(&store).await.unwrap();
    Login { sub: "2", ..Login::of("other-user") }.write(&store).await.unwrap();
    store.insert_session(&session(&user, 1), None).await.unwrap();
    let under = |grant: &str| SessionRow { grant: grant.into(), ..session(&user, 1) };
    assert!(!store.update_session(&under("other-client")).await.unwrap());
    assert!(!store.update_session(&under("other-user")).await.unwrap());
    assert!(!store.update_session(&under("unknown")).await.unwrap());
    assert!(store.update_session(&under("newer")).await.unwrap());
    store.revoke_grant(&"g".into(), Timestamp(2)).await.unwrap();
    assert_eq!(store.session(&[1; 32]).await.unwrap().unwrap().grant.as_str(), "newer");
    store.revoke_grant(&"newer".into(), Timestamp(3)).await.unwrap();
    assert_eq!(store.session(&[1; 32]).await.unwrap(), None);
    assert!(!store.update_session(&under("newer")).await.unwrap(), "an ended session does not come back");
}

on_each!(sessions_are_forgotten_one_by_one_by_grant_and_by_age);
async fn sessions_are_forgotten_one_by_one_by_grant_and_by_age(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    Login::of("h").write(&store).await.unwrap();
    for id in 1..=4 {
        let grant = if id == 4 { "h" } else { "g" };
        let row = SessionRow { grant: grant.into(), last_seen: Timestamp(id.into()), ..session(&user, id) };
        store.insert_session(&row, None).await.unwrap();
    }
    assert_eq!(store.session_count().await.unwrap(), 4);
    store.delete_session(&[2; 32], None).await.unwrap();
    store.delete_session(&[9; 32], None).await.unwrap();
    assert_eq!(store.purge_sessions(Timestamp(3)).await.unwrap(), 1);
    assert_eq!(store.delete_sessions_of_grant(&"g".into()).await.unwrap(), 1);
    assert!(store.session(&[4; 32]).await.unwrap().is_some());
}

on_each!(beyond_a_number_the_longest_unused_sessions_go_unless_they_are_spared);
async fn beyond_a_number_the_longest_unused_sessions_go_unless_they_are_spared(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    for id in 1..=5 {
        let last_seen = Timestamp(i64::from(10 - id));
        store.insert_session(&SessionRow { last_seen, ..session(&user, id) }, None).await.unwrap();
    }
    let trim = |of_user, of_grant, spare: &'static [[u8; 32]]| {
        let (store, user) = (store.clone(), user.clone());
        async move { store.trim_sessions(&user, &"g".into(), of_user, of_grant, spare, "me").await.unwrap() }
    };
    assert_eq!(trim(9, 5, &[]).await, Vec::<[u8; 32]>::new());
    assert_eq!(trim(9, 4, &[]).await, [[5; 32]]);
    assert_eq!(trim(9, 3, &[[4; 32]]).await, [[3; 32]], "the spared one stays, and the next goes for it");
    assert_eq!(trim(1, 9, &[[1; 32], [4; 32]]).await, [[2; 32]]);
    assert_eq!(store.session_count().await.unwrap(), 2);
    assert_eq!(
        store.trim_sessions(&"another".into(), &"h".into(), 0, 0, &[], "me").await.unwrap(),
        Vec::<[u8; 32]>::new()
    );
}
