//! One of several brokers on one store: which one this is, what it holds, and where a request belongs that it can't answer.
//!
//! The bridge decides *whose* a request is and knows no way to another replica: it says "elsewhere" in its reply, and whoever speaks HTTP passes
//! the request on and comes back with what became of it ([`Via`]).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// This replica. The default is a broker that is alone: it needs no lease, and what it seals only it can open.
#[derive(Clone)]
pub struct Replica {
    /// Its name, the same in every life.
    pub id: Arc<str>,
    /// Which life of it this is; none has the number of another.
    pub run: i64,
    /// Seals what clients carry between replicas.
    pub seal: Arc<dyn StateSeal>,
    /// Whether its sessions are its own at this moment.
    pub lease: Arc<dyn Lease>,
    /// Whether there may be others. Then sessions that nobody uses are released, so that any of them can take them.
    pub shares: bool,
}

/// Authenticated encryption under keys that all replicas have.
pub trait StateSeal: Send + Sync {
    /// `None` if there are no random numbers.
    fn seal(&self, bound_to: &[u8], state: &[u8]) -> Option<Vec<u8>>;
    /// `None` if it was not sealed here, or for something else.
    fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>>;
}

/// The right to serve the sessions that the store says are this replica's.
pub trait Lease: Send + Sync {
    /// Asked at every request of a session: no I/O, no wait.
    fn is_held(&self) -> bool;
}

/// Another replica, which has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name.
    pub replica: Arc<str>,
    /// Where other replicas reach it; `None` if it has not said.
    pub address: Option<Arc<str>>,
    /// What it holds there.
    pub held: Held,
}

/// What a replica holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A session, since this many takeovers.
    Session {
        /// The fencing number.
        epoch: i64,
    },
    /// A call that waits for its client's answers.
    Parked,
}

/// How a request has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Via {
    /// From its client.
    #[default]
    Client,
    /// From its client; the replica that it was for could not be reached. What is remembered of it does not count.
    Again,
    /// From its client; the replica that it was for says that it is not.
    Refused,
    /// From another replica, which believes that this one holds what it is about. It is answered or comes back, and goes nowhere else.
    Replica(Held),
}

/// What one user has open at a replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Workers.
    pub workers: usize,
    /// Those of them that are at work.
    pub busy: usize,
    /// Calls without an answer.
    pub calls: usize,
    /// Event streams.
    pub streams: usize,
    /// Calls that wait for answers of their clients.
    pub parked: usize,
}

/// A key of this process.
struct OwnKey(Option<RandomizedNonceKey>);

/// Held as long as the process lives.
struct NoLease;

// === impl Replica ===

impl Default for Replica {
    fn default() -> Self {
        Self { id: "alone".into(), run: 0, seal: Arc::new(OwnKey::new()), lease: Arc::new(NoLease), shares: false }
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("id", &self.id).field("run", &self.run).finish_non_exhaustive()
    }
}

// === impl OwnKey ===

impl OwnKey {
    fn new() -> Self {
        let mut key = [0; 32];
        let filled = SystemRandom::new().fill(&mut key).is_ok();
        Self(if filled { RandomizedNonceKey::new(&AES_256_GCM, &key).ok() } else { None })
    }
}

impl StateSeal for OwnKey {
    fn seal(&self, bound_to: &[u8], state: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = state.to_vec();
        let nonce = self.0.as_ref()?.seal_in_place_append_tag(Aad::from(bound_to), &mut sealed).ok()?;
        Some([&nonce.as_ref()[..], &sealed].concat())
    }

    fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.as_ref()?.open_in_place(nonce, Aad::from(bound_to), &mut sealed).ok()?;
        Some(opened.to_vec())
    }
}

// === impl NoLease ===

impl Lease for NoLease {
    fn is_held(&self) -> bool {
        true
    }
}
