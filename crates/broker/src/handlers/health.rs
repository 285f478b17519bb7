//! `/healthz`: is the program alive, and is it of use to start it anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use store::Database;

use crate::app::App;
use crate::build_info::BUILD;

/// Answers status, version, revision, build date and, if that is this process's own file, the store's state; 503 when that does not answer. A
/// database server is not asked: a restart of this process would not mend it, and `/readyz` tells what is the matter.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Response {
    let probe = match app.store.database() {
        Database::Sqlite(_) => app.store.probe().await,
        Database::Postgres(_) => Ok(()),
    };
    if let Err(error) = &probe {
        tracing::warn!(error = %error, "health check: the store does not answer");
    }
    let (status, word, store) = match probe {
        Ok(()) => (StatusCode::OK, "ok", "ok"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "unavailable"),
    };
    let mut body = serde_json::json!({
        "status": word,
        "version": BUILD.version,
        "revision": BUILD.revision,
        "build_date": BUILD.build_date,
        "store": store,
    });
    if let (Database::Postgres(_), Some(body)) = (app.store.database(), body.as_object_mut()) {
        body.remove("store");
    }
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
