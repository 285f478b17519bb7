use super::*;
use crate::testing::{Scratch, logged_in, on_each, race, rows, tokens};

on_each!(a_redeemed_code_makes_its_tokens_good);
async fn a_redeemed_code_makes_its_tokens_good(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let pair = tokens("t", 5);
    assert_eq!(store.redeem_code(&TokenHash::of("code"), Timestamp(5), &pair).await.unwrap(), Redeemed::Issued);
    let bearer = store.access_token(&pair.access_hash).await.unwrap().unwrap();
    assert_eq!((bearer.record.grant.id.as_str(), bearer.login.as_str(), bearer.forgejo_id), ("g", "alice", 1));
    assert_eq!((bearer.record.expires_at, bearer.dead), (pair.access_expires_at, None));
    assert_eq!(bearer.record.grant.last_used_at, Some(Timestamp(5)));
    assert!(store.refresh_token(&pair.refresh_hash).await.unwrap().is_some());
    assert_eq!(store.client(&"c".into()).await.unwrap().unwrap().last_used_at, Timestamp(5));
    assert_eq!(store.code(&TokenHash::of("code")).await.unwrap().unwrap().used_at, Some(Timestamp(5)));
}

on_each!(of_64_that_redeem_a_code_one_wins_and_one_pair_is_minted);
async fn of_64_that_redeem_a_code_one_wins_and_one_pair_is_minted(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let outcomes = race(64, &store, |store, index| async move {
        store.redeem_code(&TokenHash::of("code"), Timestamp(5), &tokens(&index.to_string(), 5)).await.unwrap()
    })
    .await;
    assert_eq!(outcomes.iter().filter(|&&outcome| outcome == Redeemed::Issued).count(), 1);
    assert!(outcomes.iter().all(|&o| o == Redeemed::Issued || o == Redeemed::AlreadyUsed { at: Timestamp(5) }));
    assert_eq!(rows(&store, "SELECT count(*) FROM access_tokens").await, 1);
    assert_eq!(rows(&store, "SELECT count(*) FROM refresh_tokens").await, 1);
}

on_each!(a_code_is_good_until_its_expiry_and_not_after);
async fn a_code_is_good_until_its_expiry_and_not_after(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let late = store.redeem_code(&TokenHash::of("code"), Timestamp(60_001), &tokens("a", 0)).await.unwrap();
    assert_eq!(late, Redeemed::Lapsed);
    let in_time = store.redeem_code(&TokenHash::of("code"), Timestamp(60_000), &tokens("b", 0)).await.unwrap();
    assert_eq!(in_time, Redeemed::Issued);
}

on_each!(an_unknown_code_and_one_of_an_ended_grant_lapse);
async fn an_unknown_code_and_one_of_an_ended_grant_lapse(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let redeem =
        async |code: &str| store.redeem_code(&TokenHash::of(code), Timestamp(2), &tokens(code, 0)).await.unwrap();
    assert_eq!(redeem("no such code").await, Redeemed::Lapsed);
    store.revoke_grant(&"g".into(), Timestamp(1)).await.unwrap();
    assert_eq!(redeem("code").await, Redeemed::Lapsed);
    assert_eq!(rows(&store, "SELECT count(*) FROM access_tokens").await, 0);
}
