//! `/healthz`: is the program alive and can it reach its store.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::build_info::BUILD;

/// Answers status, version, revision, build date and the store's state; 503 when the store does not answer.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Response {
    let probe = app.store.probe().await;
    if let Err(error) = &probe {
        tracing::warn!(error = %error, "health check: the store does not answer");
    }
    let (status, word, store) = match probe {
        Ok(()) => (StatusCode::OK, "ok", "ok"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "unavailable"),
    };
    let body = serde_json::json!({
        "status": word,
        "version": BUILD.version,
        "revision": BUILD.revision,
        "build_date": BUILD.build_date,
        "store": store,
    });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
