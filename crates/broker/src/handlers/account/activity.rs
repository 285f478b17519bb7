//! `GET /account/activity`: what the audit log holds of a user.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::refused::{Cause, RouteError};
use super::shown;
use crate::account::Visitor;
use crate::app::App;
use crate::middleware::RequestId;
use crate::pages::ActivityPage;

/// Events on one page.
const EVENTS: u32 = 50;

/// Shows it.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, RouteError> {
    show(&app, &headers, query.as_deref().unwrap_or_default()).await.map_err(|cause| cause.of(request_id))
}

async fn show(app: &App, headers: &HeaderMap, query: &str) -> Result<Response, Cause> {
    let visitor = Visitor::of(app, headers).await?.ok_or(Cause::NotLoggedIn)?;
    let before = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "before");
    let before = before.and_then(|(_, number)| number.parse().ok());
    let (activity, older) = shown::activity(app, &visitor, EVENTS, before).await?;
    let page = ActivityPage {
        login: shown::login(app, &visitor).await?,
        forgejo_host: app.site.forgejo_host.clone(),
        csrf: visitor.csrf(),
        activity,
        older,
    };
    Ok(page.into_response())
}
