use oauth::grant::GrantLimits;
use oauth::pkce::CodeChallenge;
use oauth::scope::ScopeSet;

use super::*;
use crate::database::query;
use crate::testing::{REDIRECT_URI, RESOURCE, Scratch, logged_in, on_each, race, rows};

fn browser() -> TokenHash {
    TokenHash::of("browser")
}

fn selection(user: &UserId, purpose: SelectionPurpose) -> Selection {
    Selection {
        id: "s".into(),
        user: user.clone(),
        purpose,
        chosen: vec![Chosen { id: 7, name: "alice/hello".into() }],
        created_at: Timestamp(1),
        expires_at: Timestamp(100),
    }
}

fn for_client(user: &UserId) -> Selection {
    selection(user, SelectionPurpose::Authorize(b"sealed".to_vec()))
}

async fn complete(
    store: &Store,
    selection: &Selection,
    browser: &TokenHash,
    number: usize,
) -> Result<bool, StoreError> {
    let (client, challenge) = ("c".into(), CodeChallenge::requested(Some(&"c".repeat(43)), Some("S256")).unwrap());
    let limits = GrantLimits { repositories: Some(vec![7]) };
    let grant = NewGrant {
        id: format!("chosen-{number}").as_str().into(),
        client: &client,
        scope: ScopeSet::READ,
        asked: ScopeSet::READ_WRITE,
        limits: &limits,
        resource: RESOURCE,
    };
    let code = NewCode {
        hash: TokenHash::of(&format!("chosen code {number}")),
        code_challenge: &challenge,
        redirect_uri: REDIRECT_URI,
        expires_at: Timestamp(1000),
    };
    store.complete_selection(selection, browser, &grant, &code, Timestamp(50)).await
}

on_each!(a_choice_is_kept_with_its_purpose_until_it_expires);
async fn a_choice_is_kept_with_its_purpose_until_it_expires(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    for purpose in [SelectionPurpose::Authorize(b"sealed".to_vec()), SelectionPurpose::Change("g".into())] {
        let begun = selection(&user, purpose);
        store.begin_selection(&begun, &browser()).await.unwrap();
        assert_eq!(store.selection("s", &browser(), Timestamp(100)).await.unwrap().as_ref(), Some(&begun));
        assert_eq!(store.selection("s", &browser(), Timestamp(101)).await.unwrap(), None);
        assert!(store.end_selection("s", &browser()).await.unwrap());
    }
}

on_each!(another_browser_neither_sees_nor_changes_nor_ends_a_choice);
async fn another_browser_neither_sees_nor_changes_nor_ends_a_choice(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let (begun, other) = (for_client(&user), TokenHash::of("other"));
    store.begin_selection(&begun, &browser()).await.unwrap();
    assert_eq!(store.selection("s", &other, Timestamp(2)).await.unwrap(), None);
    assert!(!store.choose("s", &other, &[]).await.unwrap());
    assert!(!store.end_selection("s", &other).await.unwrap());
    assert!(!complete(&store, &begun, &other, 0).await.unwrap());
    assert_eq!(store.selection("s", &browser(), Timestamp(2)).await.unwrap(), Some(begun));
}

on_each!(what_is_ticked_later_replaces_what_was_ticked_before);
async fn what_is_ticked_later_replaces_what_was_ticked_before(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    store.begin_selection(&for_client(&user), &browser()).await.unwrap();
    let now_chosen = vec![Chosen { id: 8, name: "acme/röcket".into() }, Chosen { id: 9, name: "bob/x".into() }];
    assert!(store.choose("s", &browser(), &now_chosen).await.unwrap());
    assert_eq!(store.selection("s", &browser(), Timestamp(2)).await.unwrap().unwrap().chosen, now_chosen);
}

on_each!(a_completed_choice_makes_a_limited_grant_that_remembers_what_was_asked);
async fn a_completed_choice_makes_a_limited_grant_that_remembers_what_was_asked(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let begun = for_client(&user);
    store.begin_selection(&begun, &browser()).await.unwrap();
    assert!(complete(&store, &begun, &browser(), 0).await.unwrap());
    let grant = store.grant(&"chosen-0".into()).await.unwrap().unwrap();
    assert_eq!((grant.user, grant.limits.repositories), (user.clone(), Some(vec![7])));
    let connections = store.connections_of(&user).await.unwrap();
    let connection = connections.iter().find(|connection| connection.grant.id == "chosen-0".into()).unwrap();
    assert_eq!((connection.grant.scope, connection.asked), (ScopeSet::READ, ScopeSet::READ_WRITE));
}

on_each!(a_choice_whose_client_is_gone_grants_nothing_and_stays);
async fn a_choice_whose_client_is_gone_grants_nothing_and_stays(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let begun = for_client(&user);
    store.begin_selection(&begun, &browser()).await.unwrap();
    query("DELETE FROM clients").execute(store.write()).await.unwrap();
    assert!(matches!(complete(&store, &begun, &browser(), 0).await, Err(StoreError::ClientGone(_))));
    assert!(store.selection("s", &browser(), Timestamp(2)).await.unwrap().is_some());
    assert_eq!(rows(&store, "SELECT count(*) FROM grants").await, 0);
}

on_each!(of_32_that_allow_the_same_choice_one_gets_a_grant);
async fn of_32_that_allow_the_same_choice_one_gets_a_grant(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    store.begin_selection(&for_client(&user), &browser()).await.unwrap();
    let won = race(32, &store, move |store, number| {
        let begun = for_client(&user);
        async move { complete(&store, &begun, &browser(), number).await.unwrap() }
    })
    .await;
    assert_eq!(won.into_iter().filter(|&won| won).count(), 1);
    assert_eq!(rows(&store, "SELECT count(*) FROM grants WHERE id LIKE 'chosen-%'").await, 1);
}

on_each!(what_was_being_chosen_in_an_account_session_ends_with_it);
async fn what_was_being_chosen_in_an_account_session_ends_with_it(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    store.begin_selection(&selection(&user, SelectionPurpose::Change("g".into())), &browser()).await.unwrap();
    store.end_account_session(&browser()).await.unwrap();
    assert_eq!(rows(&store, "SELECT count(*) FROM selections").await, 0);
}
