//! One Forgejo credential per user, kept alive.
//!
//! Forgejo counts every token it issues to a user in one grant row, and each new refresh token kills the one before. So a user has
//! *one* pair, whatever the number of his MCP clients, and whoever refreshes it must be alone and must not lose the answer:
//!
//! - **One flight.** In this process all callers share one task per user (`flight`); between processes a lease in the user's row,
//!   taken by compare-and-swap, keeps the others away. Nothing is locked during HTTP. A caller that goes away does not end
//!   the flight: a refresh that is broken off can be one that Forgejo has already counted.
//! - **Stored before used.** If the store does not take a new pair, the pair is used from memory while the write is repeated
//!   (`parked`), because the old one is worth nothing any more.
//! - **Slow to bury.** A refused refresh means only that *this* refresh token is used up. The row is read again, and what somebody
//!   else put there is used. If nobody did, the access token lives to its end, unless Forgejo refuses it too. An unreachable
//!   Forgejo, and an application that Forgejo does not know, say nothing about the user.
//!
//! Rejected: refreshing inside a database transaction (it would be open during HTTP, and SQLite has one writer), and a credential
//! per session (the second login of a user would break the first).
//!
//! A process learns of a death or a login that another process recorded when it next reads the row: at once for a token
//! that Forgejo refuses, within five seconds for a user known to be dead, else when the access token is due.

use std::{collections::HashMap, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::task::TaskTracker;

use crate::{
    credential_store::CredentialStore,
    oauth_client::OAuthClient,
    token_source::{After401, CredentialError, KnownIdentity, Now, TokenSource},
};

mod clock;
mod flight;
mod parked;
mod rank;
mod slot;

#[cfg(test)]
pub(crate) mod tests;

use flight::Purpose;
use slot::{Flight, HoldOff, Landing, Slot, Standing};

/// The current access token of every user. A cheap handle; all clones share one cache.
#[derive(Clone)]
pub struct Credentials {
    inner: Arc<Inner>,
}

/// A change that concerns a user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialEvent {
    /// The user must log in again.
    Died {
        /// Whose credential it was.
        user: Arc<str>,
        /// Forgejo's reason, cleaned for display.
        reason: String,
    },
    /// A login, here or in another process, has replaced a credential that was known to be dead.
    Revived {
        /// Whose credential it is.
        user: Arc<str>,
    },
    /// A refresh at Forgejo has been tried.
    Refreshed(RefreshOutcome),
}

/// What Forgejo answered to a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// A new pair.
    Renewed,
    /// It does not take this refresh token.
    Refused,
    /// It does not accept the broker's OAuth application.
    ClientRejected,
    /// Nothing that is an answer.
    Unreachable,
}

/// Told of every [`CredentialEvent`], on the task that noticed it: it must not block.
pub type CredentialEvents = Arc<dyn Fn(CredentialEvent) + Send + Sync>;

struct Inner {
    client: OAuthClient,
    store: Arc<dyn CredentialStore>,
    now: Now,
    /// Names this process in leases; unique among the processes that share a store.
    owner: String,
    events: CredentialEvents,
    /// Locked for single looks and changes, never across an await.
    slots: Mutex<HashMap<Arc<str>, Slot>>,
    flights: TaskTracker,
}

/// What one look at the cache says.
enum Glance {
    Token(SecretString),
    Trouble(CredentialError),
    Wait(Flight),
}

// === impl Credentials ===

impl Credentials {
    /// `owner` names this process in leases and must be unique among the processes that share `store`.
    #[must_use]
    pub fn new(
        client: OAuthClient,
        store: Arc<dyn CredentialStore>,
        now: Now,
        owner: String,
        events: CredentialEvents,
    ) -> Self {
        let inner = Inner { client, store, now, owner, events, slots: Mutex::default(), flights: TaskTracker::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the user must log in again before anything of his can be served. From memory; the store is asked only about a user
    /// who is not known here, or of whom the last that was known is a death more than five seconds ago. Forgejo is not asked.
    pub async fn is_dead(&self, user: &Arc<str>) -> Result<bool, CredentialError> {
        self.inner.is_dead(user).await
    }

    /// A login has put a new credential into the store: what is remembered of the old one is dropped.
    pub fn replaced(&self, user: &str) {
        self.inner.reset(user, true);
    }

    /// The user has no use for his credential any more (his last grant ended): it is dropped from memory.
    pub fn forget(&self, user: &str) {
        self.inner.reset(user, false);
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("owner", &self.inner.owner).finish_non_exhaustive()
    }
}

impl TokenSource for Credentials {
    fn access_token(&self, user: Arc<str>) -> BoxFuture<'_, Result<SecretString, CredentialError>> {
        self.inner.access_token(user).boxed()
    }

    fn after_401(&self, user: Arc<str>, failed: SecretString) -> BoxFuture<'_, Result<After401, CredentialError>> {
        self.inner.after_401(user, failed).boxed()
    }

    fn identity(&self, user: Arc<str>) -> BoxFuture<'_, Option<KnownIdentity>> {
        self.inner.identity(user).boxed()
    }
}

// === impl Inner ===

impl Inner {
    fn now(&self) -> i64 {
        (self.now)()
    }

    async fn access_token(self: &Arc<Self>, user: Arc<str>) -> Result<SecretString, CredentialError> {
        let flight = match self.glance(&user) {
            Glance::Token(token) => return Ok(token),
            Glance::Trouble(error) => return Err(error),
            Glance::Wait(flight) => flight,
        };
        match flight.await {
            Ok(row) => Ok(row.access_token.clone()),
            Err(error @ CredentialError::Unavailable { .. }) => self.still_good(&user).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// The hot path: one look, no store, no Forgejo.
    fn glance(self: &Arc<Self>, user: &Arc<str>) -> Glance {
        let now = self.now();
        let mut slots = self.slots.lock();
        let slot = slots.entry(Arc::clone(user)).or_default();
        let held = slot.hold_off(now);
        match (&slot.standing, held) {
            (Standing::Live(row), _) if now < row.due_at() => Glance::Token(row.access_token.clone()),
            (Standing::Live(row), Some(_)) if now < row.expires_at => Glance::Token(row.access_token.clone()),
            (Standing::Live(row), None) if now < row.urgent_at() => {
                let token = row.access_token.clone();
                // Nobody waits for a refresh that is not yet needed; the task runs by itself.
                let _flight = self.fly(user, slot, Purpose::Current);
                Glance::Token(token)
            }
            (Standing::Dead { reason, read_at }, _) if held.is_some() || slot::is_fresh(*read_at, now) => {
                Glance::Trouble(CredentialError::Dead(reason.clone()))
            }
            (_, Some(hold_off)) => Glance::Trouble(hold_off.error(now)),
            (_, None) => Glance::Wait(self.fly(user, slot, Purpose::Current)),
        }
    }

    /// A token that has not expired by the clock, although it could not be refreshed.
    fn still_good(&self, user: &str) -> Option<SecretString> {
        let now = self.now();
        match &self.slots.lock().get(user)?.standing {
            Standing::Live(row) if now < row.expires_at => Some(row.access_token.clone()),
            _ => None,
        }
    }

    async fn after_401(self: &Arc<Self>, user: Arc<str>, failed: SecretString) -> Result<After401, CredentialError> {
        loop {
            let (flight, about_401) = {
                let now = self.now();
                let mut slots = self.slots.lock();
                let slot = slots.entry(Arc::clone(&user)).or_default();
                match &slot.standing {
                    Standing::Live(row) if !same(&row.access_token, &failed) && now < row.expires_at => {
                        return Ok(After401::Retry(row.access_token.clone()));
                    }
                    Standing::Dead { reason, read_at } if slot::is_fresh(*read_at, now) => {
                        return Err(CredentialError::Dead(reason.clone()));
                    }
                    _ => {}
                }
                let flight = self.fly(&user, slot, Purpose::After401(failed.clone()));
                let about_401 = flight.about_401;
                (flight, about_401)
            };
            let row = flight.await?;
            if !same(&row.access_token, &failed) {
                return Ok(After401::Retry(row.access_token.clone()));
            }
            // A flight that was under way for another reason has not looked at this failure.
            if about_401 {
                return Ok(After401::Alive);
            }
        }
    }

    async fn identity(&self, user: Arc<str>) -> Option<KnownIdentity> {
        if let Some(Slot { standing: Standing::Live(row), .. }) = self.slots.lock().get(&user) {
            return Some(row.identity.clone());
        }
        match self.store.load(Arc::clone(&user)).await {
            Ok(row) => row.map(|row| row.identity),
            Err(error) => {
                tracing::warn!(forgejo.user = %user, %error, "the identity of a user could not be read");
                None
            }
        }
    }

    async fn is_dead(&self, user: &Arc<str>) -> Result<bool, CredentialError> {
        let now = self.now();
        let generation = {
            let mut slots = self.slots.lock();
            match slots.get(user).map(|slot| (&slot.standing, slot.generation)) {
                Some((Standing::Live(_), _)) => return Ok(false),
                Some((Standing::Dead { read_at, .. }, _)) if slot::is_fresh(*read_at, now) => return Ok(true),
                Some((_, generation)) => generation,
                None => slots.entry(Arc::clone(user)).or_default().generation,
            }
        };
        // Rare, and large: in the future of every request it would be moved about.
        self.is_dead_in_store(user, generation).boxed().await
    }

    async fn is_dead_in_store(&self, user: &Arc<str>, generation: u64) -> Result<bool, CredentialError> {
        let landing = match self.store.load(Arc::clone(user)).await? {
            None => Err(CredentialError::Unknown),
            Some(row) => slot::living(Arc::new(row)),
        };
        let dead = match &landing {
            Ok(_) => Ok(false),
            Err(CredentialError::Dead(_)) => Ok(true),
            Err(other) => Err(other.clone()),
        };
        self.learn(user, generation, landing);
        dead
    }

    fn reset(&self, user: &str, revived: bool) {
        let user: Arc<str> = Arc::from(user);
        let was_dead = self.with_slot(&user, |slot| {
            let was_dead = matches!(slot.standing, Standing::Dead { .. });
            // The generation outlives the reset, so that what was read before can't come back.
            *slot = Slot { generation: slot.generation + 1, flight: slot.flight.take(), ..Slot::default() };
            was_dead
        });
        if revived && was_dead {
            (self.events)(CredentialEvent::Revived { user });
        }
    }

    /// Takes a flight's result into the cache, unless a login came in between, and tells of a change.
    fn learn(&self, user: &Arc<str>, generation: u64, landing: Landing) {
        let now = self.now();
        let mut slots = self.slots.lock();
        let slot = slots.entry(Arc::clone(user)).or_default();
        if slot.generation != generation {
            return;
        }
        let was_dead = matches!(slot.standing, Standing::Dead { .. });
        let event = match landing {
            Ok(row) => {
                slot.standing = Standing::Live(row);
                was_dead.then(|| CredentialEvent::Revived { user: Arc::clone(user) })
            }
            Err(CredentialError::Dead(reason)) => {
                slot.standing = Standing::Dead { reason: reason.clone(), read_at: now };
                (!was_dead).then(|| CredentialEvent::Died { user: Arc::clone(user), reason })
            }
            Err(CredentialError::Unavailable { reason, retry_after }) => {
                if slot.hold_off(now).is_none() {
                    slot.hold_off = Some(HoldOff { until: now + i64::from(retry_after) * 1000, reason });
                }
                None
            }
            Err(CredentialError::Unknown) => {
                slot.standing = Standing::Unread;
                None
            }
        };
        drop(slots);
        if let Some(event) = event {
            (self.events)(event);
        }
    }
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}
