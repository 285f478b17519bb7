use oauth::token::TokenHash;

use super::*;
use crate::audit::AuditEvent;
use crate::authorizations::{NewAuthorization, Purpose};
use crate::codes::Redeemed;
use crate::testing::{Login, Scratch, client, logged_in, metadata, on_each, rows, tokens};

const DAY: i64 = 86_400_000;

async fn sweep(store: &Store, now: i64) -> Swept {
    store.sweep(Timestamp(now), &Retention::default()).await.unwrap()
}

on_each!(a_sweep_of_a_fresh_store_takes_nothing);
async fn a_sweep_of_a_fresh_store_takes_nothing(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    assert_eq!(sweep(&store, 60_000).await, Swept::default());
}

on_each!(a_login_that_was_never_finished_goes_when_it_expires);
async fn a_login_that_was_never_finished_goes_when_it_expires(at: Scratch) {
    let store = at.store().await;
    let login = NewAuthorization {
        state_hash: TokenHash::of("state"),
        browser_hash: TokenHash::of("browser"),
        purpose: Purpose::Authorize,
        sealed_request: b"",
        created_at: Timestamp(0),
        expires_at: Timestamp(100),
    };
    store.begin_authorization(&login).await.unwrap();
    assert_eq!(sweep(&store, 100).await.authorizations, 0);
    assert_eq!(sweep(&store, 101).await.authorizations, 1);
}

on_each!(a_code_that_nobody_redeemed_goes_with_its_grant);
async fn a_code_that_nobody_redeemed_goes_with_its_grant(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let swept = sweep(&store, 60_001).await;
    assert_eq!((swept.codes, swept.lapsed_grants), (1, vec!["g".into()]));
}

on_each!(a_spent_code_stays_long_enough_to_recognise_a_late_replay);
async fn a_spent_code_stays_long_enough_to_recognise_a_late_replay(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.redeem_code(&TokenHash::of("code"), Timestamp(1), &tokens("t", 0)).await.unwrap();
    assert_eq!(sweep(&store, 600_000).await.codes, 0);
    let replay = store.redeem_code(&TokenHash::of("code"), Timestamp(600_000), &tokens("u", 0)).await.unwrap();
    assert_eq!(replay, Redeemed::AlreadyUsed { at: Timestamp(1) });
    assert_eq!(sweep(&store, 2 * DAY).await.codes, 1);
}

on_each!(an_expired_access_token_goes_alone_and_the_last_refresh_token_takes_the_grant);
async fn an_expired_access_token_goes_alone_and_the_last_refresh_token_takes_the_grant(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.redeem_code(&TokenHash::of("code"), Timestamp(1), &tokens("t", 0)).await.unwrap();
    let swept = sweep(&store, 2 * DAY).await;
    assert_eq!((swept.access_tokens, swept.refresh_tokens, swept.lapsed_grants.len()), (1, 0, 0));
    let swept = sweep(&store, 31 * DAY).await;
    assert_eq!((swept.refresh_tokens, swept.lapsed_grants), (1, vec!["g".into()]));
    assert!(store.grant(&"g".into()).await.unwrap().is_none());
}

on_each!(a_revoked_grant_stays_while_its_refresh_tokens_could_be_replayed);
async fn a_revoked_grant_stays_while_its_refresh_tokens_could_be_replayed(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.redeem_code(&TokenHash::of("code"), Timestamp(1), &tokens("t", 0)).await.unwrap();
    store.revoke_grant(&"g".into(), Timestamp(2)).await.unwrap();
    assert_eq!(sweep(&store, 29 * DAY).await.revoked_grants, 0);
    let swept = sweep(&store, 31 * DAY).await;
    assert_eq!((swept.revoked_grants, swept.lapsed_grants.len()), (1, 0));
}

on_each!(a_sealed_pair_is_erased_at_the_end_of_the_window);
async fn a_sealed_pair_is_erased_at_the_end_of_the_window(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    let first = tokens("1", 0);
    store.redeem_code(&TokenHash::of("code"), Timestamp(0), &first).await.unwrap();
    store.rotate(&first.refresh_hash, Timestamp(0), &tokens("2", 0), Some(b"sealed")).await.unwrap();
    let sealed = "SELECT count(*) FROM refresh_tokens WHERE sealed_successor IS NOT NULL";
    assert_eq!((sweep(&store, 120_000).await.successors, rows(&store, sealed).await), (0, 1));
    assert_eq!((sweep(&store, 120_001).await.successors, rows(&store, sealed).await), (1, 0));
    assert_eq!(rows(&store, "SELECT count(*) FROM refresh_tokens").await, 2);
}

on_each!(dynamic_clients_expire_unless_used_those_never_authorized_first);
async fn dynamic_clients_expire_unless_used_those_never_authorized_first(at: Scratch) {
    let store = at.store().await;
    client(&store, "configured").await;
    for name in ["stranger", "friend"] {
        let metadata = metadata(name);
        store.register_dynamic(&metadata, metadata.digest(), name.into(), Timestamp(0), 9).await.unwrap();
    }
    Login { client: "friend", ..Login::of("g") }.write(&store).await.unwrap();
    store.redeem_code(&TokenHash::of("code"), Timestamp(1), &tokens("t", 0)).await.unwrap();
    assert_eq!(sweep(&store, 30 * DAY).await.clients, 0);
    assert_eq!(sweep(&store, 31 * DAY).await.clients, 1);
    assert!(store.client(&"stranger".into()).await.unwrap().is_none());
    assert_eq!(sweep(&store, 400 * DAY).await.clients, 0);
    assert_eq!(sweep(&store, 401 * DAY).await.clients, 1);
    assert!(store.client(&"configured".into()).await.unwrap().is_some());
}

on_each!(a_client_with_a_grant_stays_however_long_it_was_unused);
async fn a_client_with_a_grant_stays_however_long_it_was_unused(at: Scratch) {
    let store = at.store().await;
    let metadata = metadata("friend");
    store.register_dynamic(&metadata, metadata.digest(), "friend".into(), Timestamp(0), 9).await.unwrap();
    Login { client: "friend", ..Login::of("g") }.write(&store).await.unwrap();
    let pair = crate::tokens::NewTokens { refresh_expires_at: Timestamp(900 * DAY), ..tokens("t", 0) };
    store.redeem_code(&TokenHash::of("code"), Timestamp(1), &pair).await.unwrap();
    assert_eq!(sweep(&store, 800 * DAY).await.clients, 0);
}

on_each!(audit_events_are_kept_90_days_and_revocations_a_day);
async fn audit_events_are_kept_90_days_and_revocations_a_day(at: Scratch) {
    let store = at.store().await;
    logged_in(&store).await;
    store.revoke_grant(&"g".into(), Timestamp(0)).await.unwrap();
    let event = AuditEvent {
        at: Timestamp(0),
        actor: None,
        client: None,
        event: "grant.revoked".into(),
        subject: Some("g".into()),
        outcome: "ok".into(),
        request_id: None,
        detail: None,
        duration_ms: None,
    };
    store.record_audit(&[event]).await.unwrap();
    assert_eq!(sweep(&store, DAY).await.audit_events, 0);
    assert_eq!(store.revocations_after(0, 9).await.unwrap().len(), 1);
    assert_eq!(sweep(&store, 90 * DAY).await.audit_events, 0);
    assert_eq!(store.revocations_after(0, 9).await.unwrap().len(), 0);
    assert_eq!(sweep(&store, 90 * DAY + 1).await.audit_events, 1);
}
