//! `/`: what this is and how to connect.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::app::App;
/// Shows the landing page.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Response {
    app.site.landing.clone().into_response()
}
