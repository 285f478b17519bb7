//! OAuth's error document (RFC 6749 §5.2), in the one place that turns it into HTTP.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oauth::error::ErrorCode;
use oauth::token_request::Malformed;
use serde::Serialize;

/// An error for a client program.
#[derive(Debug)]
pub(crate) struct OAuthError {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// `error`.
    pub(crate) code: ErrorCode,
    /// `error_description`: what was wrong and what to do.
    pub(crate) description: String,
    /// Seconds after which another try makes sense.
    pub(crate) retry_after: Option<u32>,
    /// HTTP Basic was tried, so the refusal challenges it (RFC 6749 §5.2).
    pub(crate) basic: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    error: &'static str,
    error_description: &'a str,
}

// === impl OAuthError ===

impl OAuthError {
    /// A 400.
    pub(crate) fn bad_request(code: ErrorCode, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description: description.into(), retry_after: None, basic: false }
    }

    /// A 401 `invalid_client`: the client registers again (clients.md pain 9).
    pub(crate) fn invalid_client(description: impl Into<String>, basic: bool) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: ErrorCode::InvalidClient,
            description: description.into(),
            retry_after: None,
            basic,
        }
    }

    /// A 503: nothing was consumed, the same request may be sent again.
    pub(crate) fn unavailable(description: impl Into<String>, retry_after: u32) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: ErrorCode::TemporarilyUnavailable,
            description: description.into(),
            retry_after: Some(retry_after),
            basic: false,
        }
    }
}

impl From<&Malformed> for OAuthError {
    fn from(reason: &Malformed) -> Self {
        match reason.code() {
            ErrorCode::InvalidClient => Self::invalid_client(reason.to_string(), *reason == Malformed::Basic),
            code => Self::bad_request(code, reason.to_string()),
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        // RFC 6749 §5.2 allows printable ASCII without quotes and backslashes.
        let description: String =
            self.description.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        let document = Document { error: self.code.as_str(), error_description: &description };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.basic {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"fjmcp-broker\""));
        }
        response
    }
}
