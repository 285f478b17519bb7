//! A store that several bridges share, with the leases that a database would judge.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bridge::replica::{Elsewhere, Held, Lease, Replica};
use bridge::session_store::{Holding, Kept, Peer, SessionRecord, SessionStore, SessionStoreUnavailable};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::house::{House, MemoryStore};

type Answer<'a, T> = BoxFuture<'a, Result<T, SessionStoreUnavailable>>;

/// All replicas, and what they share.
#[derive(Clone, Default)]
pub(crate) struct Commune(Arc<Shared>);

#[derive(Default)]
struct Shared {
    store: Arc<MemoryStore>,
    keys: Replica,
    owners: Mutex<HashMap<[u8; 32], Owner>>,
    dead: Mutex<HashSet<Owner>>,
    takes: AtomicU64,
    /// Held by a test that wants everybody to wait.
    gate: Arc<tokio::sync::Mutex<()>>,
    waits: Notify,
    released: Notify,
}

/// A replica in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Owner(Arc<str>, u64);

/// One replica.
pub(crate) struct Member {
    pub(crate) house: House,
    me: Arc<Me>,
}

struct Me {
    id: Arc<str>,
    life: AtomicU64,
    has_lease: AtomicBool,
    commune: Commune,
}

/// Nobody takes a session.
pub(crate) struct HeldTakes {
    _guard: OwnedMutexGuard<()>,
    commune: Commune,
}

// === impl Commune ===

impl Commune {
    pub(crate) fn member(&self, id: &str) -> Member {
        let me = Arc::new(Me {
            id: id.into(),
            life: AtomicU64::new(1),
            has_lease: AtomicBool::new(true),
            commune: self.clone(),
        });
        let replica = Replica { id: id.into(), run: 1, lease: me.clone(), shares: true, ..self.0.keys.clone() };
        let house = House::through(self.0.store.clone(), me.clone(), |config| config.replica = replica);
        Member { house, me }
    }

    /// How often a session was asked for.
    pub(crate) fn takes(&self) -> u64 {
        self.0.takes.load(Ordering::SeqCst)
    }

    /// Who owns the one session, and its epoch.
    pub(crate) fn owner(&self) -> (String, i64) {
        let record = self.0.store.only();
        let owner = self.0.owners.lock().expect("lock").get(&record.id_hash).cloned().expect("nobody's");
        (owner.0.to_string(), record.epoch)
    }

    /// Returns when a session has been released.
    pub(crate) async fn released(&self) {
        self.0.released.notified().await;
    }

    pub(crate) async fn hold_takes(&self) -> HeldTakes {
        HeldTakes { _guard: self.0.gate.clone().lock_owned().await, commune: self.clone() }
    }

    fn is_dead(&self, owner: &Owner) -> bool {
        self.0.dead.lock().expect("lock").contains(owner)
    }
}

// === impl HeldTakes ===

impl HeldTakes {
    pub(crate) async fn until_somebody_waits(&self) {
        self.commune.0.waits.notified().await;
    }
}

// === impl Member ===

impl Member {
    pub(crate) fn id(&self) -> &str {
        &self.me.id
    }

    pub(crate) fn store(&self) -> &MemoryStore {
        &self.me.commune.0.store
    }

    /// Its lease has run out for the others, and it knows nothing of it.
    pub(crate) fn seem_dead(&self) {
        self.me.commune.0.dead.lock().expect("lock").insert(self.me.owner());
    }

    /// Its lease has run out.
    pub(crate) fn die(&self) {
        self.seem_dead();
        self.lose_lease();
    }

    /// It knows that its lease is about to run out.
    pub(crate) fn lose_lease(&self) {
        self.me.has_lease.store(false, Ordering::SeqCst);
    }

    /// It has a new lease.
    pub(crate) fn revive(&self) {
        self.seem_dead();
        self.me.life.fetch_add(1, Ordering::SeqCst);
        self.me.has_lease.store(true, Ordering::SeqCst);
    }
}

// === impl Me ===

impl Me {
    fn owner(&self) -> Owner {
        Owner(self.id.clone(), self.life.load(Ordering::SeqCst))
    }

    fn shared(&self) -> &Shared {
        &self.commune.0
    }
}

impl Lease for Me {
    fn is_held(&self) -> bool {
        self.has_lease.load(Ordering::SeqCst)
    }
}

impl SessionStore for Me {
    fn insert(&self, record: SessionRecord) -> Answer<'_, ()> {
        self.shared().owners.lock().expect("lock").insert(record.id_hash, self.owner());
        self.shared().store.insert(record)
    }

    fn take(&self, id_hash: [u8; 32]) -> Answer<'_, Holding> {
        Box::pin(async move {
            self.shared().takes.fetch_add(1, Ordering::SeqCst);
            self.shared().waits.notify_one();
            drop(self.shared().gate.lock().await);
            let mut records = self.shared().store.records.lock().expect("lock");
            let Some(record) = records.get_mut(&id_hash) else { return Ok(Holding::Absent) };
            let mut owners = self.shared().owners.lock().expect("lock");
            match owners.get(&id_hash) {
                Some(owner) if *owner == self.owner() => {}
                Some(owner) if !self.commune.is_dead(owner) => {
                    let held = Held::Session { epoch: record.epoch };
                    return Ok(Holding::Elsewhere(Elsewhere { replica: owner.0.clone(), address: None, held }));
                }
                _ => {
                    owners.insert(id_hash, self.owner());
                    record.epoch += 1;
                }
            }
            Ok(Holding::Mine(record.clone()))
        })
    }

    fn update(&self, record: SessionRecord) -> Answer<'_, bool> {
        self.shared().store.update(record)
    }

    fn release(&self, id_hash: [u8; 32], epoch: i64) -> Answer<'_, ()> {
        Box::pin(async move {
            // Others get their turn between the decision and the deed.
            tokio::task::yield_now().await;
            let records = self.shared().store.records.lock().expect("lock");
            let mut owners = self.shared().owners.lock().expect("lock");
            let is_mine = owners.get(&id_hash) == Some(&self.owner());
            if is_mine && records.get(&id_hash).is_some_and(|record| record.epoch == epoch) {
                owners.remove(&id_hash);
                self.shared().released.notify_one();
            }
            Ok(())
        })
    }

    fn delete(&self, id_hash: [u8; 32], epoch: Option<i64>) -> Answer<'_, ()> {
        self.shared().store.delete(id_hash, epoch)
    }

    fn delete_of_grant(&self, grant: Arc<str>) -> Answer<'_, ()> {
        self.shared().store.delete_of_grant(grant)
    }

    fn trim(&self, user: Arc<str>, grant: Arc<str>, kept: Kept, spare: Vec<[u8; 32]>) -> Answer<'_, Vec<[u8; 32]>> {
        self.shared().store.trim(user, grant, kept, spare)
    }

    fn peer(&self, replica: Arc<str>) -> Answer<'_, Option<Peer>> {
        Box::pin(async move {
            let lives = !self.commune.is_dead(&Owner(replica.clone(), 1));
            Ok(lives.then_some(Peer { address: Some(replica) }))
        })
    }

    fn now(&self) -> i64 {
        self.shared().store.now()
    }
}
