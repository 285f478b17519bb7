//! Client assertions that were used (RFC 7523 §3, `jti`): in the store, because a replay after a restart, or at another replica, is one too.

use oauth::client_assertion::Verified;

use crate::database::query;
use crate::error::StoreError;
use crate::store::Store;

// === impl Store ===

impl Store {
    /// Spends an assertion. False if it was spent before: then it proves nothing any more.
    ///
    /// Of several concurrent uses exactly one gets true. Rows go with [`Store::sweep`] when the assertion has expired.
    pub async fn spend_assertion(&self, assertion: &Verified) -> Result<bool, StoreError> {
        let inserted =
            query("INSERT INTO client_assertions (once, expires_at) VALUES ($1, $2) ON CONFLICT (once) DO NOTHING")
                .bind(assertion.once.as_slice())
                .bind(assertion.until.0)
                .execute(self.write())
                .await?
                .rows_affected();
        Ok(inserted == 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oauth::clock::Timestamp;

    use super::*;
    use crate::sweep::Retention;
    use crate::testing::{Scratch, on_each, race};

    const ASSERTION: Verified = Verified { once: [7; 32], until: Timestamp(1000) };

    on_each!(of_many_uses_of_one_assertion_exactly_one_counts);
    async fn of_many_uses_of_one_assertion_exactly_one_counts(at: Scratch) {
        let store = at.store().await;
        let won = race(8, &store, |store, _| async move { store.spend_assertion(&ASSERTION).await.unwrap() }).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let other = Verified { once: [8; 32], ..ASSERTION };
        assert!(store.spend_assertion(&other).await.unwrap());
    }

    on_each!(an_assertion_is_remembered_until_it_has_expired);
    async fn an_assertion_is_remembered_until_it_has_expired(at: Scratch) {
        let store = at.store().await;
        store.spend_assertion(&ASSERTION).await.unwrap();
        let retention = Retention { session: Duration::ZERO, ..Retention::default() };
        store.sweep(ASSERTION.until, &retention).await.unwrap();
        assert!(!store.spend_assertion(&ASSERTION).await.unwrap());
        assert_eq!(store.sweep(Timestamp(1001), &retention).await.unwrap().client_assertions, 1);
    }
}
