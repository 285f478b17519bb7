//! What is remembered of one user.

use std::{
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, Shared};

use super::same;
use crate::{
    credential_store::{CredentialStoreUnavailable, IssuedPair, StoredCredential},
    token_source::CredentialError,
};

/// A token is refreshed this long before its end, or a fifth of its life if that is less.
const LEAD_MS: i64 = 5 * 60 * 1000;

/// A live grant's pair is never older. Forgejo's refresh token lapses after 730 hours: this leaves room for a fortnight's outage.
pub(super) const OLDEST_PAIR_MS: i64 = 14 * 24 * 3600 * 1000;

/// A death is believed this long before the row is read again, because a login in another process may have revived it.
const DEATH_BELIEVED_MS: i64 = 5000;

/// At most one forced refresh per user in this time.
const FORCED_EVERY_MS: i64 = 60_000;

/// Forgejo is not asked again within this time whether a user may use it.
const ALIVE_BELIEVED_MS: i64 = 15_000;

/// No hold-off is longer; one that seems to be was made before the clock was set back.
const LONGEST_HOLD_OFF_MS: i64 = 10 * 60 * 1000;

/// Waited after a failure that named no time.
pub(super) const HOLD_OFF_S: u32 = 5;

/// What a flight brings: a row that may be used, or why there is none.
pub(super) type Landing = Result<Row, CredentialError>;

/// A row as read or written. Its version is only a guess after a write; it is read again before it is built upon.
#[derive(Debug, Clone)]
pub(super) struct Row(Arc<StoredCredential>);

#[derive(Default)]
pub(super) struct Slot {
    pub(super) standing: Standing,
    /// Raised whenever what is known becomes void, so that flights of an earlier time change nothing.
    pub(super) generation: u64,
    pub(super) flight: Option<Flight>,
    pub(super) hold_off: Option<HoldOff>,
    /// When a refresh was last made because of a 401.
    pub(super) forced_at: Option<i64>,
    /// When Forgejo last said that the user may use it.
    pub(super) alive_at: Option<i64>,
    /// A pair that the store has not taken yet.
    pub(super) parked: Option<IssuedPair>,
}

#[derive(Default)]
pub(super) enum Standing {
    #[default]
    Unread,
    Live(Row),
    Dead {
        reason: String,
        read_at: i64,
    },
}

/// After a failure Forgejo and the store are left alone for a while.
#[derive(Clone)]
pub(super) struct HoldOff {
    pub(super) until: i64,
    pub(super) reason: String,
}

/// A task that settles a user's credential, to be awaited by any number of callers.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) generation: u64,
    pub(super) about_401: bool,
    pub(super) landing: Shared<BoxFuture<'static, Landing>>,
}

/// The row, unless it says that the user must log in.
pub(super) fn living(row: Arc<StoredCredential>) -> Landing {
    match &row.dead {
        Some(reason) => Err(CredentialError::Dead(reason.clone())),
        None => Ok(Row(row)),
    }
}

/// Whether a death read at `read_at` is still believed. A clock that was set back makes it stale.
pub(super) fn is_fresh(read_at: i64, now: i64) -> bool {
    (0..DEATH_BELIEVED_MS).contains(&(now - read_at))
}

// === impl Row ===

impl Row {
    pub(super) fn new(row: Arc<StoredCredential>) -> Self {
        Self(row)
    }

    /// The row as it is after `pair` was written over it.
    pub(super) fn with(&self, pair: &IssuedPair) -> Self {
        Self(Arc::new(StoredCredential {
            version: self.version + 1,
            identity: self.identity.clone(),
            access_token: pair.access_token.clone(),
            refresh_token: pair.refresh_token.clone(),
            expires_at: pair.expires_at,
            refreshed_at: pair.refreshed_at,
            grant_id: pair.grant_id,
            dead: None,
            lease: None,
        }))
    }

    /// Whether somebody has logged in or refreshed between the two.
    pub(super) fn holds_another_pair_than(&self, other: &Self) -> bool {
        !same(&self.refresh_token, &other.refresh_token) || !same(&self.access_token, &other.access_token)
    }

    /// From here on it is to be refreshed.
    pub(super) fn due_at(&self) -> i64 {
        (self.expires_at - self.lead()).min(self.refreshed_at + OLDEST_PAIR_MS)
    }

    /// From here on callers wait for the refresh, so that none starts with a token that ends on its way.
    pub(super) fn urgent_at(&self) -> i64 {
        self.expires_at - self.lead() / 5
    }

    fn lead(&self) -> i64 {
        LEAD_MS.min((self.expires_at - self.refreshed_at).max(0) / 5)
    }
}

impl Deref for Row {
    type Target = StoredCredential;

    fn deref(&self) -> &StoredCredential {
        &self.0
    }
}

// === impl Slot ===

impl Slot {
    /// The hold-off that is in force.
    pub(super) fn hold_off(&self, now: i64) -> Option<&HoldOff> {
        self.hold_off.as_ref().filter(|hold_off| (1..=LONGEST_HOLD_OFF_MS).contains(&(hold_off.until - now)))
    }

    /// Whether another refresh because of a 401 has to wait.
    pub(super) fn forced_lately(&self, now: i64) -> bool {
        self.forced_at.is_some_and(|at| (0..FORCED_EVERY_MS).contains(&(now - at)))
    }

    /// Whether Forgejo need not be asked again if the user may use it.
    pub(super) fn found_alive_lately(&self, now: i64) -> bool {
        self.alive_at.is_some_and(|at| (0..ALIVE_BELIEVED_MS).contains(&(now - at)))
    }
}

// === impl HoldOff ===

impl HoldOff {
    pub(super) fn error(&self, now: i64) -> CredentialError {
        let seconds = (self.until - now).max(0) / 1000 + 1;
        CredentialError::Unavailable {
            reason: self.reason.clone(),
            retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }
}

// === impl Flight ===

impl Future for Flight {
    type Output = Landing;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landing> {
        Pin::new(&mut self.landing).poll(cx)
    }
}

// === impl CredentialError ===

impl From<CredentialStoreUnavailable> for CredentialError {
    fn from(error: CredentialStoreUnavailable) -> Self {
        Self::Unavailable { reason: error.to_string(), retry_after: HOLD_OFF_S }
    }
}
