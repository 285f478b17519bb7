//! Several processes, and logins in the middle of a refresh.

use super::*;

#[tokio::test]
async fn two_processes_make_one_refresh_between_them() {
    let one = Bench::start().await;
    let two = one.other();
    one.fake.advance(3600);
    let (first, second) = tokio::join!(
        futures_util::future::join_all((0..8).map(|_| one.token())),
        futures_util::future::join_all((0..8).map(|_| two.token())),
    );
    let stored = one.stored_token();
    assert!(first.iter().chain(&second).all(|token| token.as_ref() == Ok(&stored)));
    assert_eq!(one.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn a_token_that_is_still_good_does_not_wait_for_the_other_process() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.advance(3600 - 30);
    let now = bench.fake.clock.load(Ordering::SeqCst);
    bench.store.rows.lock().get_mut("alice").unwrap().lease = Some(("two".to_owned(), now + 30_000));
    assert_eq!(bench.token().await.unwrap(), old);
    assert_eq!(bench.fake.seen().refreshes, 0);
}

#[tokio::test]
async fn a_lease_that_its_owner_left_behind_runs_out() {
    let bench = Bench::start().await;
    bench.fake.advance(3600);
    let now = bench.fake.clock.load(Ordering::SeqCst);
    bench.store.rows.lock().get_mut("alice").unwrap().lease = Some(("gone".to_owned(), now - 1));
    assert_eq!(bench.token().await.unwrap(), bench.stored_token());
    assert_eq!(bench.fake.seen().refreshes, 1);
}

/// forgejo.md §1 fact 1: a login kills the refresh token that is on its way.
#[tokio::test]
async fn a_refresh_that_a_login_overtook_uses_what_the_login_stored() {
    let bench = Bench::start().await;
    bench.fake.advance(3600);
    bench.fake.gate.forget_permits(usize::MAX >> 4);
    let ((token, ()), deaths) = (
        tokio::join!(bench.token(), async {
            bench.fake.arrival().await;
            bench.login().await;
            bench.fake.gate.add_permits(100);
        }),
        bench.deaths(),
    );
    assert_eq!(token.unwrap(), bench.stored_token());
    assert_eq!(bench.store.row("alice").dead, None);
    assert_eq!(deaths, 0);
}

#[tokio::test]
async fn a_refresh_that_lands_after_a_later_login_does_not_overwrite_it() {
    let bench = Bench::start().await;
    bench.fake.advance(3600);
    let row = slot::living(Arc::new(bench.store.row("alice"))).unwrap();
    let earlier = bench.fake.client().refresh(&row.refresh_token).await.unwrap();
    let later = bench.login().await;
    let put = bench.credentials.inner.put_at_once(&alice(), &row, &earlier).await.unwrap();
    let parked::Put::Superseded(Ok(row)) = put else { panic!("the older pair was written") };
    assert!(same(&row.refresh_token, &later.refresh_token));
    assert!(same(&bench.store.row("alice").refresh_token, &later.refresh_token));
}

#[tokio::test]
async fn a_login_that_is_stored_late_does_not_keep_a_newer_refresh_out() {
    let bench = Bench::start().await;
    let login = bench.fake.client().exchange(&bench.fake.code(), VERIFIER).await.unwrap();
    let refreshed = bench.fake.client().refresh(&login.refresh_token).await.unwrap();
    let row = slot::living(Arc::new(bench.store.row("alice"))).unwrap();
    bench.store.login("alice", login);
    let put = bench.credentials.inner.put_at_once(&alice(), &row, &refreshed).await.unwrap();
    assert!(matches!(put, parked::Put::Written(_)));
    assert!(same(&bench.store.row("alice").refresh_token, &refreshed.refresh_token));
}

#[tokio::test]
async fn a_login_takes_effect_at_once_even_while_an_older_flight_is_under_way() {
    let bench = Bench::start().await;
    bench.fake.advance(3600);
    bench.fake.gate.forget_permits(usize::MAX >> 4);
    let (_, token) = tokio::join!(bench.token(), async {
        bench.fake.arrival().await;
        // The user had revoked the application: another grant.
        bench.fake.set(|levers| levers.grant += 1);
        bench.login().await;
        bench.credentials.replaced("alice");
        bench.fake.gate.add_permits(100);
        bench.token().await.unwrap()
    });
    assert_eq!(token, bench.stored_token());
    assert_eq!(bench.token().await.unwrap(), token);
}

#[tokio::test]
async fn forgetting_and_replacing_empty_the_cache() {
    let bench = Bench::start().await;
    bench.token().await.unwrap();
    bench.fake.advance(5);
    bench.login().await;
    bench.credentials.replaced("alice");
    assert_eq!(bench.token().await.unwrap(), bench.stored_token());
    bench.store.rows.lock().clear();
    bench.credentials.forget("alice");
    assert_eq!(bench.token().await, Err(CredentialError::Unknown));
}

#[tokio::test]
async fn a_death_that_a_login_overtook_is_not_written() {
    let bench = Bench::start().await;
    let stale = slot::living(Arc::new(bench.store.row("alice"))).unwrap();
    bench.fake.advance(5);
    bench.login().await;
    let landing = bench.credentials.inner.bury(&alice(), stale, "gone".to_owned()).await;
    assert_eq!(landing.unwrap().access_token.expose_secret(), bench.stored_token());
    assert_eq!(bench.store.row("alice").dead, None);
}

/// Another process, which saw only the old row, buried what this one holds in memory.
#[tokio::test]
async fn a_pair_in_memory_outlives_a_death_mark_that_others_wrote_over_its_predecessor() {
    let bench = Bench::start().await;
    bench.store.failing_saves.store(usize::MAX, Ordering::SeqCst);
    bench.fake.advance(3600);
    let token = bench.token().await.unwrap();
    // The lease, which was not given back, keeps the other away for a while.
    bench.fake.advance(31);
    let other = bench.other();
    assert!(matches!(other.token().await, Err(CredentialError::Dead(_))));
    bench.store.failing_saves.store(0, Ordering::SeqCst);
    assert!(bench.credentials.inner.write_parked(&alice()).await);
    assert_eq!(bench.stored_token(), token);
    assert_eq!(bench.store.row("alice").dead, None);
    bench.fake.advance(5);
    assert_eq!(other.token().await.unwrap(), token);
}

#[tokio::test]
async fn a_flight_that_lands_after_a_login_does_not_bring_its_older_token_into_the_cache() {
    let bench = Bench::start().await;
    bench.fake.advance(3600);
    bench.fake.user_gate.forget_permits(usize::MAX >> 4);
    let (older, ()) = tokio::join!(bench.token(), async {
        // Refreshed and stored; only the check of the user is still under way.
        bench.fake.user_arrival().await;
        bench.fake.advance(5);
        bench.login().await;
        bench.credentials.replaced("alice");
        bench.fake.user_gate.add_permits(100);
    });
    assert_ne!(older.unwrap(), bench.stored_token());
    assert_eq!(bench.token().await.unwrap(), bench.stored_token());
}
