//! `/readyz`: whether users can be served now. For monitors and load balancers; a restart mends none of what it tells, so a process is not to
//! be restarted for it (that is what `/healthz` is for).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::app::App;

/// 200 if store, key, Forgejo and worker program are there; else 503 with what is not.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Response {
    let report = app.readiness.look().await;
    let (status, word) =
        if report.is_ready() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    let mut body = Map::new();
    body.insert("status".to_owned(), word.into());
    for (part, fault) in report.parts() {
        body.insert(part.to_owned(), fault.unwrap_or("ok").into());
    }
    let mut response = (status, Json(Value::Object(body))).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
