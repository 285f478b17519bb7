//! Rows of the store as the account page shows them.

use std::collections::HashMap;

use oauth::id::ClientId;
use oauth::scope::Access;
use store::audit::AuditEvent;
use store::connections::Connection;

use super::refused::Cause;
use crate::account::Visitor;
use crate::app::App;
use crate::display::display_name;
use crate::handlers::authorize::client_shown;
use crate::pages::{ConnectionShown, Happening, Moment};

/// The visitor's login name at Forgejo.
pub(super) async fn login(app: &App, visitor: &Visitor) -> Result<String, Cause> {
    let user = app.store.user(visitor.user()).await?;
    Ok(user.and_then(|user| display_name(&user.login)).unwrap_or_else(|| "you".to_owned()))
}

/// A connection.
pub(super) fn connection(app: &App, row: &Connection) -> ConnectionShown {
    let now = app.clock.now();
    let grant = &row.grant;
    ConnectionShown {
        id: grant.id.as_str().to_owned(),
        client: client_shown(row.client_kind, &grant.client, row.client_name.clone()),
        may_write: grant.scope.access() == Access::Write,
        asked_to_write: row.asked.access() == Access::Write,
        repositories: grant.limits.repositories.as_ref().map(Vec::len),
        created: Moment::new(grant.created_at, now),
        last_used: grant.last_used_at.map(|at| Moment::new(at, now)),
        sessions: row.sessions,
    }
}

/// Events of the visitor, the newest first, from before the one with this number; and the number to go on from, if there are older ones.
pub(super) async fn activity(
    app: &App,
    visitor: &Visitor,
    number: u32,
    before: Option<i64>,
) -> Result<(Vec<Happening>, Option<i64>), Cause> {
    let now = app.clock.now();
    let mut events = app.store.audit_of_user(visitor.user(), number + 1, before).await?;
    let is_more = events.len() > usize::try_from(number).unwrap_or(usize::MAX);
    if is_more {
        events.pop();
    }
    let older = events.last().filter(|_| is_more).map(|last| last.number);
    let mut names: HashMap<String, String> = HashMap::new();
    for id in events.iter().filter_map(|row| row.event.client.as_ref()) {
        if !names.contains_key(id) {
            let client = app.store.client(&ClientId::from(id.as_str())).await?;
            let name = client.and_then(|client| display_name(&client.metadata.client_name?));
            names.insert(id.clone(), name.unwrap_or_else(|| "a client without a name".to_owned()));
        }
    }
    let happening = |event: &AuditEvent| Happening {
        at: Moment::new(event.at, now),
        what: Happening::words(&event.event, &event.outcome, event.detail.as_deref()),
        client: event.client.as_ref().and_then(|id| names.get(id)).cloned().unwrap_or_default(),
    };
    Ok((events.iter().map(|row| happening(&row.event)).collect(), older))
}
