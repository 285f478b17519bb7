//! 401s, refused refreshes, and who is dead.

use super::*;

const PROHIBITED: &str = "This account is prohibited from signing in, please contact your site administrator.";

#[tokio::test]
async fn a_401_forces_one_refresh_and_the_new_token_is_tried() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.advance(5);
    let answers = futures_util::future::join_all((0..16).map(|_| bench.after_401(&old))).await;
    let new = bench.stored_token();
    assert_ne!(new, old);
    for answer in answers {
        assert!(matches!(answer, Ok(After401::Retry(token)) if token.expose_secret() == new));
    }
    assert_eq!(bench.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn a_401_with_an_older_token_just_gets_the_current_one() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.advance(5);
    bench.login().await;
    let answer = bench.after_401(&old).await;
    assert!(matches!(answer, Ok(After401::Retry(token)) if token.expose_secret() == bench.stored_token()));
    let again = bench.after_401(&old).await;
    assert!(matches!(again, Ok(After401::Retry(_))));
    assert_eq!(bench.fake.seen().refreshes, 0);
}

#[tokio::test]
pub(crate) async fn a_second_401_within_a_minute_asks_forgejo_and_does_not_refresh() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.advance(5);
    assert!(matches!(bench.after_401(&old).await, Ok(After401::Retry(_))));
    let new = bench.stored_token();
    bench.fake.advance(20);
    let users = bench.fake.seen().users;
    for _ in 0..10 {
        assert!(matches!(bench.after_401(&new).await, Ok(After401::Alive)));
    }
    assert_eq!(bench.fake.seen().refreshes, 1);
    assert_eq!(bench.fake.seen().users, users + 1, "one look serves for a while");
    bench.fake.advance(60);
    assert!(matches!(bench.after_401(&new).await, Ok(After401::Retry(_))));
    assert_eq!(bench.fake.seen().refreshes, 2);
}

#[tokio::test]
async fn a_token_that_has_run_out_within_a_minute_of_a_forced_refresh_is_refreshed_again() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| levers.access_life = 30);
    let old = bench.token().await.unwrap();
    bench.fake.advance(5);
    assert!(matches!(bench.after_401(&old).await, Ok(After401::Retry(_))));
    let short = bench.stored_token();
    bench.fake.advance(31);
    let answer = bench.after_401(&short).await;
    let new = bench.stored_token();
    assert!(matches!(answer, Ok(After401::Retry(token)) if token.expose_secret() == new && new != short));
    assert_eq!((bench.fake.seen().refreshes, bench.deaths()), (2, 0));
}

#[tokio::test]
async fn a_revoked_grant_is_dead_at_the_first_401() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    bench.fake.set(|levers| levers.revoked = true);
    let answer = bench.after_401(&token).await;
    assert!(
        matches!(&answer, Err(CredentialError::Dead(reason)) if reason.contains("grant does not exist")),
        "{answer:?}"
    );
    assert!(matches!(bench.token().await, Err(CredentialError::Dead(_))));
    assert!(bench.credentials.is_dead(&alice()).await.unwrap());
    assert!(bench.store.row("alice").dead.is_some());
    assert_eq!(bench.deaths(), 1);
    assert_eq!(bench.fake.seen().refreshes, 1, "the dead are not refreshed");
}

#[tokio::test]
async fn a_revoked_grant_is_dead_at_the_refresh_by_the_clock() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| levers.revoked = true);
    bench.fake.advance(3600 - 4 * 60);
    bench.credentials.inner.round().await;
    assert!(bench.credentials.is_dead(&alice()).await.unwrap());
    bench.credentials.inner.round().await;
    assert_eq!(bench.deaths(), 1);
}

/// forgejo.md §4.7: the refresh of a deactivated user succeeds, the API says 403.
#[tokio::test]
async fn a_deactivated_user_dies_at_the_refresh_with_forgejos_words() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| levers.user = Some(Canned::message(403, PROHIBITED)));
    bench.fake.advance(3600);
    let answer = bench.token().await;
    assert!(matches!(&answer, Err(CredentialError::Dead(reason)) if reason.contains(PROHIBITED)), "{answer:?}");
    assert_eq!(bench.fake.seen().refreshes, 1);
    assert!(bench.store.row("alice").dead.unwrap().contains(PROHIBITED));
}

/// forgejo.md §4.6: the current access token stays good when a refresh token is used up.
#[tokio::test]
async fn with_a_used_up_refresh_token_the_access_token_serves_to_its_end() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    // A rotation whose answer was lost.
    bench.fake.set(|levers| levers.counter += 1);
    bench.fake.advance(3600 - 30);
    assert_eq!(bench.token().await.unwrap(), token);
    assert_eq!(bench.token().await.unwrap(), token);
    assert_eq!(bench.fake.seen().refreshes, 1);
    assert!(!bench.credentials.is_dead(&alice()).await.unwrap());
    assert_eq!(bench.store.row("alice").lease, None);
    bench.fake.advance(61);
    let answer = bench.token().await;
    assert!(matches!(&answer, Err(CredentialError::Dead(reason)) if reason.contains("already used")), "{answer:?}");
}

#[tokio::test]
async fn a_used_up_refresh_token_and_a_refused_access_token_are_the_end() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    bench.fake.set(|levers| levers.counter += 1);
    assert!(matches!(bench.after_401(&token).await, Ok(After401::Alive)));
    bench.fake.set(|levers| levers.revoked = true);
    bench.fake.advance(20);
    assert!(matches!(bench.after_401(&token).await, Err(CredentialError::Dead(_))));
    assert_eq!(bench.fake.seen().refreshes, 1);
}

/// A rotation that Forgejo made and whose answer never came.
#[tokio::test]
async fn a_lost_answer_is_unavailable_first_and_dead_when_forgejo_says_so() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| levers.token_after_commit = Some(Canned::html(502)));
    bench.fake.advance(3600);
    assert!(is_unavailable(&bench.token().await));
    assert_eq!(bench.deaths(), 0);
    bench.fake.set(|levers| levers.token_after_commit = None);
    bench.fake.advance(10);
    assert!(matches!(bench.token().await, Err(CredentialError::Dead(_))));
}

#[tokio::test]
async fn a_401_while_forgejo_cannot_refresh_is_no_death() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    bench.fake.set(|levers| {
        levers.token = Some(Canned::html(503));
        levers.user = Some(Canned::message(401, "token is expired"));
    });
    for _ in 0..5 {
        assert!(is_unavailable(&bench.after_401(&token).await));
    }
    assert_eq!(bench.fake.seen().refreshes, 1, "the hold-off counts for forced refreshes too");
    assert_eq!(bench.deaths(), 0);
    assert_eq!(bench.store.row("alice").dead, None);
}

#[tokio::test]
async fn a_401_answered_by_a_page_is_no_death() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    bench.fake.set(|levers| {
        levers.token = Some(Canned::denial("invalid_grant", "grant does not exist"));
        levers.user = Some(Canned::html(403));
    });
    assert!(is_unavailable(&bench.after_401(&token).await));
    assert_eq!(bench.deaths(), 0);
}

#[tokio::test]
async fn a_login_revives_here_and_in_other_processes() {
    let one = Bench::start().await;
    let two = one.other();
    let token = one.token().await.unwrap();
    one.fake.set(|levers| levers.revoked = true);
    assert!(one.after_401(&token).await.is_err());
    assert!(two.credentials.is_dead(&alice()).await.unwrap());
    assert_eq!(two.deaths(), 1);

    one.fake.set(|levers| {
        levers.revoked = false;
        levers.grant += 1;
    });
    one.login().await;
    one.credentials.replaced("alice");
    let revived = CredentialEvent::Revived { user: alice() };
    assert_eq!(one.events.lock().last(), Some(&revived));
    assert_eq!(one.token().await.unwrap(), one.stored_token());
    assert!(!one.credentials.is_dead(&alice()).await.unwrap());

    one.fake.advance(5);
    assert!(!two.credentials.is_dead(&alice()).await.unwrap());
    assert_eq!(two.events.lock().last(), Some(&revived));
    assert_eq!(two.token().await.unwrap(), one.stored_token());
    assert_eq!(one.events.lock().len(), 2);
}

#[tokio::test]
async fn a_death_in_the_store_is_known_after_a_restart() {
    let one = Bench::start().await;
    one.fake.set(|levers| levers.revoked = true);
    one.fake.advance(3600);
    assert!(one.token().await.is_err());
    let restarted = one.other();
    assert!(restarted.credentials.is_dead(&alice()).await.unwrap());
    assert!(matches!(restarted.token().await, Err(CredentialError::Dead(_))));
    assert_eq!(one.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn a_store_that_cannot_record_a_death_leaves_the_user_unavailable() {
    let bench = Bench::start().await;
    bench.token().await.unwrap();
    bench.store.down.store(true, Ordering::SeqCst);
    bench.fake.set(|levers| levers.revoked = true);
    bench.fake.advance(3600);
    assert!(is_unavailable(&bench.token().await));
    assert_eq!(bench.deaths(), 0);
}
