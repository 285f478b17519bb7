//! Grants: parents of codes, tokens and sessions. Ending one ends them all, in one transaction.

use oauth::clock::Timestamp;
use oauth::grant::{Grant, GrantLimits};
use oauth::id::{GrantId, UserId};
use oauth::scope::ScopeSet;
use oauth::token::TokenHash;

use crate::database::{Connection, Row, again, optional_time, query, time};
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
        let row = query(concat!("SELECT ", grant_columns!(), " FROM grants g WHERE g.id = $1"))
            .bind(id.as_str())
            .fetch_optional(self.read())
            .await?;
        row.as_ref().map(read_grant).transpose()
    }

    /// A user's live grants, the newest first.
    pub async fn grants_of_user(&self, user: &UserId) -> Result<Vec<Grant>, StoreError> {
        let rows = query(concat!(
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
        again!(self.try_to_revoke_grant(id, now).await)
    }

    async fn try_to_revoke_grant(&self, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
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
        let changed = query("UPDATE grants SET scope = $2, limits = $3 WHERE id = $1 AND revoked_at IS NULL")
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
        // In one order, so that two that note the same grants do not wait for each other.
        let mut uses: Vec<_> = uses.iter().collect();
        uses.sort_unstable_by_key(|(grant, _)| grant.as_str());
        again!(self.try_to_touch(&uses).await)
    }

    async fn try_to_touch(&self, uses: &[&(GrantId, Timestamp)]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for (grant, at) in uses {
            touch(&mut tx, grant.as_str(), *at).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Locks the grant of a token or code, by a query for it: first of all rows, as whoever ends the grant does. So nothing comes to life under
/// a grant while it ends.
pub(crate) async fn hold_grant(tx: &mut Connection, of: &'static str, hash: &TokenHash) -> Result<(), StoreError> {
    if tx.is_shared() {
        query(tx.locking(of)).bind(hash.as_bytes().as_slice()).fetch_optional(tx).await?;
    }
    Ok(())
}

/// Ends a grant within the caller's transaction.
pub(crate) async fn revoke(tx: &mut Connection, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
    let ended = end(tx, id, now).await?;
    if ended {
        record(tx, RevocationKind::Grant, id.as_str(), now).await?;
    }
    Ok(ended)
}

/// Ends the grants whose ids a query finds, in the order of their ids. What they are told to others by comes last: whoever is at that
/// keeps everybody else from it, and must not wait for rows any more.
pub(crate) async fn revoke_all(
    tx: &mut Connection,
    of: &'static str,
    owner: &str,
    now: Timestamp,
) -> Result<Vec<GrantId>, StoreError> {
    let rows = query(tx.locking(of)).bind(owner).fetch_all(&mut *tx).await?;
    let mut ended = Vec::with_capacity(rows.len());
    for row in rows {
        let grant: GrantId = row.try_get::<String, _>("id")?.into();
        end(tx, &grant, now).await?;
        ended.push(grant);
    }
    for grant in &ended {
        record(tx, RevocationKind::Grant, grant.as_str(), now).await?;
    }
    Ok(ended)
}

async fn end(tx: &mut Connection, id: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
    let ended = query("UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
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
        query(statement).bind(id.as_str()).execute(&mut *tx).await?;
    }
    Ok(true)
}

/// Notes a use of a grant and of its client within the caller's transaction.
pub(crate) async fn touch(tx: &mut Connection, grant: &str, at: Timestamp) -> Result<(), StoreError> {
    let of_grant = "UPDATE grants SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    // Many grants share a client. Whoever finds its row locked need not wait for it: somebody notes a use of it at this very moment.
    let of_client = if tx.is_shared() {
        "UPDATE clients SET last_used_at = $2 WHERE id = (SELECT c.id FROM clients c JOIN grants g ON g.client_id = c.id \
         WHERE g.id = $1 AND c.last_used_at < $2 FOR NO KEY UPDATE OF c SKIP LOCKED)"
    } else {
        "UPDATE clients SET last_used_at = $2 \
         WHERE id = (SELECT client_id FROM grants WHERE id = $1) AND last_used_at < $2"
    };
    for statement in [of_grant, of_client] {
        query(statement).bind(grant).bind(at.0).execute(&mut *tx).await?;
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
