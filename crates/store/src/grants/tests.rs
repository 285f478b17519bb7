use oauth::refresh::RefreshState;
use oauth::scope::ScopeSet;
use oauth::token::TokenHash;

use super::*;
use crate::database::query;
use crate::revocations::{Revocation, Revoked};
use crate::sessions::SessionRow;
use crate::testing::{Login, Scratch, logged_in, on_each, race, rows, tokens};

const NOW: Timestamp = Timestamp(1000);

async fn session(store: &Store, user: UserId) {
    let session = SessionRow {
        id_hash: [1; 32],
        user,
        client: "c".into(),
        grant: "g".into(),
        protocol_version: "2025-06-18".into(),
        initialize: b"{}".to_vec(),
        initialized: true,
        log_level: None,
        subscriptions: vec![],
        created_at: NOW,
        last_seen: NOW,
        epoch: 1,
    };
    assert!(store.insert_session(&session, None).await.unwrap());
}

on_each!(a_revoked_grant_takes_codes_tokens_and_sessions_with_it);
async fn a_revoked_grant_takes_codes_tokens_and_sessions_with_it(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    let (first, second) = (tokens("1", 0), tokens("2", 0));
    store.redeem_code(&TokenHash::of("code"), NOW, &first).await.unwrap();
    store.rotate(&first.refresh_hash, NOW, &second, Some(b"sealed pair")).await.unwrap();
    session(&store, user.clone()).await;

    assert!(store.revoke_grant(&"g".into(), Timestamp(2000)).await.unwrap());

    for token in [first, second] {
        assert!(store.access_token(&token.access_hash).await.unwrap().is_none());
        let refresh = store.refresh_token(&token.refresh_hash).await.unwrap().unwrap();
        assert_eq!(refresh.state, RefreshState::Revoked { at: Timestamp(2000) });
    }
    assert!(store.code(&TokenHash::of("code")).await.unwrap().is_none());
    assert!(store.session(&[1; 32]).await.unwrap().is_none());
    assert!(store.grants_of_user(&user).await.unwrap().is_empty());
    assert_eq!(store.grant(&"g".into()).await.unwrap().unwrap().revoked_at, Some(Timestamp(2000)));
    let sealed = "SELECT count(*) FROM refresh_tokens WHERE sealed_successor IS NOT NULL";
    assert_eq!(rows(&store, sealed).await, 0);
}

on_each!(revoking_one_grant_leaves_the_others_alone);
async fn revoking_one_grant_leaves_the_others_alone(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    Login::of("h").write(&store).await.unwrap();
    let kept = tokens("kept", 0);
    store.redeem_code(&TokenHash::of("code-h"), NOW, &kept).await.unwrap();
    store.revoke_grant(&"g".into(), NOW).await.unwrap();
    assert!(store.access_token(&kept.access_hash).await.unwrap().is_some());
    assert_eq!(store.grants_of_user(&user).await.unwrap().len(), 1);
}

on_each!(a_grant_ends_once_and_is_told_once);
async fn a_grant_ends_once_and_is_told_once(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let ended = race(16, &store, |store, _| async move { store.revoke_grant(&"g".into(), NOW).await.unwrap() }).await;
    assert_eq!(ended.into_iter().filter(|&ended| ended).count(), 1);
    assert!(!store.revoke_grant(&"no such grant".into(), NOW).await.unwrap());
    let told = store.revocations_after(0, 10).await.unwrap();
    assert_eq!(told, [Revocation { id: 1, subject: Revoked::Grant("g".into()), at: NOW }]);
}

on_each!(the_sequence_of_revocations_is_followed_from_where_a_reader_stands);
async fn the_sequence_of_revocations_is_followed_from_where_a_reader_stands(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    assert_eq!(store.last_revocation().await.unwrap(), 0);
    let pair = tokens("t", 0);
    store.redeem_code(&TokenHash::of("code"), NOW, &pair).await.unwrap();
    assert!(store.revoke_access_token(&pair.access_hash, NOW).await.unwrap());
    assert!(!store.revoke_access_token(&pair.access_hash, NOW).await.unwrap());
    store.revoke_grant(&"g".into(), NOW).await.unwrap();
    assert_eq!(store.last_revocation().await.unwrap(), 2);
    let first = store.revocations_after(0, 1).await.unwrap();
    assert!(
        matches!(first[..], [Revocation { id: 1, subject: Revoked::AccessToken(hash), .. }] if hash == pair.access_hash)
    );
    let rest = store.revocations_after(1, 10).await.unwrap();
    assert!(matches!(&rest[..], [Revocation { id: 2, subject: Revoked::Grant(_), .. }]));
}

on_each!(uses_are_noted_in_a_batch_and_never_go_back);
async fn uses_are_noted_in_a_batch_and_never_go_back(at: Scratch) {
    let store = at.store().await;
    let user = logged_in(&store).await;
    Login::of("h").write(&store).await.unwrap();
    store.touch_grants(&[("g".into(), Timestamp(5)), ("h".into(), Timestamp(7)), ("gone".into(), NOW)]).await.unwrap();
    store.touch_grants(&[("g".into(), Timestamp(3))]).await.unwrap();
    let grants = store.grants_of_user(&user).await.unwrap();
    assert_eq!(
        grants.iter().map(|grant| grant.last_used_at).collect::<Vec<_>>(),
        [Some(Timestamp(5)), Some(Timestamp(7))]
    );
    assert_eq!(store.client(&"c".into()).await.unwrap().unwrap().last_used_at, Timestamp(7));
}

on_each!(the_limits_of_a_grant_are_kept);
async fn the_limits_of_a_grant_are_kept(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    query(r#"UPDATE grants SET limits = '{"repositories":[3,5]}', scope = 'read'"#)
        .execute(store.write())
        .await
        .unwrap();
    let grant = store.grant(&"g".into()).await.unwrap().unwrap();
    assert_eq!(grant.limits.repositories, Some(vec![3, 5]));
    assert_eq!(grant.scope.to_string(), "read");
}

on_each!(a_row_that_makes_no_sense_is_named);
async fn a_row_that_makes_no_sense_is_named(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    query("UPDATE grants SET limits = '{\"repos\":1}'").execute(store.write()).await.unwrap();
    let error = store.grant(&"g".into()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { table: "grants", column: "limits", row } if row == "g"), "{error}");
}

fn limited_to(repositories: &[i64]) -> GrantLimits {
    GrantLimits { repositories: Some(repositories.to_vec()) }
}

on_each!(a_changed_grant_keeps_its_tokens_and_other_processes_are_told);
async fn a_changed_grant_keeps_its_tokens_and_other_processes_are_told(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    Login::of("h").write(&store).await.unwrap();
    let pair = tokens("t", 0);
    store.redeem_code(&TokenHash::of("code"), NOW, &pair).await.unwrap();
    assert!(store.change_grant(&"g".into(), ScopeSet::READ, &limited_to(&[3, 5]), NOW).await.unwrap());
    let read = store.access_token(&pair.access_hash).await.unwrap().unwrap().record.grant;
    assert_eq!((read.scope, read.limits), (ScopeSet::READ, limited_to(&[3, 5])));
    let other = store.grant(&"h".into()).await.unwrap().unwrap();
    assert_eq!((other.scope, other.limits), (ScopeSet::READ_WRITE, GrantLimits::default()));
    let told = store.revocations_after(0, 10).await.unwrap();
    assert_eq!(told, [Revocation { id: 1, subject: Revoked::GrantChanged("g".into()), at: NOW }]);
    assert!(store.change_grant(&"g".into(), ScopeSet::READ_WRITE, &GrantLimits::default(), NOW).await.unwrap());
    assert_eq!(store.grant(&"g".into()).await.unwrap().unwrap().limits, GrantLimits::default());
}

on_each!(a_grant_that_has_ended_is_changed_no_more);
async fn a_grant_that_has_ended_is_changed_no_more(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.revoke_grant(&"g".into(), NOW).await.unwrap();
    for id in ["g", "no such grant"] {
        assert!(!store.change_grant(&id.into(), ScopeSet::READ, &limited_to(&[]), NOW).await.unwrap());
    }
    assert_eq!(store.grant(&"g".into()).await.unwrap().unwrap().scope, ScopeSet::READ_WRITE);
    assert_eq!(store.last_revocation().await.unwrap(), 1);
}
