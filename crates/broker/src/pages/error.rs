//! The error page: what was wrong, what to do, under which id to ask.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::link::NamedLink;
use super::{Forms, respond};
use crate::display::display_text;

/// Longest account of what was wrong, in characters.
const LONGEST: usize = 400;

/// Tells a person why it does not go on.
#[derive(Debug, Clone, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// HTTP status.
    pub status: StatusCode,
    /// A few words.
    pub title: String,
    /// What was wrong, a whole sentence.
    pub wrong: String,
    /// What to do, a whole sentence.
    pub remedy: String,
    /// The request's id; not shown if empty.
    pub request_id: String,
    /// Where the user may go on by himself; nobody is sent there.
    pub link: Option<NamedLink>,
}

// === impl ErrorPage ===

impl IntoResponse for ErrorPage {
    fn into_response(mut self) -> Response {
        // Texts can quote what a link brought along.
        self.wrong = display_text(&self.wrong, LONGEST).unwrap_or_default();
        respond(self.status, &self, Forms::None)
    }
}
