use super::*;
use crate::database::query;
use crate::testing::{Login, Scratch, client, credential, logged_in, on_each, race};

const NOW: Timestamp = Timestamp(1000);
const UNTIL: Timestamp = Timestamp(2000);

async fn read(store: &Store, user: &UserId) -> CredentialRow {
    store.credential(user).await.unwrap().unwrap()
}

on_each!(a_stored_credential_is_read_back);
async fn a_stored_credential_is_read_back(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let row = read(&store, &user).await;
    assert_eq!((row.version, row.forgejo_id, row.login.as_str()), (1, 1, "alice"));
    assert_eq!((row.access_token.as_str(), row.refresh_token.as_str()), ("forgejo-access", "forgejo-refresh"));
    assert_eq!((row.grant_id, row.counter, row.dead, row.lease), (Some(7), Some(1), None, None));
    assert!(store.credential(&"nobody".into()).await.unwrap().is_none());
}

on_each!(of_64_that_want_the_lease_one_gets_it);
async fn of_64_that_want_the_lease_one_gets_it(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let taken = race(64, &store, |store, index| {
        let user = user.clone();
        async move { store.take_lease(&user, 1, &format!("owner {index}"), NOW, UNTIL).await.unwrap() }
    })
    .await;
    assert_eq!(taken.into_iter().filter(|&won| won).count(), 1);
    assert_eq!(read(&store, &user).await.version, 1);
}

on_each!(a_lease_keeps_others_away_until_it_runs_out_or_is_given_back);
async fn a_lease_keeps_others_away_until_it_runs_out_or_is_given_back(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    assert!(store.take_lease(&user, 1, "a", NOW, UNTIL).await.unwrap());
    assert!(store.take_lease(&user, 1, "a", NOW, UNTIL).await.unwrap(), "its owner may take it again");
    assert!(!store.take_lease(&user, 1, "b", Timestamp(1999), UNTIL).await.unwrap());
    store.release_lease(&user, "b").await.unwrap();
    assert_eq!(read(&store, &user).await.lease, Some(("a".into(), UNTIL)));
    assert!(store.take_lease(&user, 1, "b", UNTIL, Timestamp(3000)).await.unwrap(), "it has run out");
    store.release_lease(&user, "b").await.unwrap();
    assert!(store.take_lease(&user, 1, "c", NOW, UNTIL).await.unwrap());
}

on_each!(a_lease_on_an_old_version_is_refused);
async fn a_lease_on_an_old_version_is_refused(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    assert!(store.save_credential(&user, 1, &credential("second")).await.unwrap());
    assert!(!store.take_lease(&user, 1, "a", NOW, UNTIL).await.unwrap());
    assert!(store.take_lease(&user, 2, "a", NOW, UNTIL).await.unwrap());
}

on_each!(a_save_over_the_known_version_wins_and_clears_lease_and_death_mark);
async fn a_save_over_the_known_version_wins_and_clears_lease_and_death_mark(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    assert!(store.mark_dead(&user, 1, "refresh refused").await.unwrap());
    assert!(store.take_lease(&user, 2, "a", NOW, UNTIL).await.unwrap());
    let pair = NewCredential { grant_id: None, counter: Some(2), scope: None, ..credential("second") };
    assert!(store.save_credential(&user, 2, &pair).await.unwrap());
    let row = read(&store, &user).await;
    assert_eq!((row.version, row.access_token.as_str(), row.dead, row.lease), (3, "second", None, None));
    assert_eq!((row.grant_id, row.counter), (Some(7), Some(2)), "what is not known anew is kept");
    assert_eq!(store.user(&user).await.unwrap().unwrap().upstream_scope.as_deref(), Some("read:user"));
}

on_each!(a_write_over_an_old_version_changes_nothing);
async fn a_write_over_an_old_version_changes_nothing(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    assert!(store.save_credential(&user, 1, &credential("second")).await.unwrap());
    assert!(!store.save_credential(&user, 1, &credential("late")).await.unwrap());
    assert!(!store.mark_dead(&user, 1, "late").await.unwrap());
    let row = read(&store, &user).await;
    assert_eq!((row.version, row.access_token.as_str(), row.dead), (2, "second", None));
}

on_each!(a_token_moved_to_another_users_row_stays_closed);
async fn a_token_moved_to_another_users_row_stays_closed(at: Scratch) {
    let store = at.store().await;
    let alice = logged_in(&store).await;
    let bob = Login { sub: "2", access_token: "bobs", ..Login::of("h") }.write(&store).await.unwrap().user;
    query("UPDATE users SET access_token = (SELECT access_token FROM users WHERE id = $1) WHERE id = $2")
        .bind(bob.as_str())
        .bind(alice.as_str())
        .execute(store.write())
        .await
        .unwrap();
    let row = store.credential(&alice).await.unwrap().unwrap();
    assert_eq!(row.unreadable, Some(OpenSealedError::Damaged));
    assert!(row.access_token.is_empty() && row.dead.is_some(), "the user has to log in again");
}

const IDLE: Due = Due { refreshed_before: Timestamp(-1), expires_before: Timestamp(-1), active_since: NOW, limit: 10 };

on_each!(a_credential_is_due_when_its_refresh_token_would_lapse_even_if_idle);
async fn a_credential_is_due_when_its_refresh_token_would_lapse_even_if_idle(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    assert!(store.due_credentials(&IDLE).await.unwrap().is_empty());
    let due = Due { refreshed_before: Timestamp(1), ..IDLE };
    assert_eq!(store.due_credentials(&due).await.unwrap(), [user]);
}

on_each!(an_expiring_access_token_is_due_only_for_an_active_user);
async fn an_expiring_access_token_is_due_only_for_an_active_user(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let due = Due { expires_before: Timestamp(3_600_001), ..IDLE };
    assert!(store.due_credentials(&due).await.unwrap().is_empty());
    store.touch_grants(&[("g".into(), NOW)]).await.unwrap();
    assert_eq!(store.due_credentials(&due).await.unwrap(), [user]);
}

on_each!(neither_dead_credentials_nor_users_without_a_live_grant_are_due);
async fn neither_dead_credentials_nor_users_without_a_live_grant_are_due(at: Scratch) {
    let store = at.store().await;
    let alice = logged_in(&store).await;
    Login { sub: "2", ..Login::of("h") }.write(&store).await.unwrap();
    let carol = Login { sub: "3", ..Login::of("i") }.write(&store).await.unwrap().user;
    let due = Due { refreshed_before: NOW, ..IDLE };
    assert_eq!(store.due_credentials(&due).await.unwrap().len(), 3);
    assert_eq!(store.due_credentials(&Due { limit: 2, ..due }).await.unwrap().len(), 2);
    store.mark_dead(&alice, 1, "gone").await.unwrap();
    store.revoke_grant(&"h".into(), NOW).await.unwrap();
    assert_eq!(store.due_credentials(&due).await.unwrap(), [carol]);
}

on_each!(removing_a_user_removes_all_that_hangs_on_him);
async fn removing_a_user_removes_all_that_hangs_on_him(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    client(&store, "other").await;
    query("DELETE FROM users WHERE id = $1").bind(user.as_str()).execute(store.write()).await.unwrap();
    assert_eq!(crate::testing::rows(&store, "SELECT count(*) FROM grants").await, 0);
    assert_eq!(crate::testing::rows(&store, "SELECT count(*) FROM codes").await, 0);
}
