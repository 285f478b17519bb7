//! A request refused before it reached a handler, told in the language of whoever asked.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::pages::ErrorPage;

/// In which form an endpoint tells errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// JSON-RPC error without id (MCP 2025-11-25, basic/transports, Security Warning).
    JsonRpc,
    /// `error` and `error_description` (RFC 6749 §5.2).
    Oauth,
    /// A page for people.
    Page,
}

/// What was refused, and why. The texts are for whoever asked; they name no secrets and no insides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// What was wrong, a whole sentence.
    pub wrong: String,
    /// What to do, a whole sentence.
    pub remedy: String,
}

// === impl Shape ===

impl Shape {
    /// The form that belongs to a path, for refusals that know no route.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        match path {
            "/mcp" | "/mcp/" => Self::JsonRpc,
            "/" | "/authorize" | "/oauth/authorize" | "/oauth/callback" => Self::Page,
            _ if path.starts_with("/account") || path.starts_with("/oauth/repositories/") => Self::Page,
            _ => Self::Oauth,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// A refusal with these words.
    pub fn new(status: StatusCode, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, wrong: wrong.into(), remedy: remedy.into() }
    }

    /// The answer in this form; `request_id` is shown where there is a place for it.
    #[must_use]
    pub fn into_response(self, shape: Shape, request_id: Option<&str>) -> Response {
        let Self { status, wrong, remedy } = self;
        let is_ours = status.is_server_error();
        match shape {
            Shape::JsonRpc => {
                let code = if is_ours { -32603 } else { -32600 };
                let error = json!({ "code": code, "message": format!("{wrong} {remedy}") });
                (status, Json(json!({ "jsonrpc": "2.0", "error": error }))).into_response()
            }
            Shape::Oauth => {
                let error = match status {
                    // No client gives up its token for it, as some do for other codes.
                    StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "temporarily_unavailable",
                    _ if is_ours => "server_error",
                    _ => "invalid_request",
                };
                (status, Json(json!({ "error": error, "error_description": format!("{wrong} {remedy}") })))
                    .into_response()
            }
            Shape::Page => {
                let title = match status {
                    StatusCode::TOO_MANY_REQUESTS => "Too many requests",
                    _ if is_ours => "Something went wrong here",
                    _ => "This request was refused",
                };
                let page = ErrorPage {
                    status,
                    title: title.to_owned(),
                    wrong,
                    remedy,
                    request_id: request_id.unwrap_or_default().to_owned(),
                    link: None,
                };
                page.into_response()
            }
        }
    }
}
