use super::*;
use crate::database::query;
use crate::testing::{Scratch, logged_in, on_each, race, rows, tokens};

mod family;

const NOW: Timestamp = Timestamp(1000);

/// A grant whose first pair is `1`.
async fn issued(store: &Store) -> NewTokens {
    logged_in(store).await;
    let first = tokens("1", 0);
    store.redeem_code(&TokenHash::of("code"), NOW, &first).await.unwrap();
    first
}

async fn state(store: &Store, hash: &TokenHash) -> RefreshState {
    store.refresh_token(hash).await.unwrap().unwrap().state
}

on_each!(of_64_that_rotate_a_refresh_token_one_wins_and_one_pair_is_minted);
async fn of_64_that_rotate_a_refresh_token_one_wins_and_one_pair_is_minted(at: Scratch) {
    let store = at.store().await;
    let first = issued(&store).await;
    let outcomes = race(64, &store, |store, index| async move {
        store.rotate(&first.refresh_hash, NOW, &tokens(&format!("next {index}"), 0), None).await.unwrap()
    })
    .await;
    let winners: Vec<_> = (0..64).filter(|&index| matches!(outcomes[index], Rotated::Won)).collect();
    assert_eq!(winners.len(), 1);
    let consumed = RefreshState::Consumed { at: NOW, successor: None };
    for outcome in outcomes {
        assert!(
            matches!(outcome, Rotated::Won) || matches!(outcome, Rotated::Lost(record) if record.state == consumed)
        );
    }
    assert_eq!(rows(&store, "SELECT count(*) FROM refresh_tokens").await, 2);
    assert_eq!(rows(&store, "SELECT count(*) FROM access_tokens").await, 2);
    let minted = tokens(&format!("next {}", winners[0]), 0);
    assert_eq!(state(&store, &minted.refresh_hash).await, RefreshState::Valid);
}

on_each!(one_wins_also_when_two_processes_share_the_file);
async fn one_wins_also_when_two_processes_share_the_file(at: Scratch) {
    let one = at.store().await;
    let two = at.store().await;
    let first = issued(&one).await;
    let outcomes = race(32, &one, |one, index| {
        let store = if index % 2 == 0 { one } else { two.clone() };
        async move { store.rotate(&first.refresh_hash, NOW, &tokens(&format!("next {index}"), 0), None).await.unwrap() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Rotated::Won)).count(), 1);
    assert_eq!(rows(&two, "SELECT count(*) FROM refresh_tokens").await, 2);
}

on_each!(the_sealed_pair_is_there_until_its_successor_is_used);
async fn the_sealed_pair_is_there_until_its_successor_is_used(at: Scratch) {
    let store = at.store().await;
    let (first, second, third) = (issued(&store).await, tokens("2", 0), tokens("3", 0));
    store.rotate(&first.refresh_hash, NOW, &second, Some(b"second")).await.unwrap();
    let sealed = |bytes: &[u8]| Some(SealedSuccessor(bytes.to_vec()));
    let consumed = |successor| RefreshState::Consumed { at: NOW, successor };
    assert_eq!(state(&store, &first.refresh_hash).await, consumed(sealed(b"second")));

    store.rotate(&second.refresh_hash, NOW, &third, Some(b"third")).await.unwrap();
    assert_eq!(state(&store, &first.refresh_hash).await, consumed(None));
    assert_eq!(state(&store, &second.refresh_hash).await, consumed(sealed(b"third")));
}

on_each!(a_loser_is_told_the_state_that_it_lost_to);
async fn a_loser_is_told_the_state_that_it_lost_to(at: Scratch) {
    let store = at.store().await;
    let (first, second) = (issued(&store).await, tokens("2", 0));
    store.rotate(&first.refresh_hash, NOW, &second, Some(b"second")).await.unwrap();
    let lost = store.rotate(&first.refresh_hash, Timestamp(2000), &tokens("x", 0), Some(b"x")).await.unwrap();
    let expected = RefreshState::Consumed { at: NOW, successor: Some(SealedSuccessor(b"second".to_vec())) };
    assert!(matches!(lost, Rotated::Lost(record) if record.state == expected && record.grant.id.as_str() == "g"));
    let gone = store.rotate(&TokenHash::of("unknown"), NOW, &tokens("y", 0), None).await.unwrap();
    assert!(matches!(gone, Rotated::Gone));
}

on_each!(a_refresh_token_is_good_until_its_expiry_and_not_after);
async fn a_refresh_token_is_good_until_its_expiry_and_not_after(at: Scratch) {
    let store = at.store().await;
    let first = issued(&store).await;
    let late = Timestamp(first.refresh_expires_at.0 + 1);
    let lost = store.rotate(&first.refresh_hash, late, &tokens("2", late.0), None).await.unwrap();
    assert!(matches!(lost, Rotated::Lost(record) if record.state == RefreshState::Valid && record.expires_at < late));
    let in_time = store.rotate(&first.refresh_hash, first.refresh_expires_at, &tokens("3", 0), None).await.unwrap();
    assert!(matches!(in_time, Rotated::Won));
}

on_each!(a_revoked_access_token_ends_alone);
async fn a_revoked_access_token_ends_alone(at: Scratch) {
    let store = at.store().await;
    let first = issued(&store).await;
    assert!(store.revoke_access_token(&first.access_hash, NOW).await.unwrap());
    assert!(store.access_token(&first.access_hash).await.unwrap().is_none());
    assert_eq!(state(&store, &first.refresh_hash).await, RefreshState::Valid);
}

on_each!(an_access_token_tells_that_its_users_credential_is_dead);
async fn an_access_token_tells_that_its_users_credential_is_dead(at: Scratch) {
    let store = at.store().await;
    let first = issued(&store).await;
    let user = store.access_token(&first.access_hash).await.unwrap().unwrap().record.grant.user;
    store.mark_dead(&user, 1, "revoked at Forgejo").await.unwrap();
    let bearer = store.access_token(&first.access_hash).await.unwrap().unwrap();
    assert_eq!(bearer.dead.as_deref(), Some("revoked at Forgejo"));
}

on_each!(a_rotation_that_is_abandoned_half_way_changes_nothing);
async fn a_rotation_that_is_abandoned_half_way_changes_nothing(at: Scratch) {
    let store = at.store().await;
    let first = issued(&store).await;
    // The second insert fails on a hash that exists; the update and the first insert went well.
    let clash = NewTokens { refresh_hash: first.refresh_hash, ..tokens("2", 0) };
    assert!(store.rotate(&first.refresh_hash, NOW, &clash, None).await.is_err());
    assert_eq!(state(&store, &first.refresh_hash).await, RefreshState::Valid);
    assert!(store.access_token(&clash.access_hash).await.unwrap().is_none());
}

on_each!(an_impossible_mix_of_columns_names_table_column_and_row);
async fn an_impossible_mix_of_columns_names_table_column_and_row(at: Scratch) {
    let store = at.store().await;
    let first = issued(&store).await;
    query("UPDATE grants SET revoked_at = 5").execute(store.write()).await.unwrap();
    query("UPDATE refresh_tokens SET used_at = 1, sealed_successor = $1")
        .bind([0].as_slice())
        .execute(store.write())
        .await
        .unwrap();
    let error = store.refresh_token(&first.refresh_hash).await.unwrap_err();
    let hex = hex::encode(first.refresh_hash.as_bytes());
    assert!(
        matches!(&error, StoreError::Corrupt { table: "refresh_tokens", column: "sealed_successor", row } if *row == hex)
    );
}
