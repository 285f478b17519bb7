//! `/account`: a user's connections and what happened lately.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::activity::Happening;
use super::connection::ConnectionShown;
use super::consent::ClientShown;
use super::{Forms, respond};

/// Shows a user what he has granted. Its forms post `csrf` to `/account/logout`, `/account/end` and the connections' addresses.
#[derive(Debug, Clone, Template)]
#[template(path = "account.html")]
pub struct AccountPage {
    /// Who is logged in.
    pub login: String,
    /// Forgejo's host, for people.
    pub forgejo_host: String,
    /// The token that proves that a form is ours.
    pub csrf: String,
    /// What was just done; may be empty.
    pub notice: String,
    /// The newest first.
    pub connections: Vec<ConnectionShown>,
    /// The newest first.
    pub activity: Vec<Happening>,
}

// === impl AccountPage ===

impl IntoResponse for AccountPage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::Own)
    }
}
