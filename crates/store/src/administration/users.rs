//! Users.

use oauth::clock::Timestamp;
use oauth::id::UserId;

use super::Administration;
use crate::database::{Row, again, query, time};
use crate::error::StoreError;
use crate::grants::revoke_all;

/// A user, as an operator sees him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// The broker's id.
    pub id: UserId,
    /// Login name at the last login.
    pub login: String,
    /// Forgejo's numeric id.
    pub forgejo_id: i64,
    /// Which Forgejo.
    pub issuer: String,
    /// Why his credential is dead, if it is.
    pub dead: Option<String>,
    /// First login.
    pub created_at: Timestamp,
    /// Last login.
    pub last_login_at: Timestamp,
    /// Grants that stand.
    pub live_grants: i64,
    /// Stored MCP sessions.
    pub sessions: i64,
}

const LIVE_GRANTS: &str = "SELECT id FROM grants WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT u.id, u.login, u.forgejo_id, u.issuer, u.dead_reason, u.created_at, u.last_login_at, \
             (SELECT count(*) FROM grants g WHERE g.user_id = u.id AND g.revoked_at IS NULL) AS live_grants, \
             (SELECT count(*) FROM sessions s JOIN grants g ON g.id = s.grant_id WHERE g.user_id = u.id) AS sessions \
             FROM users u ",
            $rest
        )
    };
}

// === impl Administration ===

impl Administration {
    /// All users by login name.
    pub async fn users(&self) -> Result<Vec<ListedUser>, StoreError> {
        let rows = query(select!("ORDER BY u.login, u.id")).fetch_all(&self.pool).await?;
        rows.iter().map(ListedUser::try_from).collect()
    }

    /// The users with this id or login name: one at most, unless the broker has served several Forgejos.
    pub async fn users_named(&self, name: &str) -> Result<Vec<ListedUser>, StoreError> {
        let rows =
            query(select!("WHERE u.id = $1 OR u.login = $1 ORDER BY u.id")).bind(name).fetch_all(&self.pool).await?;
        rows.iter().map(ListedUser::try_from).collect()
    }

    /// Ends all of a user's grants; says how many there were. He can log in again.
    pub async fn revoke_user(&self, id: &UserId, now: Timestamp) -> Result<usize, StoreError> {
        again!(self.try_to_revoke_user(id, now).await)
    }

    async fn try_to_revoke_user(&self, id: &UserId, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let ended = revoke_all(&mut tx, LIVE_GRANTS, id.as_str(), now).await?.len();
        self.note(&mut tx, "admin.user_revoked", id.as_str(), &format!("{ended} grants"), now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Ends all of a user's grants and forgets him with everything that is stored of him, his credential at Forgejo included. Audit events
    /// that name him stay until their time. `false` if there is no such user.
    pub async fn purge_user(&self, id: &UserId, now: Timestamp) -> Result<bool, StoreError> {
        again!(self.try_to_purge_user(id, now).await)
    }

    async fn try_to_purge_user(&self, id: &UserId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // No grant of his comes into being from here on.
        query(tx.locking("SELECT id FROM users WHERE id = $1")).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        revoke_all(&mut tx, LIVE_GRANTS, id.as_str(), now).await?;
        let gone = query("DELETE FROM users WHERE id = $1").bind(id.as_str()).execute(&mut *tx).await?;
        let gone = gone.rows_affected() > 0;
        if gone {
            self.note(&mut tx, "admin.user_purged", id.as_str(), "ok", now).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }
}

// === impl ListedUser ===

impl TryFrom<&Row> for ListedUser {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get::<String, _>("id")?.into(),
            login: row.try_get("login")?,
            forgejo_id: row.try_get("forgejo_id")?,
            issuer: row.try_get("issuer")?,
            dead: row.try_get("dead_reason")?,
            created_at: time(row, "created_at")?,
            last_login_at: time(row, "last_login_at")?,
            live_grants: row.try_get("live_grants")?,
            sessions: row.try_get("sessions")?,
        })
    }
}
