//! `POST /account/login`: off to Forgejo, to come back as somebody who is known.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::refused::{Cause, RouteError};
use crate::app::App;
use crate::browser::{Cookies, csrf_admits, is_from_us};
use crate::login::{self, Aim};
use crate::middleware::RequestId;

/// Begins a login to the account page.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    begin(&app, &headers, &body).await.map_err(|cause| cause.of(request_id))
}

async fn begin(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Response, Cause> {
    if !is_from_us(headers, &app.site.issuer) {
        return Err(Cause::CrossSite);
    }
    let cookie = Cookies::read(headers, &app.cookies.consent()).ok_or(Cause::NoCookie)?;
    let csrf = url::form_urlencoded::parse(body).find(|(name, _)| name == "csrf").map(|(_, value)| value.into_owned());
    if !csrf_admits(&cookie, &csrf.unwrap_or_default()) {
        return Err(Cause::Csrf);
    }
    Ok(login::begin(app, Aim::Account).await?)
}
