//! Deletes what has expired. Statement by statement, so that a big sweep does not keep the writer from others.

use std::time::Duration;

use oauth::clock::Timestamp;
use oauth::id::GrantId;

use crate::database::{again, query};
use crate::error::StoreError;
use crate::revocations::{RevocationKind, record};
use crate::store::Store;

/// How long what is not needed any more is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Sealed pairs for replays: the replay window (design §5: at most 120 s).
    pub successor: Duration,
    /// Spent codes after their expiry, so that a late replay still ends the grant.
    pub spent_code: Duration,
    /// Clients, not configured ones, that no user ever authorized, after their last use.
    pub unauthorized_client: Duration,
    /// Clients, not configured ones, without grants, after their last use.
    pub idle_client: Duration,
    /// MCP sessions after their last use.
    pub session: Duration,
    /// Entries of the revocation sequence: longer than any cache that follows it lags behind.
    pub revocation: Duration,
    /// Audit events.
    pub audit: Duration,
}

/// What a sweep deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Logins that never came back.
    pub authorizations: u64,
    /// Choices of repositories that were never finished.
    pub selections: u64,
    /// Sessions at the account page.
    pub account_sessions: u64,
    /// Codes.
    pub codes: u64,
    /// Access tokens.
    pub access_tokens: u64,
    /// Refresh tokens.
    pub refresh_tokens: u64,
    /// Sealed pairs; their refresh tokens stay.
    pub successors: u64,
    /// Grants that had been revoked and are not needed any more to recognise replays.
    pub revoked_grants: u64,
    /// Grants whose last token lapsed: what still runs under them must end.
    pub lapsed_grants: Vec<GrantId>,
    /// Clients.
    pub clients: u64,
    /// Used client assertions that have expired by themselves.
    pub client_assertions: u64,
    /// Sessions.
    pub sessions: u64,
    /// Audit events.
    pub audit_events: u64,
}

// === impl Store ===

impl Store {
    /// Deletes what has expired at `now`.
    pub async fn sweep(&self, now: Timestamp, retention: &Retention) -> Result<Swept, StoreError> {
        let successors = self.erase_expired_successors(now.minus(retention.successor)).await?;
        let authorizations = self.delete("DELETE FROM authorizations WHERE expires_at < $1", now).await?;
        let selections = self.delete("DELETE FROM selections WHERE expires_at < $1", now).await?;
        let account_sessions = self.delete("DELETE FROM account_sessions WHERE expires_at <= $1", now).await?;
        let unspent = self.delete("DELETE FROM codes WHERE used_at IS NULL AND expires_at < $1", now).await?;
        let spent = self.delete("DELETE FROM codes WHERE expires_at < $1", now.minus(retention.spent_code)).await?;
        let access_tokens = self.delete("DELETE FROM access_tokens WHERE expires_at < $1", now).await?;
        let refresh_tokens = self.delete("DELETE FROM refresh_tokens WHERE expires_at < $1", now).await?;
        let (lapsed_grants, revoked_grants) = again!(self.sweep_grants(now).await)?;
        let strangers = self
            .delete(
                "DELETE FROM clients WHERE kind <> 'static' AND NOT authorized AND last_used_at < $1",
                now.minus(retention.unauthorized_client),
            )
            .await?;
        let idle = self
            .delete(
                "DELETE FROM clients WHERE kind <> 'static' AND authorized AND last_used_at < $1 \
                 AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = clients.id)",
                now.minus(retention.idle_client),
            )
            .await?;
        let client_assertions = self.delete("DELETE FROM client_assertions WHERE expires_at < $1", now).await?;
        let sessions = self.purge_sessions(now.minus(retention.session)).await?;
        self.delete("DELETE FROM revocations WHERE at < $1", now.minus(retention.revocation)).await?;
        let audit_events = self.delete("DELETE FROM audit_events WHERE at < $1", now.minus(retention.audit)).await?;
        Ok(Swept {
            authorizations,
            selections,
            account_sessions,
            codes: unspent + spent,
            access_tokens,
            refresh_tokens,
            successors,
            revoked_grants,
            lapsed_grants,
            clients: strangers + idle,
            client_assertions,
            sessions,
            audit_events,
        })
    }

    /// Erases the sealed pairs of refresh tokens that were spent before `spent_before`.
    pub async fn erase_expired_successors(&self, spent_before: Timestamp) -> Result<u64, StoreError> {
        self.delete(
            "UPDATE refresh_tokens SET sealed_successor = NULL WHERE sealed_successor IS NOT NULL AND used_at < $1",
            spent_before,
        )
        .await
    }

    async fn delete(&self, statement: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        again!(query(statement).bind(before.0).execute(self.write()).await.map_err(StoreError::from))
            .map(|deleted| deleted.rows_affected())
    }

    /// A grant without codes and tokens can't be used by anybody. Nothing can come to life under it either: rotation needs a token.
    /// Those that were not revoked are told to other processes like revoked ones.
    async fn sweep_grants(&self, now: Timestamp) -> Result<(Vec<GrantId>, u64), StoreError> {
        let mut tx = self.begin().await?;
        let rows = query(
            "DELETE FROM grants WHERE NOT EXISTS (SELECT 1 FROM codes c WHERE c.grant_id = grants.id) \
             AND NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.grant_id = grants.id) \
             AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.grant_id = grants.id) RETURNING id, revoked_at",
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut lapsed: Vec<GrantId> = Vec::new();
        let mut revoked = 0;
        for row in rows {
            if row.try_get::<Option<i64>, _>("revoked_at")?.is_some() {
                revoked += 1;
            } else {
                lapsed.push(row.try_get::<String, _>("id")?.into());
            }
        }
        for grant in &lapsed {
            record(&mut tx, RevocationKind::Grant, grant.as_str(), now).await?;
        }
        tx.commit().await?;
        Ok((lapsed, revoked))
    }
}

// === impl Retention ===

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            successor: Duration::from_mins(2),
            spent_code: DAY,
            unauthorized_client: 30 * DAY,
            idle_client: 400 * DAY,
            session: 30 * DAY,
            revocation: DAY,
            audit: 90 * DAY,
        }
    }
}

#[cfg(test)]
mod tests;
