//! `/account/connections/{id}`: one connection, narrowed, widened again within what its client had asked for, or ended.
//!
//! Taking away takes effect at once and needs no more than the session. Giving more, also giving back what was taken away, needs a login of
//! the last minutes, and stops at the scope that the client had asked for: what nobody asked the user for, nobody gets.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use oauth::grant::{Grant, GrantLimits};
use oauth::scope::ScopeSet;
use store::connections::Connection;

use super::refused::{Cause, RouteError};
use super::{Notice, admit, field, shown};
use crate::account::Visitor;
use crate::app::App;
use crate::choosing;
use crate::handlers::authorize::see_other;
use crate::middleware::RequestId;
use crate::pages::{ConnectionPage, RepositoryShown};

/// Shows it.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    show(&app, &headers, &id, Notice::read(query.as_deref())).await.map_err(|cause| cause.of(request_id))
}

/// Changes it.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    change(&app, &headers, &id, &body).await.map_err(|cause| cause.of(request_id))
}

async fn show(app: &App, headers: &HeaderMap, id: &str, notice: Option<Notice>) -> Result<Response, Cause> {
    let visitor = Visitor::of(app, headers).await?.ok_or(Cause::NotLoggedIn)?;
    let connection = own(app, &visitor, id).await?;
    let ids = connection.grant.limits.repositories.as_deref().unwrap_or_default();
    let named = choosing::names(app, &connection.grant.user.to_shared(), ids).await;
    let page = ConnectionPage {
        login: shown::login(app, &visitor).await?,
        forgejo_host: app.site.forgejo_host.clone(),
        csrf: visitor.csrf(),
        notice: Notice::text(notice),
        connection: shown::connection(app, &connection),
        repositories: named.iter().map(|one| RepositoryShown::named(one.id, &one.name)).collect(),
    };
    Ok(page.into_response())
}

async fn change(app: &App, headers: &HeaderMap, id: &str, body: &[u8]) -> Result<Response, Cause> {
    let (visitor, fields) = admit(app, headers, body).await?;
    let connection = own(app, &visitor, id).await?;
    let grant = &connection.grant;
    let change: fn(&Grant) -> Changed = match field(&fields, "change") {
        "end" => {
            app.end_grant(grant, "by_user").await?;
            return Ok(see_other(&Notice::Ended.at("/account")));
        }
        "choose" => {
            let selection = choosing::begin_for_grant(app, grant, visitor.cookie()).await?;
            return Ok(see_other(&format!("/account/repositories/{selection}")));
        }
        "read" => |grant| (grant.scope.narrowed_to(ScopeSet::READ), grant.limits.clone()),
        "write" => |grant| (ScopeSet::READ_WRITE, grant.limits.clone()),
        "all" => |grant| (grant.scope, GrantLimits { repositories: None }),
        _ => return Err(Cause::NoChange),
    };
    let notice = apply(app, &visitor, id, change).await?;
    Ok(see_other(&notice.at(&format!("/account/connections/{id}"))))
}

/// The visitor's own live connection with this id. Whether another has such a one is not told.
pub(super) async fn own(app: &App, visitor: &Visitor, id: &str) -> Result<Connection, Cause> {
    let connections = app.store.connections_of(visitor.user()).await?;
    connections.into_iter().find(|connection| connection.grant.id.as_str() == id).ok_or(Cause::NoSuchConnection)
}

/// What a grant becomes.
pub(super) type Changed = (ScopeSet, GrantLimits);

/// Gives a connection another scope and other limits, if this visitor may do so now.
pub(super) async fn apply(
    app: &App,
    visitor: &Visitor,
    id: &str,
    change: impl FnOnce(&Grant) -> Changed,
) -> Result<Notice, Cause> {
    let _turn = app.account_changes.lock().await;
    let connection = own(app, visitor, id).await?;
    let grant = &connection.grant;
    let (scope, limits) = change(grant);
    if (scope, &limits) == (grant.scope, &grant.limits) {
        return Ok(Notice::Unchanged);
    }
    judge(&connection, scope, &limits, visitor.has_just_logged_in(app.clock.now()))?;
    app.change_grant(grant, scope, limits).await?;
    Ok(Notice::Changed)
}

/// Whether a connection may become that, in a session whose login is recent or not.
fn judge(connection: &Connection, scope: ScopeSet, limits: &GrantLimits, is_recent: bool) -> Result<(), Cause> {
    if !connection.asked.covers(scope) {
        return Err(Cause::NotAsked);
    }
    let grant = &connection.grant;
    let widens = !grant.scope.covers(scope) || widens(&grant.limits, limits);
    if widens && !is_recent { Err(Cause::LoginTooOld) } else { Ok(()) }
}

/// Whether `after` lets anything in that `before` did not.
fn widens(before: &GrantLimits, after: &GrantLimits) -> bool {
    match (&before.repositories, &after.repositories) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(before), Some(after)) => after.iter().any(|id| !before.contains(id)),
    }
}

#[cfg(test)]
mod tests {
    use oauth::client::ClientKind;
    use oauth::clock::Timestamp;

    use super::*;

    fn limits(ids: Option<&[i64]>) -> GrantLimits {
        GrantLimits { repositories: ids.map(<[i64]>::to_vec) }
    }

    fn connection(scope: ScopeSet, asked: ScopeSet) -> Connection {
        Connection {
            grant: Grant {
                id: "g".into(),
                user: "u".into(),
                client: "c".into(),
                scope,
                limits: limits(Some(&[1, 2])),
                resource: "https://b.example/mcp".into(),
                created_at: Timestamp(0),
                last_used_at: None,
                revoked_at: None,
            },
            asked,
            client_kind: ClientKind::Dynamic,
            client_name: None,
            sessions: 0,
        }
    }

    #[test]
    fn giving_more_needs_a_recent_login_and_taking_away_does_not() {
        let lowered = connection(ScopeSet::READ, ScopeSet::READ_WRITE);
        let more = [
            (ScopeSet::READ_WRITE, limits(Some(&[1, 2]))),
            (ScopeSet::READ, limits(None)),
            (ScopeSet::READ, limits(Some(&[3]))),
            (ScopeSet::READ_WRITE, limits(Some(&[1]))),
        ];
        for (scope, limits) in more {
            assert!(matches!(judge(&lowered, scope, &limits, false), Err(Cause::LoginTooOld)), "{scope} {limits:?}");
            assert!(judge(&lowered, scope, &limits, true).is_ok());
        }
        let full = connection(ScopeSet::READ_WRITE, ScopeSet::READ_WRITE);
        assert!(judge(&full, ScopeSet::READ, &limits(Some(&[1])), false).is_ok());
    }

    #[test]
    fn no_login_is_recent_enough_for_what_the_client_never_asked_for() {
        let modest = connection(ScopeSet::READ, ScopeSet::READ);
        let judged = judge(&modest, ScopeSet::READ_WRITE, &limits(Some(&[1])), true);
        assert!(matches!(judged, Err(Cause::NotAsked)));
    }

    #[test]
    fn limits_widen_when_anything_comes_in() {
        let widens = |before, after| widens(&limits(before), &limits(after));
        assert!(!widens(None, None) && !widens(None, Some(&[1])));
        assert!(!widens(Some(&[1, 2]), Some(&[2])) && !widens(Some(&[1]), Some(&[])));
        assert!(widens(Some(&[1, 2]), Some(&[2, 3])), "as many as before, but another");
        assert!(widens(Some(&[1]), None));
    }
}
