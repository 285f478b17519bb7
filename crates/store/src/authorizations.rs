//! Logins under way: written at consent, taken once at Forgejo's redirect back. A restart in between loses nothing.

use oauth::clock::Timestamp;
use oauth::token::TokenHash;

use crate::database::{Row, hash, query, time};
use crate::error::StoreError;
use crate::store::Store;

/// What a login is for. One made for the account page can't complete an authorization, nor the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To answer a client's authorization request.
    Authorize,
    /// To enter the account page.
    Account,
}

/// A login that begins.
#[derive(Debug, Clone)]
pub struct NewAuthorization<'a> {
    /// Of the upstream `state`.
    pub state_hash: TokenHash,
    /// Of the cookie that binds the login to a browser.
    pub browser_hash: TokenHash,
    /// What it is for.
    pub purpose: Purpose,
    /// The client's request and the upstream verifier, sealed by the caller.
    pub sealed_request: &'a [u8],
    /// When it began.
    pub created_at: Timestamp,
    /// After this it can't be completed.
    pub expires_at: Timestamp,
}

/// A login that has come back.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// Of the cookie that the browser must show now.
    pub browser_hash: TokenHash,
    /// What it was begun for.
    pub purpose: Purpose,
    /// As it was given.
    pub sealed_request: Vec<u8>,
    /// When it began.
    pub created_at: Timestamp,
    /// After this it can't be completed.
    pub expires_at: Timestamp,
}

// === impl Store ===

impl Store {
    /// Writes a login that begins.
    pub async fn begin_authorization(&self, login: &NewAuthorization<'_>) -> Result<(), StoreError> {
        query(
            "INSERT INTO authorizations (state_hash, browser_hash, purpose, sealed_request, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(login.state_hash.as_bytes().as_slice())
        .bind(login.browser_hash.as_bytes().as_slice())
        .bind(login.purpose.column())
        .bind(login.sealed_request)
        .bind(login.created_at.0)
        .bind(login.expires_at.0)
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// Takes a login out of the store; only one caller ever gets it. `None` if there is none (any more), it has expired, or was begun in
    /// another browser or for something else; the latter two leave it where it is, so that a stranger can't spoil it.
    pub async fn take_authorization(
        &self,
        state_hash: &TokenHash,
        browser_hash: &TokenHash,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<Authorization>, StoreError> {
        // A transaction of its own, because nobody may hold the login before its removal is on disk.
        let mut tx = self.begin().await?;
        let row = query(
            "DELETE FROM authorizations WHERE state_hash = $1 AND browser_hash = $2 AND purpose = $3 \
             RETURNING state_hash, browser_hash, purpose, sealed_request, created_at, expires_at",
        )
        .bind(state_hash.as_bytes().as_slice())
        .bind(browser_hash.as_bytes().as_slice())
        .bind(purpose.column())
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        let taken = row.as_ref().map(Authorization::try_from).transpose()?;
        Ok(taken.filter(|login| now <= login.expires_at))
    }
}

// === impl Authorization ===

impl TryFrom<&Row> for Authorization {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        let state_hash: &[u8] = row.try_get("state_hash")?;
        let corrupt = |column| StoreError::Corrupt { table: "authorizations", column, row: hex::encode(state_hash) };
        Ok(Self {
            browser_hash: TokenHash::from_bytes(hash(row, "authorizations", "browser_hash")?),
            purpose: Purpose::of_column(row.try_get("purpose")?).ok_or_else(|| corrupt("purpose"))?,
            sealed_request: row.try_get("sealed_request")?,
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
        })
    }
}

// === impl Purpose ===

impl Purpose {
    fn column(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Account => "account",
        }
    }

    fn of_column(text: &str) -> Option<Self> {
        [Self::Authorize, Self::Account].into_iter().find(|purpose| purpose.column() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Scratch, on_each, race};

    fn login(state: &str) -> NewAuthorization<'static> {
        NewAuthorization {
            state_hash: TokenHash::of(state),
            browser_hash: TokenHash::of("browser"),
            purpose: Purpose::Account,
            sealed_request: b"sealed",
            created_at: Timestamp(1),
            expires_at: Timestamp(100),
        }
    }

    on_each!(a_login_is_taken_as_it_was_begun);
    async fn a_login_is_taken_as_it_was_begun(at: Scratch) {
        let store = at.store().await;
        store.begin_authorization(&login("a")).await.unwrap();
        let taken = store
            .take_authorization(&TokenHash::of("a"), &TokenHash::of("browser"), Purpose::Account, Timestamp(100))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((taken.purpose, taken.sealed_request), (Purpose::Account, b"sealed".to_vec()));
        assert!(taken.browser_hash == TokenHash::of("browser"));
    }

    on_each!(an_expired_login_is_not_given_out);
    async fn an_expired_login_is_not_given_out(at: Scratch) {
        let store = at.store().await;
        store.begin_authorization(&login("a")).await.unwrap();
        assert!(
            store
                .take_authorization(&TokenHash::of("a"), &TokenHash::of("browser"), Purpose::Account, Timestamp(101))
                .await
                .unwrap()
                .is_none()
        );
    }

    on_each!(another_browser_or_purpose_neither_gets_a_login_nor_spoils_it);
    async fn another_browser_or_purpose_neither_gets_a_login_nor_spoils_it(at: Scratch) {
        let store = at.store().await;
        store.begin_authorization(&login("a")).await.unwrap();
        let (state, browser, other) = (TokenHash::of("a"), TokenHash::of("browser"), TokenHash::of("other"));
        assert!(store.take_authorization(&state, &other, Purpose::Account, Timestamp(2)).await.unwrap().is_none());
        assert!(store.take_authorization(&state, &browser, Purpose::Authorize, Timestamp(2)).await.unwrap().is_none());
        assert!(store.take_authorization(&state, &browser, Purpose::Account, Timestamp(2)).await.unwrap().is_some());
    }

    on_each!(one_state_begins_one_login_only);
    async fn one_state_begins_one_login_only(at: Scratch) {
        let store = at.store().await;
        store.begin_authorization(&login("a")).await.unwrap();
        assert!(matches!(store.begin_authorization(&login("a")).await, Err(StoreError::Unavailable(_))));
    }

    on_each!(of_64_that_take_a_login_one_gets_it);
    async fn of_64_that_take_a_login_one_gets_it(at: Scratch) {
        let store = at.store().await;
        store.begin_authorization(&login("a")).await.unwrap();
        let taken = race(64, &store, |store, _| async move {
            let browser = TokenHash::of("browser");
            store
                .take_authorization(&TokenHash::of("a"), &browser, Purpose::Account, Timestamp(2))
                .await
                .unwrap()
                .is_some()
        })
        .await;
        assert_eq!(taken.into_iter().filter(|&won| won).count(), 1);
        assert_eq!(testing::rows(&store, "SELECT count(*) FROM authorizations").await, 0);
    }
}
