use oauth::id::UserId;

use super::*;
use crate::OpenError;
use crate::authorizations::{NewAuthorization, Purpose};
use crate::database::query_scalar;
use crate::sessions::SessionRow;
use crate::testing::{self, KEY, Login, OTHER_KEY, Scratch, credential, on_each, ring};
use oauth::token::TokenHash;

const USERS: usize = 7;

/// A store under [`KEY`] with users, a session of each, and a login under way.
async fn filled(at: &Scratch) {
    let store = at.store().await;
    testing::client(&store, "c").await;
    for (number, sub) in ["1", "2", "3", "4", "5", "6", "7"].into_iter().enumerate() {
        let login = Login { sub, ..Login::of(&format!("g{sub}")) };
        let user = login.write(&store).await.unwrap().user;
        let session = session(&user, u8::try_from(number).unwrap(), &login.grant);
        assert!(store.insert_session(&session, None).await.unwrap());
    }
    let state_hash = TokenHash::of("state");
    let aad = row_aad("authorizations", "sealed_request", &hex::encode(state_hash.as_bytes()));
    let login = NewAuthorization {
        state_hash,
        browser_hash: TokenHash::of("browser"),
        purpose: Purpose::Authorize,
        sealed_request: &store.keys().seal(b"a request", &aad).unwrap(),
        created_at: Timestamp(1),
        expires_at: Timestamp(100),
    };
    store.begin_authorization(&login).await.unwrap();
    store.close().await;
}

fn session(user: &UserId, id: u8, grant: &str) -> SessionRow {
    SessionRow {
        id_hash: [id; 32],
        user: user.clone(),
        client: "c".into(),
        grant: grant.into(),
        protocol_version: "2025-11-25".into(),
        initialize: b"{}".to_vec(),
        initialized: true,
        log_level: None,
        subscriptions: vec![],
        created_at: Timestamp(1),
        last_seen: Timestamp(1),
        epoch: 1,
    }
}

async fn users(store: &Store) -> Vec<UserId> {
    let ids: Vec<String> = query_scalar("SELECT id FROM users ORDER BY id").fetch_all(store.read()).await.unwrap();
    ids.into_iter().map(UserId::from).collect()
}

async fn reseal_all(store: &Store, limit: u32) -> (Resealed, usize) {
    let (mut cursor, mut sum, mut steps) = (ResealCursor::default(), Resealed::default(), 0);
    while let Some(step) = store.reseal(&mut cursor, limit).await.unwrap() {
        sum.moved += step.moved;
        sum.unreadable += step.unreadable;
        sum.overtaken += step.overtaken;
        steps += 1;
    }
    (sum, steps)
}

on_each!(what_was_sealed_under_an_older_key_lies_under_the_first_one_afterwards_and_opens_without_the_older);
async fn what_was_sealed_under_an_older_key_lies_under_the_first_one_afterwards_and_opens_without_the_older(
    at: Scratch,
) {
    filled(&at).await;
    let store = at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
    let uses = store.key_uses().await.unwrap();
    assert_eq!(uses.iter().map(KeyUse::total).collect::<Vec<_>>(), [0, 3 * USERS as u64 + 1]);
    let (sum, steps) = reseal_all(&store, 2).await;
    assert_eq!(sum, Resealed { moved: 3 * USERS as u64 + 1, ..Resealed::default() });
    assert!(steps > 4, "in batches");
    let uses = store.key_uses().await.unwrap();
    assert_eq!(uses.iter().map(KeyUse::total).collect::<Vec<_>>(), [3 * USERS as u64 + 1, 0]);
    store.close().await;

    let store = at.open(ring(OTHER_KEY)).await.unwrap();
    for user in users(&store).await {
        let row = store.credential(&user).await.unwrap().unwrap();
        assert_eq!((row.access_token.as_str(), row.dead), ("forgejo-access", None));
    }
    assert_eq!(store.session(&[3; 32]).await.unwrap().unwrap().initialize, b"{}");
    let (again, _) = reseal_all(&store, 100).await;
    assert_eq!(again, Resealed::default(), "nothing is left to do");
}

on_each!(a_run_that_was_broken_off_goes_on_where_it_ended);
async fn a_run_that_was_broken_off_goes_on_where_it_ended(at: Scratch) {
    filled(&at).await;
    let store = at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
    let first = store.reseal(&mut ResealCursor::default(), 3).await.unwrap().unwrap();
    assert_eq!(first.moved, 3);
    let (rest, _) = reseal_all(&store, 3).await;
    assert_eq!(rest.moved, 3 * USERS as u64 + 1 - 3);
}

on_each!(what_the_broker_stores_meanwhile_is_not_undone);
async fn what_the_broker_stores_meanwhile_is_not_undone(at: Scratch) {
    filled(&at).await;
    let store = at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
    let user = users(&store).await.remove(0);
    let place = &PLACES[0];
    let before: Vec<u8> =
        query_scalar("SELECT access_token FROM users ORDER BY id LIMIT 1").fetch_one(store.read()).await.unwrap();
    let key = RowKey::Text(user.as_str().to_owned());
    let anew = store.seal_anew(place, &key, &before).unwrap().unwrap();
    let version = store.credential(&user).await.unwrap().unwrap().version;
    assert!(store.save_credential(&user, version, &credential("refreshed")).await.unwrap());
    assert!(!store.swap(place, &key, &before, &anew).await.unwrap());
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!((row.access_token.as_str(), row.version), ("refreshed", version + 1));
}

on_each!(a_value_that_no_key_opens_is_counted_and_left_alone);
async fn a_value_that_no_key_opens_is_counted_and_left_alone(at: Scratch) {
    filled(&at).await;
    let store = Store::at_lacking_keys(at.database(), ring(OTHER_KEY)).await.unwrap();
    let (sum, _) = reseal_all(&store, 4).await;
    assert_eq!(sum, Resealed { unreadable: 3 * USERS as u64 + 1, ..Resealed::default() });
    let uses = store.key_uses().await.unwrap();
    let lost: Vec<_> = uses.iter().filter(|used| used.position.is_none()).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].key, ring(KEY).ids().next());
    store.close().await;
    at.store().await;
}

on_each!(a_lost_key_costs_a_login_and_the_row_says_why);
async fn a_lost_key_costs_a_login_and_the_row_says_why(at: Scratch) {
    filled(&at).await;
    let lost = ring(KEY).ids().next().unwrap();
    assert!(matches!(at.open(ring(OTHER_KEY)).await, Err(OpenError::Keys { .. })), "a start is refused");
    let store = Store::at_lacking_keys(at.database(), ring(OTHER_KEY)).await.unwrap();
    let user = users(&store).await.remove(0);
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!(row.unreadable, Some(OpenSealedError::UnknownKey { id: lost }));
    assert!(row.access_token.is_empty() && row.dead.is_some());

    let forgotten = store.forget_key(lost).await.unwrap().unwrap();
    assert_eq!(forgotten, Forgotten { users: USERS as u64, sessions: USERS as u64, logins: 1 });
    store.close().await;
    let store = at.open(ring(OTHER_KEY)).await.unwrap();
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!((row.dead.as_deref(), row.unreadable), (Some(LOST_KEY), None));
    Login { sub: "1", ..Login::of("new") }.write(&store).await.unwrap();
    let row = store.credential(&user).await.unwrap().unwrap();
    assert_eq!((row.access_token.as_str(), row.dead), ("forgejo-access", None));
    assert_eq!(store.key_uses().await.unwrap().len(), 1);
}

on_each!(a_key_that_comes_back_brings_everything_back);
async fn a_key_that_comes_back_brings_everything_back(at: Scratch) {
    filled(&at).await;
    let store = Store::at_lacking_keys(at.database(), ring(OTHER_KEY)).await.unwrap();
    let user = users(&store).await.remove(0);
    assert!(store.credential(&user).await.unwrap().unwrap().dead.is_some());
    store.close().await;
    let store = at.open(ring(&format!("{OTHER_KEY},{KEY}"))).await.unwrap();
    assert_eq!(store.credential(&user).await.unwrap().unwrap().dead, None);
}

on_each!(a_key_of_the_ring_is_not_forgotten);
async fn a_key_of_the_ring_is_not_forgotten(at: Scratch) {
    filled(&at).await;
    let store = at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
    for id in store.keys().ids() {
        assert_eq!(store.forget_key(id).await.unwrap(), None);
    }
    assert!(store.credential(&users(&store).await[0]).await.unwrap().unwrap().dead.is_none());
}

on_each!(a_session_that_is_written_anyway_moves_to_the_first_key);
async fn a_session_that_is_written_anyway_moves_to_the_first_key(at: Scratch) {
    filled(&at).await;
    let store = at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
    let session = store.session(&[2; 32]).await.unwrap().unwrap();
    assert!(store.update_session(&session).await.unwrap());
    let uses = store.key_uses().await.unwrap();
    assert_eq!(uses[0].values.get("sessions.initialize"), Some(&1));
    assert_eq!(store.session(&[2; 32]).await.unwrap(), Some(session));
}

on_each!(the_first_key_is_in_use_once_a_broker_has_noted_its_ring);
async fn the_first_key_is_in_use_once_a_broker_has_noted_its_ring(at: Scratch) {
    filled(&at).await;
    let store = at.open(ring(&format!("{OTHER_KEY}\n{KEY}"))).await.unwrap();
    assert!(!store.first_key_is_in_use().await.unwrap());
    store.note_ring(Timestamp(1)).await.unwrap();
    store.note_ring(Timestamp(2)).await.unwrap();
    assert!(store.first_key_is_in_use().await.unwrap());
    assert_eq!(testing::rows(&store, "SELECT count(*) FROM rings WHERE seen_at = 2").await, 2);
}
