//! What a worker holds in place of the user's token: 256 random bits that mean nothing elsewhere and nothing after its end.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::{digest, rand};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use super::grant::GatewayAssignment;

type Hash = [u8; digest::SHA256_OUTPUT_LEN];

/// One worker's right to the gateway. Dropping it revokes it and ends what is under way with it.
pub struct Capability {
    token: SecretString,
    hash: Hash,
    holder: Arc<Holder>,
    registry: Arc<Registry>,
}

/// Whether a capability may be used at this moment. No I/O, no wait.
pub type Condition = Box<dyn Fn() -> bool + Send + Sync>;

/// Every living capability, by the hash of its token.
#[derive(Default)]
pub(super) struct Registry {
    holders: RwLock<HashMap<Hash, Arc<Holder>>>,
}

/// What is known of a capability's worker.
pub(super) struct Holder {
    assignment: RwLock<Option<GatewayAssignment>>,
    ready: AtomicBool,
    /// Asked at each use.
    condition: OnceLock<Condition>,
    revoked: CancellationToken,
}

// === impl Capability ===

impl Capability {
    /// The token for the worker, 64 hexadecimal digits. Never log it.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }

    /// Gives the worker to a user's grant; a later call replaces the earlier one by another grant of the same user. A worker that
    /// has had a user never gets another; it keeps the one it has.
    pub fn assign(&self, assignment: GatewayAssignment) {
        let mut present = self.holder.assignment.write();
        if present.as_ref().is_some_and(|present| present.user != assignment.user) {
            tracing::error!("a worker was about to be given to a second user; it stays with the first");
            return;
        }
        *present = Some(assignment);
    }

    /// Start-up is over: `GET /api/v1/version` and `/api/v1/user` are forwarded like everything else from now on.
    pub fn ready(&self) {
        self.holder.ready.store(true, Ordering::Release);
    }

    /// It opens nothing at any moment at which this does not hold. The first condition counts.
    pub fn only_while(&self, condition: Condition) {
        if self.holder.condition.set(condition).is_err() {
            tracing::error!("a capability was given a second condition; the first one stays");
        }
    }

    /// It opens nothing any more, and what is under way with it ends.
    pub fn revoke(&self) {
        self.registry.holders.write().remove(&self.hash);
        self.holder.revoked.cancel();
    }
}

impl Drop for Capability {
    fn drop(&mut self) {
        self.revoke();
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Capability")
    }
}

// === impl Registry ===

impl Registry {
    /// Makes a capability. Should the system have no randomness, it is one that opens nothing.
    pub(super) fn open(self: &Arc<Self>) -> Capability {
        let mut bytes = [0_u8; 32];
        let random = rand::fill(&mut bytes).is_ok();
        let token = if random { hex::encode(bytes) } else { String::new() };
        let hash = hash(&token);
        let holder = Arc::new(Holder {
            assignment: RwLock::new(None),
            ready: AtomicBool::new(false),
            condition: OnceLock::new(),
            revoked: CancellationToken::new(),
        });
        if random {
            self.holders.write().insert(hash, Arc::clone(&holder));
        }
        Capability { token: token.into(), hash, holder, registry: Arc::clone(self) }
    }

    /// The holder of a presented token.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Holder>> {
        let presented = hash(token);
        let holders = self.holders.read();
        let (known, holder) = holders.get_key_value(&presented)?;
        // The table already compared hashes, whose time tells nothing of the token; equality itself is decided in
        // constant time all the same.
        let is_good = bool::from(known.ct_eq(&presented)) && holder.condition.get().is_none_or(|holds| holds());
        is_good.then(|| Arc::clone(holder))
    }
}

// === impl Holder ===

impl Holder {
    pub(super) fn assignment(&self) -> Option<GatewayAssignment> {
        self.assignment.read().clone()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Ends with the capability.
    pub(super) fn revoked(&self) -> &CancellationToken {
        &self.revoked
    }
}

fn hash(token: &str) -> Hash {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut hash = Hash::default();
    hash.copy_from_slice(digest.as_ref());
    hash
}

#[cfg(test)]
mod tests;
