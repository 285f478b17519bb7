//! Browsers logged in to the account page. Only the hash of a session's cookie is kept.

use oauth::clock::Timestamp;
use oauth::id::UserId;
use oauth::token::TokenHash;

use crate::database::{Connection, Row, query, time};
use crate::error::StoreError;
use crate::store::Store;

/// A browser that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSession {
    /// Who logged in.
    pub user: UserId,
    /// When.
    pub created_at: Timestamp,
    /// It ends then, unless it is used before.
    pub expires_at: Timestamp,
}

// === impl Store ===

impl Store {
    /// Begins a session, and ends the one that the same browser had before.
    pub async fn begin_account_session(
        &self,
        id_hash: &TokenHash,
        session: &AccountSession,
        before: Option<&TokenHash>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if let Some(before) = before {
            end(&mut tx, before).await?;
        }
        query("INSERT INTO account_sessions (id_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(id_hash.as_bytes().as_slice())
            .bind(session.user.as_str())
            .bind(session.created_at.0)
            .bind(session.expires_at.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The session with this cookie, if it has not ended by `now`.
    pub async fn account_session(
        &self,
        id_hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<AccountSession>, StoreError> {
        let row = query(
            "SELECT user_id, created_at, expires_at FROM account_sessions WHERE id_hash = $1 AND expires_at > $2",
        )
        .bind(id_hash.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(self.read())
        .await?;
        row.as_ref().map(AccountSession::try_from).transpose()
    }

    /// Puts off the end of a session that is in use. One that has ended stays so.
    pub async fn extend_account_session(
        &self,
        id_hash: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query("UPDATE account_sessions SET expires_at = $2 WHERE id_hash = $1 AND expires_at > $3")
            .bind(id_hash.as_bytes().as_slice())
            .bind(expires_at.0)
            .bind(now.0)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Ends a session, and what was being chosen in it.
    pub async fn end_account_session(&self, id_hash: &TokenHash) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        end(&mut tx, id_hash).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn end(tx: &mut Connection, id_hash: &TokenHash) -> Result<(), StoreError> {
    for statement in
        ["DELETE FROM account_sessions WHERE id_hash = $1", "DELETE FROM selections WHERE browser_hash = $1"]
    {
        query(statement).bind(id_hash.as_bytes().as_slice()).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Ends all sessions of a user, and what he was choosing anywhere, within the caller's transaction.
pub(crate) async fn end_of_user(tx: &mut Connection, user: &UserId) -> Result<(), StoreError> {
    for statement in ["DELETE FROM account_sessions WHERE user_id = $1", "DELETE FROM selections WHERE user_id = $1"] {
        query(statement).bind(user.as_str()).execute(&mut *tx).await?;
    }
    Ok(())
}

// === impl AccountSession ===

impl TryFrom<&Row> for AccountSession {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            user: row.try_get::<String, _>("user_id")?.into(),
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Login, Scratch, logged_in, on_each, rows};

    fn session(user: &UserId) -> AccountSession {
        AccountSession { user: user.clone(), created_at: Timestamp(10), expires_at: Timestamp(100) }
    }

    on_each!(a_session_lasts_until_it_expires_and_longer_if_it_is_extended_in_time);
    async fn a_session_lasts_until_it_expires_and_longer_if_it_is_extended_in_time(at: Scratch) {
        let store = at.store().await;
        let (user, cookie) = (logged_in(&store).await, TokenHash::of("cookie"));
        store.begin_account_session(&cookie, &session(&user), None).await.unwrap();
        assert_eq!(store.account_session(&cookie, Timestamp(99)).await.unwrap(), Some(session(&user)));
        assert_eq!(store.account_session(&cookie, Timestamp(100)).await.unwrap(), None);
        store.extend_account_session(&cookie, Timestamp(200), Timestamp(99)).await.unwrap();
        assert!(store.account_session(&cookie, Timestamp(199)).await.unwrap().is_some());
        store.extend_account_session(&cookie, Timestamp(900), Timestamp(200)).await.unwrap();
        assert!(store.account_session(&cookie, Timestamp(201)).await.unwrap().is_none(), "what has ended stays so");
    }

    on_each!(a_new_login_of_a_browser_ends_the_session_that_it_had);
    async fn a_new_login_of_a_browser_ends_the_session_that_it_had(at: Scratch) {
        let store = at.store().await;
        let user = logged_in(&store).await;
        let (first, second) = (TokenHash::of("first"), TokenHash::of("second"));
        store.begin_account_session(&first, &session(&user), None).await.unwrap();
        store.begin_account_session(&second, &session(&user), Some(&first)).await.unwrap();
        assert!(store.account_session(&first, Timestamp(20)).await.unwrap().is_none());
        store.end_account_session(&second).await.unwrap();
        assert!(store.account_session(&second, Timestamp(20)).await.unwrap().is_none());
    }

    on_each!(a_user_who_had_revoked_us_at_forgejo_is_logged_out_everywhere);
    async fn a_user_who_had_revoked_us_at_forgejo_is_logged_out_everywhere(at: Scratch) {
        let store = at.store().await;
        let user = logged_in(&store).await;
        store.begin_account_session(&TokenHash::of("cookie"), &session(&user), None).await.unwrap();
        let login = Login { upstream_grant: Some(8), ..Login::of("g2") };
        assert_eq!(login.write(&store).await.unwrap().ended_grants, ["g".into()]);
        assert_eq!(rows(&store, "SELECT count(*) FROM account_sessions").await, 0);
    }
}
