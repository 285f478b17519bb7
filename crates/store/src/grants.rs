//! Grants: parents of codes, tokens and sessions. Ending one ends them all, in one transaction.

use oauth::clock::Timestamp;
use oauth::grant::{Grant, GrantLimits};
use oauth::id::{GrantId, UserId};
use oauth::scope::ScopeSet;
use sqlx::Row as _;

use crate::database::{Connection, Row, optional_time, time};
use crate::error::StoreError;
use crate::revocations::{RevocationKind, record};
use crate::store::Store;

/// The columns that [`read_grant`] reads, of a `grants` row that the query calls `g`.
macro_rules! grant_columns {
    () => {
        "g.id AS grant_id, g.user_id, g.client_id, g.scope, g.limits, g.resource, \
         g.created_at AS grant_created_at, g.last_used_at AS grant_last_used_at, g.revoked_at"
    };
}
pub(crate) use grant_columns;

// === impl Store ===

impl Store {
    /// A grant, live or not.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        let row = sqlx::query(concat!("SELECT ", grant_columns!(), " FROM grants g WHERE g.id = $1"))
            .bind(id.as_str())
            .fetch_optional(self.read())
            .await?;
        row.as_ref().map(read_grant).transpose()
    }

    /// A user's live grants, the newest first.
    pub async fn grants_of_user(&self, user: &UserId) -> Result<Vec<Grant>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            grant_columns!(),
            " FROM grants g WHERE g.user_id = $1 AND g.revoked_at IS NULL ORDER BY g.created_at DESC, g.id"
        ))
        .bind(user.as_str())
        .fetch_all(self.read())
        .await?;
        rows.iter().map(read_grant).collect()
    }

    /// Ends a grant with its codes, tokens and sessions. `false` if it had ended before or does not exist.
    ///
    /// Its refresh tokens stay, as revoked ones, until they expire.
    pub async fn revoke_grant(&self, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let ended = revoke(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Gives a live grant another scope and other limits. `false`, and nothing is changed, if it has ended or does not exist.
    pub async fn change_grant(
        &self,
        id: &GrantId,
        scope: ScopeSet,
        limits: &GrantLimits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let limits = serde_json::to_string(limits).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let mut tx = self.begin().await?;
        let changed = sqlx::query("UPDATE grants SET scope = $2, limits = $3 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.as_str())
            .bind(scope.to_string())
            .bind(limits)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if changed > 0 {
            record(&mut tx, RevocationKind::GrantChanged, id.as_str(), now).await?;
        }
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Notes when grants were last used. An earlier time than the one that is noted changes nothing.
    pub async fn touch_grants(&self, uses: &[(GrantId, Timestamp)]) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for (grant, at) in uses {
            touch(&mut tx, grant.as_str(), *at).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Ends a grant within the caller's transaction.
pub(crate) async fn revoke(tx: &mut Connection, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
    let ended = sqlx::query("UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
        .bind(id.as_str())
        .bind(now.0)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if ended == 0 {
        return Ok(false);
    }
    for statement in [
        "DELETE FROM access_tokens WHERE grant_id = $1",
        "DELETE FROM codes WHERE grant_id = $1",
        "DELETE FROM sessions WHERE grant_id = $1",
        "UPDATE refresh_tokens SET sealed_successor = NULL WHERE grant_id = $1 AND sealed_successor IS NOT NULL",
    ] {
        sqlx::query(statement).bind(id.as_str()).execute(&mut *tx).await?;
    }
    record(tx, RevocationKind::Grant, id.as_str(), now).await?;
    Ok(true)
}

/// Notes a use of a grant and of its client within the caller's transaction.
pub(crate) async fn touch(tx: &mut Connection, grant: &str, at: Timestamp) -> Result<(), StoreError> {
    for statement in [
        "UPDATE grants SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
        "UPDATE clients SET last_used_at = $2 \
         WHERE id = (SELECT client_id FROM grants WHERE id = $1) AND last_used_at < $2",
    ] {
        sqlx::query(statement).bind(grant).bind(at.0).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Reads the columns of [`grant_columns`].
pub(crate) fn read_grant(row: &Row) -> Result<Grant, StoreError> {
    let id: String = row.try_get("grant_id")?;
    let corrupt = |column| StoreError::Corrupt { table: "grants", column, row: id.clone() };
    let scope: &str = row.try_get("scope")?;
    let limits: &str = row.try_get("limits")?;
    Ok(Grant {
        scope: scope.parse().map_err(|_| corrupt("scope"))?,
        limits: serde_json::from_str(limits).map_err(|_| corrupt("limits"))?,
        user: row.try_get::<String, _>("user_id")?.into(),
        client: row.try_get::<String, _>("client_id")?.into(),
        resource: row.try_get("resource")?,
        created_at: time(row, "grant_created_at")?,
        last_used_at: optional_time(row, "grant_last_used_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        id: id.into(),
    })
}

#[cfg(test)]
mod tests;
