//! The audit log: who did what, without argument values and secrets. Written in batches, read by the operator, swept by age.

use std::borrow::Cow;
use std::sync::LazyLock;

use oauth::clock::Timestamp;
use oauth::id::UserId;

use crate::database::{Connection, Query, Row, query, time};
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
    /// What exactly: the name of a tool, a reason. No argument value and no secret.
    pub detail: Option<String>,
    /// How long it took, in milliseconds, where that is known.
    pub duration_ms: Option<i64>,
    /// The request in whose course it happened.
    pub request_id: Option<String>,
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedEvent {
    /// Rises with every event that is written.
    pub number: i64,
    /// What happened.
    pub event: AuditEvent,
}

/// The columns that make an [`AuditEvent`].
macro_rules! columns {
    () => {
        "at, actor, client, event, subject, outcome, request_id, detail, duration_ms"
    };
}

/// Events that one statement writes, the more the better: a statement for each costs several times as much.
const TOGETHER: [usize; 4] = [256, 64, 16, 4];

/// The statements that write so many.
static MANY: LazyLock<[Statement; 4]> = LazyLock::new(|| TOGETHER.map(Statement::writing));

/// A statement for a number of events, as each of the databases takes it best.
struct Statement {
    events: usize,
    /// With placeholders by their order, because SQLite would search for each of them by its name; and if a row can't be written, those
    /// before it wait for the end of the transaction, so that SQLite need not remember what was there before the statement.
    sqlite: String,
    postgres: String,
}

// === impl Store ===

impl Store {
    /// Writes events, all or none.
    pub async fn record_audit(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let mut rest = events;
        for statement in &*MANY {
            while let Some((chunk, more)) = rest.split_at_checked(statement.events) {
                let text = if tx.is_shared() { &statement.postgres } else { &statement.sqlite };
                chunk.iter().fold(query(text.as_str()), bound).execute(&mut *tx).await?;
                rest = more;
            }
        }
        for event in rest {
            insert(&mut tx, event).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The newest events, the newest first.
    pub async fn recent_audit(&self, limit: u32) -> Result<Vec<AuditEvent>, StoreError> {
        let rows = query(concat!("SELECT ", columns!(), " FROM audit_events ORDER BY at DESC, id DESC LIMIT $1"))
            .bind(i64::from(limit))
            .fetch_all(self.read())
            .await?;
        rows.iter().map(AuditEvent::try_from).collect()
    }

    /// What a user did, or was refused, through all his connections: at most `limit` events, the newest first. `before` is the number of
    /// the last event of the page before (see [`NumberedEvent::number`]); `None` for the first page.
    pub async fn audit_of_user(
        &self,
        user: &UserId,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Vec<NumberedEvent>, StoreError> {
        let rows = query(concat!(
            "SELECT id, ",
            columns!(),
            " FROM audit_events WHERE actor = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        ))
        .bind(user.as_str())
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(self.read())
        .await?;
        rows.iter()
            .map(|row| Ok(NumberedEvent { number: row.try_get("id")?, event: AuditEvent::try_from(row)? }))
            .collect()
    }
}

/// Writes one event within the caller's transaction.
pub(crate) async fn insert(tx: &mut Connection, event: &AuditEvent) -> Result<(), StoreError> {
    bound(
        query(concat!("INSERT INTO audit_events (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")),
        event,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A statement with the values of one more event, in the order of the columns.
fn bound<'q>(query: Query<'q>, event: &'q AuditEvent) -> Query<'q> {
    query
        .bind(event.at.0)
        .bind(&event.actor)
        .bind(&event.client)
        .bind(event.event.as_ref())
        .bind(&event.subject)
        .bind(&event.outcome)
        .bind(&event.request_id)
        .bind(&event.detail)
        .bind(event.duration_ms)
}

// === impl Statement ===

impl Statement {
    fn writing(events: usize) -> Self {
        let text = |insert: &str, placeholder: fn(usize) -> String| {
            let row = |event| {
                let values: Vec<String> = (1..=9).map(|value| placeholder(event * 9 + value)).collect();
                format!("({})", values.join(", "))
            };
            let rows: Vec<String> = (0..events).map(row).collect();
            format!(concat!("{} INTO audit_events (", columns!(), ") VALUES {}"), insert, rows.join(", "))
        };
        Self {
            events,
            sqlite: text("INSERT OR FAIL", |_| "?".to_owned()),
            postgres: text("INSERT", |number| format!("${number}")),
        }
    }
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
            detail: row.try_get("detail")?,
            duration_ms: row.try_get("duration_ms")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, on_each};

    fn event(at: i64, event: &'static str) -> AuditEvent {
        AuditEvent {
            at: Timestamp(at),
            actor: Some("user".into()),
            client: None,
            event: event.into(),
            subject: Some("grant".into()),
            outcome: "ok".into(),
            request_id: Some("r".into()),
            detail: Some("list_my_repos".into()),
            duration_ms: Some(7),
        }
    }

    on_each!(events_come_back_newest_first);
    async fn events_come_back_newest_first(at: Scratch) {
        let store = at.store().await;
        let events = [event(1, "login.completed"), event(3, "token.rotated"), event(3, "grant.revoked")];
        store.record_audit(&events).await.unwrap();
        store.record_audit(&[]).await.unwrap();
        let [first, second, third] = events;
        assert_eq!(store.recent_audit(2).await.unwrap(), [third, second]);
        assert_eq!(store.recent_audit(9).await.unwrap().last(), Some(&first));
    }

    on_each!(a_batch_of_any_size_is_written_whole_and_in_its_order);
    async fn a_batch_of_any_size_is_written_whole_and_in_its_order(at: Scratch) {
        let store = at.store().await;
        let mut written: Vec<AuditEvent> = Vec::new();
        for size in [1, 3, 4, 15, 16, 17, 63, 64, 65, 256, 350] {
            let last = written.last().map_or(0, |last| last.at.0);
            let batch: Vec<AuditEvent> = (0..size)
                .map(|number| AuditEvent {
                    detail: (number % 3 > 0).then(|| format!("{size}, {number}")),
                    duration_ms: (number % 2 > 0).then_some(number),
                    ..event(last + number, "tool_called")
                })
                .collect();
            store.record_audit(&batch).await.unwrap();
            written.extend(batch);
        }
        written.reverse();
        assert_eq!(store.recent_audit(1_000).await.unwrap(), written);
    }

    on_each!(a_user_reads_his_own_events_page_by_page);
    async fn a_user_reads_his_own_events_page_by_page(at: Scratch) {
        let store = at.store().await;
        let of = |actor: &str, at| AuditEvent { actor: Some(actor.into()), ..event(at, "tool_called") };
        let events: Vec<AuditEvent> = (0..5).flat_map(|at| [of("alice", at), of("bob", at)]).collect();
        store.record_audit(&events).await.unwrap();
        let alice = UserId::from("alice".to_owned());
        let first = store.audit_of_user(&alice, 3, None).await.unwrap();
        let times = |page: &[NumberedEvent]| page.iter().map(|entry| entry.event.at.0).collect::<Vec<_>>();
        assert_eq!(times(&first), [4, 3, 2]);
        let rest = store.audit_of_user(&alice, 3, first.last().map(|entry| entry.number)).await.unwrap();
        assert_eq!(times(&rest), [1, 0]);
        assert!(rest.iter().all(|entry| entry.event.actor.as_deref() == Some("alice")));
    }
}
