use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    credential_store::{CredentialStoreUnavailable, IssuedPair, StoredCredential},
    fake_forgejo::{Canned, FakeForgejo, START, VERIFIER, secret},
};

mod lease;
pub(crate) mod refusal;

/// The row of every user, with the compare-and-swap that the trait promises.
#[derive(Default)]
struct MemoryStore {
    rows: Mutex<HashMap<Arc<str>, StoredCredential>>,
    loads: AtomicUsize,
    failing_saves: AtomicUsize,
    down: std::sync::atomic::AtomicBool,
}

impl MemoryStore {
    fn row(&self, user: &str) -> StoredCredential {
        self.rows.lock()[user].clone()
    }

    /// What a completed login does: written whatever the version.
    fn login(&self, user: &str, pair: IssuedPair) {
        let mut rows = self.rows.lock();
        let version = rows.get(user).map_or(0, |row| row.version) + 1;
        let row = StoredCredential {
            version,
            identity: KnownIdentity { id: 42, login: "alice".to_owned() },
            access_token: pair.access_token,
            refresh_token: pair.refresh_token,
            expires_at: pair.expires_at,
            refreshed_at: pair.refreshed_at,
            grant_id: pair.grant_id,
            dead: None,
            lease: None,
        };
        rows.insert(Arc::from(user), row);
    }

    fn up(&self) -> Result<(), CredentialStoreUnavailable> {
        if self.down.load(Ordering::SeqCst) { Err(CredentialStoreUnavailable("down".to_owned())) } else { Ok(()) }
    }

    fn write(
        &self,
        user: &str,
        version: i64,
        change: impl FnOnce(&mut StoredCredential),
    ) -> Result<bool, CredentialStoreUnavailable> {
        self.up()?;
        let mut rows = self.rows.lock();
        let Some(row) = rows.get_mut(user).filter(|row| row.version == version) else {
            return Ok(false);
        };
        change(row);
        row.version += 1;
        row.lease = None;
        Ok(true)
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, CredentialStoreUnavailable>>;

impl CredentialStore for MemoryStore {
    fn load(&self, user: Arc<str>) -> Answer<'_, Option<StoredCredential>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        async move { self.up().map(|()| self.rows.lock().get(&user).cloned()) }.boxed()
    }

    fn lease(&self, user: Arc<str>, version: i64, owner: String, now: i64, until: i64) -> Answer<'_, bool> {
        async move {
            self.up()?;
            let mut rows = self.rows.lock();
            let Some(row) = rows.get_mut(&user).filter(|row| row.version == version) else {
                return Ok(false);
            };
            if row.lease.as_ref().is_some_and(|(holder, end)| *holder != owner && *end > now) {
                return Ok(false);
            }
            row.lease = Some((owner, until));
            Ok(true)
        }
        .boxed()
    }

    fn release(&self, user: Arc<str>, owner: String) -> Answer<'_, ()> {
        async move {
            self.up()?;
            if let Some(row) = self.rows.lock().get_mut(&user) {
                row.lease.take_if(|(holder, _)| *holder == owner);
            }
            Ok(())
        }
        .boxed()
    }

    fn save(&self, user: Arc<str>, version: i64, pair: IssuedPair) -> Answer<'_, bool> {
        async move {
            if self.failing_saves.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(CredentialStoreUnavailable("disk full".to_owned()));
            }
            self.write(&user, version, |row| {
                row.access_token = pair.access_token;
                row.refresh_token = pair.refresh_token;
                row.expires_at = pair.expires_at;
                row.refreshed_at = pair.refreshed_at;
                row.grant_id = pair.grant_id;
                row.dead = None;
            })
        }
        .boxed()
    }

    fn mark_dead(&self, user: Arc<str>, version: i64, reason: String) -> Answer<'_, bool> {
        async move { self.write(&user, version, |row| row.dead = Some(reason)) }.boxed()
    }

    fn due(&self, refreshed_before: i64, expires_before: i64, _: i64, limit: u32) -> Answer<'_, Vec<Arc<str>>> {
        async move {
            self.up()?;
            let rows = self.rows.lock();
            let due = rows.iter().filter(|(_, row)| {
                row.dead.is_none() && (row.refreshed_at < refreshed_before || row.expires_at < expires_before)
            });
            Ok(due.map(|(user, _)| Arc::clone(user)).take(usize::try_from(limit).unwrap()).collect())
        }
        .boxed()
    }
}

/// One process.
struct Bench {
    fake: FakeForgejo,
    store: Arc<MemoryStore>,
    credentials: Credentials,
    events: Arc<Mutex<Vec<CredentialEvent>>>,
}

impl Bench {
    async fn start() -> Self {
        let bench = Self::beside(FakeForgejo::start().await, Arc::default(), "one");
        bench.login().await;
        bench
    }

    fn beside(fake: FakeForgejo, store: Arc<MemoryStore>, owner: &str) -> Self {
        let events: Arc<Mutex<Vec<CredentialEvent>>> = Arc::default();
        let heard = Arc::clone(&events);
        let credentials = Credentials::new(
            fake.client(),
            Arc::clone(&store) as Arc<dyn CredentialStore>,
            fake.now(),
            owner.to_owned(),
            Arc::new(move |event| {
                if !matches!(event, CredentialEvent::Refreshed(_)) {
                    heard.lock().push(event);
                }
            }),
        );
        Self { fake, store, credentials, events }
    }

    /// A second process over the same store and Forgejo.
    fn other(&self) -> Self {
        Self::beside(self.fake.clone(), Arc::clone(&self.store), "two")
    }

    /// A login as the broker completes it, but for the call of `replaced`.
    async fn login(&self) -> IssuedPair {
        let pair = self.fake.client().exchange(&self.fake.code(), VERIFIER).await.unwrap();
        self.store.login("alice", pair.clone());
        pair
    }

    async fn token(&self) -> Result<String, CredentialError> {
        self.credentials.access_token(alice()).await.map(|token| token.expose_secret().to_owned())
    }

    async fn after_401(&self, failed: &str) -> Result<After401, CredentialError> {
        self.credentials.after_401(alice(), secret(failed)).await
    }

    fn stored_token(&self) -> String {
        self.store.row("alice").access_token.expose_secret().to_owned()
    }

    fn deaths(&self) -> usize {
        self.events.lock().iter().filter(|event| matches!(event, CredentialEvent::Died { .. })).count()
    }
}

fn alice() -> Arc<str> {
    Arc::from("alice")
}

fn is_unavailable<T>(result: &Result<T, CredentialError>) -> bool {
    matches!(result, Err(CredentialError::Unavailable { retry_after, .. }) if *retry_after > 0)
}

#[tokio::test]
async fn a_good_token_costs_neither_store_nor_forgejo() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    let loads = bench.store.loads.load(Ordering::SeqCst);
    for _ in 0..100 {
        assert_eq!(bench.token().await.unwrap(), token);
        assert!(!bench.credentials.is_dead(&alice()).await.unwrap());
    }
    assert_eq!(bench.store.loads.load(Ordering::SeqCst), loads);
    assert_eq!(bench.fake.seen().refreshes, 0);
    assert_eq!(bench.credentials.identity(alice()).await.unwrap().login, "alice");
}

#[tokio::test]
async fn a_user_without_a_row_is_unknown() {
    let bench = Bench::start().await;
    let nobody: Arc<str> = Arc::from("nobody");
    assert_eq!(bench.credentials.access_token(Arc::clone(&nobody)).await.unwrap_err(), CredentialError::Unknown);
    assert_eq!(bench.credentials.is_dead(&nobody).await, Err(CredentialError::Unknown));
    assert_eq!(bench.credentials.identity(nobody).await, None);
}

/// Issue A: 16 sessions of one user while his Forgejo token expires.
#[tokio::test]
pub(crate) async fn sixteen_calls_at_expiry_make_one_refresh() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.advance(3600);
    let loads = bench.store.loads.load(Ordering::SeqCst);
    let tokens = futures_util::future::join_all((0..16).map(|_| bench.token())).await;
    let new = bench.stored_token();
    assert!(tokens.iter().all(|token| token.as_ref() == Ok(&new)), "{tokens:?}");
    assert_ne!(new, old);
    assert_eq!(bench.fake.seen().refreshes, 1);
    assert_eq!(bench.store.loads.load(Ordering::SeqCst), loads + 1, "all share one flight");
    assert_eq!(bench.store.row("alice").lease, None);
}

#[tokio::test]
async fn within_the_lead_nobody_waits_for_the_refresh() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.gate.forget_permits(usize::MAX >> 4);
    bench.fake.advance(3600 - 4 * 60);
    assert_eq!(bench.token().await.unwrap(), old);
    bench.fake.arrival().await;
    assert_eq!(bench.token().await.unwrap(), old);
    bench.fake.gate.add_permits(100);
    bench.fake.advance(3 * 60 + 30);
    assert_ne!(bench.token().await.unwrap(), old, "in the last minute callers wait");
    assert_eq!(bench.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn callers_that_go_away_do_not_break_off_the_refresh() {
    let bench = Bench::start().await;
    bench.fake.gate.forget_permits(usize::MAX >> 4);
    bench.fake.advance(3600);
    let (access, refresh) = (bench.stored_token(), bench.store.row("alice").refresh_token);
    tokio::select! {
        _ = bench.token() => panic!("the gate is shut"),
        () = bench.fake.arrival() => {}
    }
    bench.fake.gate.add_permits(100);
    assert_ne!(bench.token().await.unwrap(), access);
    assert_ne!(bench.store.row("alice").refresh_token.expose_secret(), refresh.expose_secret());
    assert_eq!(bench.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn an_unreachable_forgejo_is_unavailable_and_never_a_death() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    for canned in [Canned::html(500), Canned::html(502), Canned::html(200), Canned::html(400)] {
        bench.fake.set(|levers| levers.token = Some(canned));
        bench.fake.advance(3600);
        assert!(is_unavailable(&bench.token().await));
        assert!(!bench.credentials.is_dead(&alice()).await.unwrap());
    }
    assert_eq!(bench.store.row("alice").dead, None);
    assert_eq!(bench.store.row("alice").lease, None);
    bench.fake.set(|levers| levers.token = None);
    bench.fake.advance(10);
    assert_ne!(bench.token().await.unwrap(), old);
    assert_eq!(bench.deaths(), 0);
}

#[tokio::test]
async fn a_failing_refresh_is_not_repeated_by_every_caller() {
    let bench = Bench::start().await;
    let busy = Canned { retry_after: Some("30"), ..Canned::html(503) };
    bench.fake.set(|levers| levers.token = Some(busy));
    bench.fake.advance(3600);
    for _ in 0..20 {
        assert!(is_unavailable(&bench.token().await));
        bench.fake.advance(1);
    }
    assert_eq!(bench.fake.seen().refreshes, 1, "Forgejo asked for 30 s");
    bench.fake.advance(10);
    assert!(is_unavailable(&bench.token().await));
    assert_eq!(bench.fake.seen().refreshes, 2);
}

#[tokio::test]
async fn a_token_that_is_still_good_is_used_although_the_refresh_failed() {
    let bench = Bench::start().await;
    let old = bench.token().await.unwrap();
    bench.fake.set(|levers| levers.token = Some(Canned::html(503)));
    bench.fake.advance(3600 - 30);
    assert_eq!(bench.token().await.unwrap(), old);
    assert_eq!(bench.token().await.unwrap(), old);
    assert_eq!(bench.fake.seen().refreshes, 1);
    bench.store.down.store(true, Ordering::SeqCst);
    bench.fake.advance(20);
    assert_eq!(bench.token().await.unwrap(), old, "nor does a store that is down matter before the end");
    bench.fake.advance(20);
    assert!(is_unavailable(&bench.token().await));
}

/// forgejo.md §4.6: a wrong secret at the refresh is the operator's fault.
#[tokio::test]
async fn a_rejected_application_kills_nobody() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| {
        levers.token = Some(Canned::denial("invalid_client", "invalid client secret"));
    });
    bench.fake.advance(3600);
    assert!(is_unavailable(&bench.token().await));
    assert!(!bench.credentials.is_dead(&alice()).await.unwrap());
    assert_eq!(bench.store.row("alice").dead, None);
}

#[tokio::test]
async fn a_pair_that_the_store_does_not_take_is_used_and_written_later() {
    let bench = Bench::start().await;
    bench.store.failing_saves.store(usize::MAX, Ordering::SeqCst);
    bench.fake.advance(3600);
    let token = bench.token().await.unwrap();
    assert_ne!(token, bench.stored_token());
    assert_eq!(bench.token().await.unwrap(), token);
    bench.store.failing_saves.store(0, Ordering::SeqCst);
    assert!(bench.credentials.inner.write_parked(&alice()).await);
    assert_eq!(token, bench.stored_token());
    assert_eq!(bench.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn the_next_refresh_builds_upon_a_pair_that_is_only_in_memory() {
    let bench = Bench::start().await;
    bench.store.failing_saves.store(usize::MAX, Ordering::SeqCst);
    bench.fake.advance(3600);
    let token = bench.token().await.unwrap();
    bench.store.failing_saves.store(0, Ordering::SeqCst);
    bench.fake.advance(3600);
    let next = bench.token().await.unwrap();
    assert_ne!(next, token);
    assert_eq!(next, bench.stored_token());
    assert_eq!(bench.deaths(), 0);
}

#[tokio::test]
async fn a_pair_in_memory_is_stored_at_the_end() {
    let bench = Bench::start().await;
    bench.store.failing_saves.store(usize::MAX, Ordering::SeqCst);
    bench.fake.advance(3600);
    let token = bench.token().await.unwrap();
    bench.store.failing_saves.store(0, Ordering::SeqCst);
    let cancel = CancellationToken::new();
    cancel.cancel();
    bench.credentials.run(cancel).await;
    assert_eq!(token, bench.stored_token());
}

#[tokio::test]
async fn the_clock_refreshes_before_anybody_asks() {
    let bench = Bench::start().await;
    let old = bench.stored_token();
    bench.fake.advance(3600 - 4 * 60);
    let cancel = CancellationToken::new();
    let (credentials, ending) = (bench.credentials.clone(), cancel.clone());
    let clock = tokio::spawn(async move { credentials.run(ending).await });
    bench.fake.arrival().await;
    cancel.cancel();
    clock.await.unwrap();
    assert_ne!(bench.stored_token(), old, "the flight lands although the clock has stopped");
    assert_eq!(bench.token().await.unwrap(), bench.stored_token());
    assert_eq!(bench.fake.seen().refreshes, 1);
}

/// Design §5: at least every 14 days.
#[tokio::test]
async fn a_long_lived_token_is_refreshed_after_a_fortnight() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| levers.access_life = 60 * 24 * 3600);
    bench.login().await;
    bench.fake.advance(13 * 24 * 3600);
    bench.credentials.inner.round().await;
    assert_eq!(bench.fake.seen().refreshes, 0);
    bench.fake.advance(24 * 3600 + 1);
    bench.credentials.inner.round().await;
    assert_eq!(bench.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn a_short_life_is_refreshed_in_its_last_fifth() {
    let bench = Bench::start().await;
    bench.fake.set(|levers| levers.access_life = 100);
    bench.login().await;
    bench.fake.advance(79);
    bench.credentials.inner.round().await;
    assert_eq!(bench.fake.seen().refreshes, 0);
    bench.fake.advance(2);
    bench.credentials.inner.round().await;
    assert_eq!(bench.fake.seen().refreshes, 1);
}

#[tokio::test]
async fn tokens_that_nobody_asks_for_leave_the_memory() {
    let bench = Bench::start().await;
    bench.token().await.unwrap();
    bench.store.rows.lock().clear();
    bench.fake.advance(2 * 3600 + 1);
    bench.credentials.inner.round().await;
    assert!(bench.credentials.inner.slots.lock().is_empty());
}

#[tokio::test]
async fn no_token_is_in_the_debug_text() {
    let bench = Bench::start().await;
    let token = bench.token().await.unwrap();
    assert!(!format!("{:?} {:?}", bench.credentials, bench.store.row("alice")).contains(&token));
    assert_eq!(bench.fake.clock.load(Ordering::SeqCst), START);
}
