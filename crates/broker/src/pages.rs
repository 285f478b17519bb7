//! What a browser shows: one layout, one style sheet, no script, nothing loaded from anywhere.
//!
//! A page is a struct with what it says and turns itself into a response with every header a page needs, so that no handler can
//! forget one. askama escapes every value. The style sheet is inline and allowed by its hash. Rejected: a `form-action` directive on
//! the consent page, because Chromium applies it to every redirect that follows the form, which ends at the client's address; a
//! Cross-Origin-Opener-Policy, because clients wait for the window they opened; `no-referrer`, because then a browser sends
//! `Origin: null` with the consent form.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, StatusCode, header};

mod account;
mod activity;
mod connection;
mod consent;
mod destination;
mod entry;
mod error;
mod landing;
mod link;
mod message;
mod moment;
pub mod recipes;
mod repositories;
#[cfg(test)]
mod tests;

pub use account::AccountPage;
pub use activity::{ActivityPage, Happening};
pub use connection::{ConnectionPage, ConnectionShown};
pub use consent::{ClientShown, ConsentPage};
pub use destination::Destination;
pub use entry::EntryPage;
pub use error::ErrorPage;
pub use landing::LandingPage;
pub use link::NamedLink;
pub use message::MessagePage;
pub use moment::Moment;
pub use repositories::{Occasion, RepositoriesPage, RepositoryShown};

/// The style sheet of every page.
const STYLE: &str = include_str!("../templates/style.css");

/// Where the forms of a page lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forms {
    /// There are none.
    None,
    /// Back to us, and no further.
    Own,
    /// To us, and from there by redirect to anywhere.
    Redirecting,
}

/// Content-Security-Policy without its `form-action`.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'")
});

/// Turns a page into an answer.
fn respond(status: StatusCode, page: &impl Template, forms: Forms) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a page cannot be rendered");
            return (StatusCode::INTERNAL_SERVER_ERROR, "This page cannot be shown. Try again.").into_response();
        }
    };
    let policy = match forms {
        Forms::None => format!("{}; form-action 'none'", *POLICY),
        Forms::Own => format!("{}; form-action 'self'", *POLICY),
        Forms::Redirecting => POLICY.clone(),
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
];
