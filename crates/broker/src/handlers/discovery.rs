//! Well-known documents, at every path where a client of any revision looks for them (oauth.md A06, B02; clients.md pain 12).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;

/// RFC 8414 metadata, also under the OpenID discovery name.
pub(crate) async fn authorization_server(State(app): State<Arc<App>>) -> Response {
    cached(Json(&app.site.authorization_server))
}

/// RFC 9728 metadata.
pub(crate) async fn protected_resource(State(app): State<Arc<App>>) -> Response {
    cached(Json(&app.site.protected_resource))
}

/// A miss is a small 404: clients read it as "not there" and go on (oauth.md §3).
pub(crate) async fn absent() -> Response {
    let body = serde_json::json!({"error": "not_found", "error_description": "no such well-known document here"});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn cached(document: impl IntoResponse) -> Response {
    let mut response = document.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
