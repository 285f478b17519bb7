//! A page that says one thing, such as that access was denied.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::link::NamedLink;
use super::{Forms, respond};

/// Tells a person something that is no error.
#[derive(Debug, Clone, Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    /// A few words.
    pub title: String,
    /// One or two sentences.
    pub text: String,
    /// Where the user may go on by himself; nobody is sent there.
    pub link: Option<NamedLink>,
}

// === impl MessagePage ===

impl MessagePage {
    /// The user said no. `back` is the client's redirect with the error (RFC 6749 §4.1.2.1), which he may follow or not.
    #[must_use]
    pub fn denied(back: Option<NamedLink>) -> Self {
        Self {
            title: "Access denied".to_owned(),
            text: "Nothing was granted. You can close this window, or tell the program so by following the link."
                .to_owned(),
            link: back,
        }
    }
}

impl IntoResponse for MessagePage {
    fn into_response(self) -> Response {
        respond(StatusCode::OK, &self, Forms::None)
    }
}
