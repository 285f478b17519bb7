//! `/`: what this is and how to connect.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::pages::LandingPage;

/// Shows the landing page.
pub(crate) async fn get(State(app): State<Arc<App>>) -> Response {
    LandingPage { mcp_url: app.site.resource.as_str().to_owned(), forgejo_host: app.site.forgejo_host.clone() }
        .render()
        .into_response()
}
