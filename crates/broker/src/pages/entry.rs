//! `/account` before the login: what is behind it, and one button.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::{Forms, respond};

/// Asks a visitor to log in through Forgejo. Its form posts `csrf` to `/account/login`.
#[derive(Debug, Clone, Template)]
#[template(path = "entry.html")]
pub struct EntryPage {
    /// Forgejo's host, for people.
    pub forgejo_host: String,
    /// The token that proves that the form is ours.
    pub csrf: String,
    /// Why he is asked, where he did not expect it; may be empty.
    pub why: String,
}

// === impl EntryPage ===

impl IntoResponse for EntryPage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::Redirecting)
    }
}
