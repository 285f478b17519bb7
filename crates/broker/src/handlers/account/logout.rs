//! `POST /account/logout`: the session ends, in the store and in the browser. At Forgejo nothing changes.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::refused::{Cause, RouteError};
use super::{Notice, admit};
use crate::app::App;
use crate::audit::Entry;
use crate::handlers::authorize::{add_cookie, see_other};
use crate::middleware::RequestId;

/// Logs out.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(request_id): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    leave(&app, &headers, &body, &request_id).await.map_err(|cause| cause.of(request_id))
}

async fn leave(app: &App, headers: &HeaderMap, body: &[u8], request_id: &RequestId) -> Result<Response, Cause> {
    let (visitor, _) = admit(app, headers, body).await?;
    let user = visitor.user().clone();
    let cookie = visitor.leave(app).await?;
    let entry = Entry { actor: Some(user.as_str()), request_id: Some(request_id.as_str()), ..Entry::default() };
    app.audit.record("account_logout", "ok", &entry);
    let mut response = see_other(&Notice::LoggedOut.at("/account"));
    add_cookie(&mut response, cookie);
    Ok(response)
}
