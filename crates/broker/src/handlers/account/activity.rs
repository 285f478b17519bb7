//! `GET /account/activity`: what the audit log holds of a user.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::refused::{Cause, RouteError};
use super::shown;
use crate::account::Visitor;
use crate::app::App;
use crate::middleware::RequestId;
use crate::pages::ActivityPage;

/// Events on the page.
const EVENTS: u32 = 200;

/// Shows it.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
) -> Result<Response, RouteError> {
    show(&app, &headers).await.map_err(|cause| cause.of(request_id))
}

async fn show(app: &App, headers: &HeaderMap) -> Result<Response, Cause> {
    let visitor = Visitor::of(app, headers).await?.ok_or(Cause::NotLoggedIn)?;
    let page = ActivityPage {
        login: shown::login(app, &visitor).await?,
        forgejo_host: app.site.forgejo_host.clone(),
        csrf: visitor.csrf(),
        activity: shown::activity(app, &visitor, EVENTS).await?,
    };
    Ok(page.into_response())
}
