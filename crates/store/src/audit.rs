//! The audit log: who did what, without argument values and secrets. Written in batches, read by the operator, swept by age.

use std::borrow::Cow;

use oauth::clock::Timestamp;
use sqlx::Row as _;

use crate::database::{Connection, Row, time};
use crate::error::StoreError;
use crate::store::Store;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// Who did it: a user's id, or nobody that is known.
    pub actor: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// What, as a dotted name.
    pub event: Cow<'static, str>,
    /// To what: an id.
    pub subject: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// The request in whose course it happened.
    pub request_id: Option<String>,
}

// === impl Store ===

impl Store {
    /// Writes events, all or none.
    pub async fn record_audit(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for event in events {
            insert(&mut tx, event).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The newest events, the newest first.
    pub async fn recent_audit(&self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, actor, client, event, subject, outcome, request_id FROM audit_events \
             ORDER BY at DESC, id DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        rows.iter().map(AuditEvent::try_from).collect()
    }
}

/// Writes one event within the caller's transaction.
pub(crate) async fn insert(tx: &mut Connection, event: &AuditEvent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit_events (at, actor, client, event, subject, outcome, request_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.at.0)
    .bind(&event.actor)
    .bind(&event.client)
    .bind(event.event.as_ref())
    .bind(&event.subject)
    .bind(&event.outcome)
    .bind(&event.request_id)
    .execute(tx)
    .await?;
    Ok(())
}

// === impl AuditEvent ===

impl TryFrom<&Row> for AuditEvent {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            at: time(row, "at")?,
            actor: row.try_get("actor")?,
            client: row.try_get("client")?,
            event: Cow::Owned(row.try_get("event")?),
            subject: row.try_get("subject")?,
            outcome: row.try_get("outcome")?,
            request_id: row.try_get("request_id")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn event(at: i64, event: &'static str) -> AuditEvent {
        AuditEvent {
            at: Timestamp(at),
            actor: Some("user".into()),
            client: None,
            event: event.into(),
            subject: Some("grant".into()),
            outcome: "ok".into(),
            request_id: Some("r".into()),
        }
    }

    #[tokio::test]
    async fn events_come_back_newest_first() {
        let (_directory, store) = testing::store().await;
        let events = [event(1, "login.completed"), event(3, "token.rotated"), event(3, "grant.revoked")];
        store.record_audit(&events).await.unwrap();
        store.record_audit(&[]).await.unwrap();
        let [first, second, third] = events;
        assert_eq!(store.recent_audit(2).await.unwrap(), [third, second]);
        assert_eq!(store.recent_audit(9).await.unwrap().last(), Some(&first));
    }
}
