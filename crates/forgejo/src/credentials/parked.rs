//! Writing a pair that Forgejo has issued, and keeping it when the store does not take it.

use std::{sync::Arc, time::Duration};

use super::{
    Inner,
    rank::Rank,
    same,
    slot::{Landing, Row, living},
};
use crate::{
    credential_store::{CredentialStoreUnavailable, IssuedPair, StoredCredential},
    token_source::CredentialError,
};

/// Waited between the tries while callers wait for the result.
const AT_ONCE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Bounds of the waits between later tries.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What became of a write.
pub(super) enum Put {
    Written(Row),
    /// The row holds something later: that is what counts.
    Superseded(Landing),
    NoSuchUser,
}

// === impl Inner ===

impl Inner {
    /// Tries three times within half a second.
    pub(super) async fn put_at_once(
        &self,
        user: &Arc<str>,
        row: &Row,
        pair: &IssuedPair,
    ) -> Result<Put, CredentialStoreUnavailable> {
        let mut result = self.put(user, row, pair).await;
        for wait in AT_ONCE {
            if result.is_ok() {
                break;
            }
            tokio::time::sleep(wait).await;
            result = self.put(user, row, pair).await;
        }
        result
    }

    /// Writes over `row`, or over whatever has taken its place, if the pair is the later one. A death mark in the row is no
    /// obstacle: the pair was issued after it.
    async fn put(
        &self,
        user: &Arc<str>,
        row: &StoredCredential,
        pair: &IssuedPair,
    ) -> Result<Put, CredentialStoreUnavailable> {
        let mut row = Arc::new(row.clone());
        loop {
            if Rank::of_row(&row).is_later_than(Rank::of_pair(pair)) {
                return Ok(Put::Superseded(living(row)));
            }
            if self.store.save(Arc::clone(user), row.version, pair.clone()).await? {
                return Ok(Put::Written(Row::from(row).with(pair)));
            }
            row = match self.store.load(Arc::clone(user)).await? {
                Some(current) => Arc::new(current),
                None => return Ok(Put::NoSuchUser),
            };
        }
    }

    /// Keeps the pair in memory and repeats the write until it succeeds or something later is in the row.
    pub(super) fn park(self: &Arc<Self>, user: &Arc<str>, pair: IssuedPair) {
        if self.with_slot(user, |slot| slot.parked.replace(pair)).is_some() {
            return;
        }
        let (inner, user) = (Arc::downgrade(self), Arc::clone(user));
        tokio::spawn(async move {
            let mut wait = FIRST_WAIT;
            loop {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
                let Some(inner) = inner.upgrade() else { return };
                if inner.write_parked(&user).await {
                    return;
                }
            }
        });
    }

    /// Writes what is parked; whether nothing is left to write.
    pub(super) async fn write_parked(self: &Arc<Self>, user: &Arc<str>) -> bool {
        let row = match self.store.load(Arc::clone(user)).await {
            Ok(Some(row)) => Arc::new(row),
            Ok(None) => {
                self.with_slot(user, |slot| slot.parked = None);
                return true;
            }
            Err(error) => {
                tracing::error!(forgejo.user = %user, %error, "a Forgejo credential is still not stored");
                return false;
            }
        };
        let _landing = self.unpark(user, row).await;
        self.with_slot(user, |slot| slot.parked.is_none())
    }

    /// The later of `row` and what is parked, which is written if it is the later one.
    pub(super) async fn unpark(self: &Arc<Self>, user: &Arc<str>, row: Arc<StoredCredential>) -> Landing {
        let Some(pair) = self.with_slot(user, |slot| slot.parked.clone()) else {
            return living(row);
        };
        let landing = match self.put(user, &row, &pair).await {
            Ok(Put::Written(row)) => {
                tracing::info!(forgejo.user = %user, "a Forgejo credential that was held in memory is stored now");
                Ok(row)
            }
            Ok(Put::Superseded(landing)) => landing,
            Ok(Put::NoSuchUser) => Err(CredentialError::Unknown),
            Err(error) => {
                tracing::error!(forgejo.user = %user, %error, "a Forgejo credential is still not stored");
                return Ok(Row::from(row).with(&pair));
            }
        };
        self.with_slot(user, |slot| {
            // A flight may have parked a newer one while this was written.
            slot.parked.take_if(|parked| same(&parked.refresh_token, &pair.refresh_token));
        });
        landing
    }
}

impl From<Arc<StoredCredential>> for Row {
    fn from(row: Arc<StoredCredential>) -> Self {
        Self::new(row)
    }
}
