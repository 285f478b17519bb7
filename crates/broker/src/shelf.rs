//! What was fetched and still serves: bounded, each thing fetched by one request at a time, failures not hammered.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oauth::clock::{Clock, Timestamp};
use quick_cache::sync::Cache;

/// After a failed fetch the same address is left alone for this long. A failure itself is never kept (oauth.md §5.2, check 9).
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
/// What is not even this old is not fetched again because somebody doubts it.
const SETTLED: Duration = Duration::from_mins(1);

/// Things fetched from addresses.
pub(crate) struct Shelf<T> {
    held: Cache<String, Held<T>>,
    /// By address and age of what was doubted, so that all who doubt the same thing wait for one fetch.
    renewed: Cache<String, Held<T>>,
    failed: Cache<String, Timestamp>,
    clock: Arc<dyn Clock>,
}

/// Something that serves until it expires.
pub(crate) struct Held<T> {
    pub(crate) value: Arc<T>,
    fetched_at: Timestamp,
    expires_at: Timestamp,
}

/// Why there is nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing<E> {
    /// The fetch failed now.
    Failed(E),
    /// It failed moments ago and was not tried again.
    FailedBefore,
}

// === impl Held ===

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

// === impl Shelf ===

impl<T> Shelf<T> {
    /// A shelf for at most about `capacity` things; what is looked at least goes first.
    pub(crate) fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self { held: Cache::new(capacity), renewed: Cache::new(capacity), failed: Cache::new(capacity), clock }
    }

    /// What is held for `address`, or else what `fetch` brings with the time that it serves. Of several requests one fetches, the others wait.
    pub(crate) async fn get<E>(
        &self,
        address: &str,
        fetch: impl Future<Output = Result<(T, Duration), E>>,
    ) -> Result<Held<T>, Missing<E>> {
        if self.held.get(address).is_some_and(|held| held.expires_at <= self.clock.now()) {
            self.held.remove(address);
        }
        self.held.get_or_insert_async(address, self.fetch(address, fetch)).await
    }

    /// Fetches again what somebody doubts. `None` if it is too fresh to be doubted. Where the fetch fails, the doubted thing stays.
    pub(crate) async fn renew<E>(
        &self,
        address: &str,
        doubted: &Held<T>,
        fetch: impl Future<Output = Result<(T, Duration), E>>,
    ) -> Result<Option<Held<T>>, Missing<E>> {
        if self.clock.now().since(doubted.fetched_at) < SETTLED {
            return Ok(None);
        }
        let renewal = async {
            let held = self.fetch(address, fetch).await?;
            self.held.insert(address.to_owned(), held.clone());
            Ok(held)
        };
        let flight = format!("{} {address}", doubted.fetched_at.0);
        self.renewed.get_or_insert_async(&flight, renewal).await.map(Some)
    }

    async fn fetch<E>(
        &self,
        address: &str,
        fetch: impl Future<Output = Result<(T, Duration), E>>,
    ) -> Result<Held<T>, Missing<E>> {
        let began = self.clock.now();
        if self.failed.get(address).is_some_and(|failed| began.since(failed) < PAUSE_AFTER_FAILURE) {
            return Err(Missing::FailedBefore);
        }
        match fetch.await {
            Ok((value, lifetime)) => {
                let now = self.clock.now();
                Ok(Held { value: Arc::new(value), fetched_at: now, expires_at: now.plus(lifetime) })
            }
            Err(error) => {
                self.failed.insert(address.to_owned(), self.clock.now());
                Err(Missing::Failed(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use oauth::clock::ManualClock;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    struct Bench {
        shelf: Shelf<usize>,
        clock: ManualClock,
        fetches: AtomicUsize,
    }

    fn bench() -> Bench {
        let clock = ManualClock::at(Timestamp(1_000_000));
        Bench { shelf: Shelf::new(4, Arc::new(clock.clone())), clock, fetches: AtomicUsize::new(0) }
    }

    impl Bench {
        async fn get(&self) -> Result<usize, Missing<()>> {
            let fetch = async {
                tokio::task::yield_now().await;
                Ok((self.fetches.fetch_add(1, Ordering::SeqCst), MINUTE))
            };
            self.shelf.get("a", fetch).await.map(|held| *held.value)
        }

        async fn fail(&self) -> Missing<()> {
            self.shelf.get("a", async { Err::<(usize, _), ()>(()) }).await.err().unwrap()
        }
    }

    #[tokio::test]
    async fn a_thing_serves_until_it_expires() {
        let bench = bench();
        assert_eq!(bench.get().await, Ok(0));
        bench.clock.advance(Duration::from_millis(59_999));
        assert_eq!(bench.get().await, Ok(0));
        bench.clock.advance(Duration::from_millis(1));
        assert_eq!(bench.get().await, Ok(1));
    }

    #[tokio::test]
    async fn of_many_requests_one_fetches() {
        let bench = bench();
        let all = futures_util::future::join_all((0..20).map(|_| bench.get())).await;
        assert!(all.iter().all(|value| *value == Ok(0)));
        assert_eq!(bench.fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept_but_the_address_is_left_alone_for_a_moment() {
        let bench = bench();
        assert_eq!(bench.fail().await, Missing::Failed(()));
        assert_eq!(bench.get().await, Err(Missing::FailedBefore));
        bench.clock.advance(PAUSE_AFTER_FAILURE);
        assert_eq!(bench.get().await, Ok(0));
    }

    #[tokio::test]
    async fn a_doubted_thing_is_fetched_once_more_unless_it_is_fresh() {
        let bench = bench();
        let renew = |held: Held<usize>| {
            let fetches = &bench.fetches;
            let fetch = async { Ok::<_, ()>((10 + fetches.fetch_add(1, Ordering::SeqCst), MINUTE)) };
            let shelf = &bench.shelf;
            async move { shelf.renew("a", &held, fetch).await.ok().unwrap().map(|held| *held.value) }
        };
        let held = bench.shelf.get("a", async { Ok::<_, ()>((7, MINUTE * 10)) }).await.ok().unwrap();
        assert_eq!(renew(held.clone()).await, None, "fresh");
        bench.clock.advance(SETTLED);
        let all = futures_util::future::join_all((0..20).map(|_| renew(held.clone()))).await;
        assert!(all.iter().all(|value| *value == Some(10)), "{all:?}");
        assert_eq!(bench.get().await, Ok(10), "it has taken the place of the doubted one");
    }

    #[tokio::test]
    async fn a_doubted_thing_stays_if_there_is_no_other() {
        let bench = bench();
        let held = bench.shelf.get("a", async { Ok::<_, ()>((7, MINUTE * 10)) }).await.ok().unwrap();
        bench.clock.advance(SETTLED);
        let renewed = bench.shelf.renew("a", &held, async { Err::<(usize, _), ()>(()) }).await;
        assert_eq!(renewed.err(), Some(Missing::Failed(())));
        assert_eq!(bench.get().await, Ok(7));
    }

    #[tokio::test]
    async fn no_more_is_kept_than_fits() {
        let bench = bench();
        for number in 0..1000 {
            let fetch = async { Ok::<_, ()>((number, MINUTE)) };
            bench.shelf.get(&number.to_string(), fetch).await.ok().unwrap();
        }
        assert!(bench.shelf.held.len() <= 8, "{}", bench.shelf.held.len());
    }
}
