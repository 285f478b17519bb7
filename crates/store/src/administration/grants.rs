//! Grants.

use oauth::clock::Timestamp;
use oauth::grant::Grant;
use oauth::id::GrantId;

use super::Administration;
use crate::database::{Row, again, query};
use crate::error::StoreError;
use crate::grants::{grant_columns, read_grant, revoke};

/// A grant, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGrant {
    /// As it is stored.
    pub grant: Grant,
    /// Login name of its user.
    pub login: String,
    /// What its client registered, as JSON.
    pub client_metadata: String,
    /// Stored MCP sessions.
    pub sessions: i64,
}

/// Which grants are listed.
#[derive(Debug, Clone, Default)]
pub struct GrantFilter {
    /// Of this user, by id or login name.
    pub user: Option<String>,
    /// Of this client.
    pub client: Option<String>,
    /// Those that have ended too.
    pub ended: bool,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            grant_columns!(),
            ", u.login, c.metadata, (SELECT count(*) FROM sessions s WHERE s.grant_id = g.id) AS sessions \
             FROM grants g JOIN users u ON u.id = g.user_id JOIN clients c ON c.id = g.client_id ",
            $rest
        )
    };
}

// === impl Administration ===

impl Administration {
    /// Grants, the newest first.
    pub async fn grants(&self, filter: &GrantFilter) -> Result<Vec<ListedGrant>, StoreError> {
        let rows = query(select!(
            "WHERE ($1 IS NULL OR u.id = $1 OR u.login = $1) AND ($2 IS NULL OR c.id = $2) \
             AND ($3 OR g.revoked_at IS NULL) ORDER BY g.created_at DESC, g.id"
        ))
        .bind(&filter.user)
        .bind(&filter.client)
        .bind(filter.ended)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(ListedGrant::try_from).collect()
    }

    /// One grant, live or not.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<ListedGrant>, StoreError> {
        let row = query(select!("WHERE g.id = $1")).bind(id.as_str()).fetch_optional(&self.pool).await?;
        row.as_ref().map(ListedGrant::try_from).transpose()
    }

    /// Ends a grant with its tokens and sessions. `false` if there is none that stands.
    pub async fn revoke_grant(&self, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
        again!(self.try_to_revoke_grant(id, now).await)
    }

    async fn try_to_revoke_grant(&self, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let ended = revoke(&mut tx, id, now).await?;
        if ended {
            self.note(&mut tx, "admin.grant_revoked", id.as_str(), "ok", now).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Forgets grants that ended before `ended_before`; says how many there were. The refresh tokens that they still had go with them, and
    /// with those the knowledge that they were spent.
    pub async fn purge_grants(&self, ended_before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let gone = query("DELETE FROM grants WHERE revoked_at < $1").bind(ended_before.0).execute(&mut *tx).await?;
        let gone = gone.rows_affected();
        self.note(&mut tx, "admin.grants_purged", "ended", &format!("{gone} grants"), now).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

// === impl ListedGrant ===

impl TryFrom<&Row> for ListedGrant {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            grant: read_grant(row)?,
            login: row.try_get("login")?,
            client_metadata: row.try_get("metadata")?,
            sessions: row.try_get("sessions")?,
        })
    }
}
