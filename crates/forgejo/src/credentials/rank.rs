//! Which of two pairs Forgejo issued later.

use std::cmp::Ordering;

use secrecy::SecretString;

use crate::{
    credential_store::{IssuedPair, StoredCredential},
    oauth_client::TokenHints,
};

/// A pair's place in time. Forgejo's own numbers decide where both pairs have them: a later grant has a higher id, and within a
/// grant every issue raises the counter. Where they say nothing (Gitea does not always count) the time of issue decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rank {
    hints: TokenHints,
    refreshed_at: i64,
}

// === impl Rank ===

impl Rank {
    pub(super) fn of_pair(pair: &IssuedPair) -> Self {
        Self::new(&pair.refresh_token, pair.refreshed_at)
    }

    pub(super) fn of_row(row: &StoredCredential) -> Self {
        Self::new(&row.refresh_token, row.refreshed_at)
    }

    fn new(refresh_token: &SecretString, refreshed_at: i64) -> Self {
        Self {
            hints: TokenHints::of(refresh_token),
            refreshed_at,
        }
    }

    pub(super) fn is_later_than(self, other: Self) -> bool {
        let by = |one: Option<i64>, two: Option<i64>| match (one, two) {
            (Some(one), Some(two)) => one.cmp(&two),
            _ => Ordering::Equal,
        };
        by(self.hints.grant_id, other.hints.grant_id)
            .then(by(self.hints.counter, other.hints.counter))
            .then(self.refreshed_at.cmp(&other.refreshed_at))
            .is_gt()
    }
}
