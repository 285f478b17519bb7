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
        Self { hints: TokenHints::of(refresh_token), refreshed_at }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fake_forgejo::jwt;

    fn rank(grant: Option<i64>, counter: Option<i64>, at: i64) -> Rank {
        Rank::new(&SecretString::from(jwt(&json!({"gnt": grant, "cnt": counter, "tt": 1}))), at)
    }

    #[test]
    fn the_grant_counts_before_the_counter_and_the_counter_before_the_time() {
        let base = rank(Some(7), Some(5), 100);
        assert!(rank(Some(8), Some(1), 0).is_later_than(base));
        assert!(rank(Some(7), Some(6), 0).is_later_than(base));
        assert!(rank(Some(7), Some(5), 101).is_later_than(base));
        assert!(rank(None, None, 101).is_later_than(base));
        assert!(!rank(Some(7), Some(4), 999).is_later_than(base));
        assert!(!base.is_later_than(base));
    }

    proptest! {
        #[test]
        fn two_pairs_are_never_each_later_than_the_other(
            one in (any::<Option<i64>>(), any::<Option<i64>>(), any::<i64>()),
            two in (any::<Option<i64>>(), any::<Option<i64>>(), any::<i64>()),
        ) {
            let (one, two) = (rank(one.0, one.1, one.2), rank(two.0, two.1, two.2));
            prop_assert!(!(one.is_later_than(two) && two.is_later_than(one)));
        }
    }
}
