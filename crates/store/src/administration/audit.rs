//! The audit log.

use oauth::clock::Timestamp;

use super::Administration;
use crate::audit::AuditEvent;
use crate::database::{Row, query};
use crate::error::StoreError;

/// Which events are listed.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this actor: a user by id or login name, or an operator.
    pub actor: Option<String>,
    /// Of this name.
    pub event: Option<String>,
    /// About this subject.
    pub subject: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

/// An event with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Rises with every event.
    pub id: i64,
    /// The event.
    pub event: AuditEvent,
    /// Login name of the actor, if he is a user who is still known.
    pub login: Option<String>,
}

// === impl Administration ===

impl Administration {
    /// Events, the newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = query(
            "SELECT a.id, a.at, a.actor, a.client, a.event, a.subject, a.outcome, a.request_id, a.detail, \
             a.duration_ms, u.login \
             FROM audit_events a LEFT JOIN users u ON u.id = a.actor \
             WHERE ($1 IS NULL OR a.actor = $1 OR u.login = $1) AND ($2 IS NULL OR a.event = $2) \
             AND ($3 IS NULL OR a.subject = $3) AND ($4 IS NULL OR a.at >= $4) ORDER BY a.at DESC, a.id DESC LIMIT $5",
        )
        .bind(&filter.actor)
        .bind(&filter.event)
        .bind(&filter.subject)
        .bind(filter.since.map(|at| at.0))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(AuditRecord::try_from).collect()
    }

    /// Deletes events before `before`, and says so in an event of its own; says how many there were.
    pub async fn purge_audit(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let gone = query("DELETE FROM audit_events WHERE at < $1").bind(before.0).execute(&mut *tx).await?;
        let gone = gone.rows_affected();
        self.note(&mut tx, "admin.audit_purged", "audit_events", &format!("{gone} events"), now).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

// === impl AuditRecord ===

impl TryFrom<&Row> for AuditRecord {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { id: row.try_get("id")?, event: AuditEvent::try_from(row)?, login: row.try_get("login")? })
    }
}
