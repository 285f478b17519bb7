//! `admin audit`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use store::administration::{Administration, AuditFilter, AuditRecord};

use super::{Age, Output, time};
use crate::cli::listing::Column;
use crate::cli::state_file::now;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, the newest first
    List {
        /// Only those of this user (login name or id)
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Only events of this name
        #[arg(long, value_name = "NAME")]
        event: Option<String>,
        /// Only those about this grant, session or other id
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        /// Only those of this last while, such as 24h
        #[arg(long, value_name = "DURATION")]
        last: Option<Age>,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
    },
    /// Delete events that happened some time ago
    Purge {
        /// How long ago, such as 90d
        #[arg(long, value_name = "DURATION")]
        older_than: Age,
    },
}

const COLUMNS: &[Column] = &[
    ("AT", "at"),
    ("EVENT", "event"),
    ("OUTCOME", "outcome"),
    ("ACTOR", "actor"),
    ("CLIENT", "client"),
    ("SUBJECT", "subject_id"),
    ("DETAIL", "detail"),
];

pub(super) async fn run(admin: &Administration, command: &Command) -> Result<Output> {
    let now = now();
    match command {
        Command::List { user, event, subject, last, limit } => {
            let filter = AuditFilter {
                actor: user.clone(),
                event: event.clone(),
                subject: subject.clone(),
                since: last.map(|last| last.before(now)),
                limit: *limit,
            };
            let events = admin.audit(&filter).await?;
            Ok(Output::List(events.iter().map(object).collect(), COLUMNS))
        }
        Command::Purge { older_than } => {
            Ok(Output::done("events deleted", admin.purge_audit(older_than.before(now), now).await?))
        }
    }
}

fn object(record: &AuditRecord) -> Value {
    let AuditRecord { id, event, login } = record;
    json!({
        "id": id,
        "at": time(event.at),
        "actor": login.as_ref().or(event.actor.as_ref()),
        "actor_id": event.actor,
        "client": event.client,
        "event": event.event,
        "subject_id": event.subject,
        "outcome": event.outcome,
        "detail": event.detail,
        "duration_ms": event.duration_ms,
        "request_id": event.request_id,
    })
}
