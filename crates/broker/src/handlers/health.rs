//! `/healthz`: is the program alive and can it reach its store.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::build_info;

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
        "version": build_info::VERSION,
        "revision": build_info::REVISION,
        "build_date": build_info::BUILD_DATE,
        "store": store,
    });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
