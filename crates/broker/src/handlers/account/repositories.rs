//! `/account/repositories/{id}`: another choice of repositories for a connection that stands.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use oauth::grant::GrantLimits;
use store::connections::Connection;
use store::selections::{Selection, SelectionPurpose};

use super::refused::{Cause, RouteError};
use super::{Notice, admit, connection, shown};
use crate::account::Visitor;
use crate::app::App;
use crate::choosing::{self, Answer, Settled, Step, View};
use crate::handlers::authorize::see_other;
use crate::handlers::repositories::{Shown, page};
use crate::middleware::RequestId;
use crate::pages::Occasion;

/// Shows the page.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    show(&app, &headers, &id, query.as_deref().unwrap_or_default()).await.map_err(|cause| cause.of(request_id))
}

/// Takes an answer.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    answer(&app, &headers, &id, &body).await.map_err(|cause| cause.of(request_id))
}

async fn show(app: &App, headers: &HeaderMap, id: &str, query: &str) -> Result<Response, Cause> {
    let visitor = Visitor::of(app, headers).await?.ok_or(Cause::NotLoggedIn)?;
    let (selection, connection) = begun(app, &visitor, id).await?;
    let connection = shown::connection(app, &connection);
    let (view, notice) = View::read(query);
    let shown = Shown {
        occasion: Occasion::Change,
        client: connection.client,
        may_write: connection.may_write,
        action: format!("/account/repositories/{id}"),
        csrf: visitor.csrf(),
    };
    Ok(page(app, &selection, shown, view, notice).await?.into_response())
}

async fn answer(app: &App, headers: &HeaderMap, id: &str, body: &[u8]) -> Result<Response, Cause> {
    let (visitor, _) = admit(app, headers, body).await?;
    let (selection, connection) = begun(app, &visitor, id).await?;
    let answer = Answer::read(body);
    let here = |query: String| see_other(&format!("/account/repositories/{id}?{query}"));
    let back = |notice: Notice| see_other(&notice.at(&format!("/account/connections/{}", connection.grant.id)));
    let browser = visitor.cookie().hash();
    if answer.step == Step::Leave {
        app.store.end_selection(id, &browser).await?;
        return Ok(back(Notice::Unchanged));
    }
    let Settled { chosen, left_out } = match choosing::settle(app, &selection, &answer.ticked).await {
        Ok(settled) => settled,
        Err(choosing::SettleError::TooMany) => return Ok(here(answer.view.query(Some(choosing::Notice::TooMany)))),
        Err(choosing::SettleError::Forgejo(error)) => return Err(choosing::LookError::Forgejo(error).into()),
    };
    if !app.store.choose(id, &browser, &chosen).await? {
        return Err(Cause::NoSuchChoice);
    }
    if left_out {
        return Ok(here(answer.view.query(Some(choosing::Notice::LeftOut))));
    }
    if answer.step == Step::Look {
        return Ok(here(answer.view.query(None)));
    }
    if chosen.is_empty() {
        return Ok(here(answer.view.query(Some(choosing::Notice::NoneChosen))));
    }
    let limits = GrantLimits { repositories: Some(chosen.iter().map(|one| one.id).collect()) };
    let notice = connection::apply(app, &visitor, connection.grant.id.as_str(), |grant| (grant.scope, limits)).await?;
    app.store.end_selection(id, &browser).await?;
    Ok(back(notice))
}

/// A choice that was begun in this session, and the connection that it is about.
async fn begun(app: &App, visitor: &Visitor, id: &str) -> Result<(Selection, Connection), Cause> {
    let selection = app.store.selection(id, &visitor.cookie().hash(), app.clock.now()).await?;
    let selection = selection.filter(|selection| selection.user == *visitor.user()).ok_or(Cause::NoSuchChoice)?;
    let SelectionPurpose::Change(grant) = &selection.purpose else { return Err(Cause::NoSuchChoice) };
    let connection = connection::own(app, visitor, grant.as_str()).await?;
    Ok((selection, connection))
}
