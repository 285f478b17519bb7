//! Cross-origin requests of pages (WHATWG Fetch, CORS protocol).
//!
//! OPTIONS is answered without authentication, because browsers send none with it. No answer allows credentials: what these
//! endpoints accept is a bearer token or a code that the page itself holds, never a cookie.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Request headers that MCP and OAuth clients send (reference: MCP 2026-07-28, and what the SDKs add to discovery).
const MCP_HEADERS: &str =
    "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID";
const OAUTH_HEADERS: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version";
const EXPOSED: &str = "Mcp-Session-Id, WWW-Authenticate, Retry-After, X-Request-Id";
/// Any `Mcp-Param-…` header may be asked for; a wildcard would not cover `Authorization`, so the names are repeated.
const PARAM_PREFIX: &str = "mcp-param-";
const MAX_AGE_SECONDS: &str = "7200";

/// Whose rules hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rules {
    /// Of `/mcp`: the origin has been checked before ([`super::host_guard`]) and is named in the answer.
    Mcp,
    Oauth,
}

/// CORS for well-known documents, registration, token and revocation: any page. Never on authorize or pages (OAuth 2.1 §3.1).
pub fn cors_for_oauth<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn(|request: Request, next: Next| {
        allow(Rules::Oauth, request, async |request| next.run(request).await)
    }))
}

/// Answers what a browser asks beforehand, and lets pages read what is answered.
pub(super) async fn allow(rules: Rules, request: Request, inner: impl AsyncFnOnce(Request) -> Response) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response =
        if request.method() == Method::OPTIONS { preflight(rules, request.headers()) } else { inner(request).await };
    let headers = response.headers_mut();
    match rules {
        Rules::Oauth => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Rules::Mcp => {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            if let Some(origin) = origin {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            }
        }
    }
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    response
}

fn preflight(rules: Rules, asked: &HeaderMap) -> Response {
    let (methods, allowed) = match rules {
        Rules::Mcp => ("GET, POST, DELETE, OPTIONS", with_params(asked)),
        Rules::Oauth => ("GET, POST, OPTIONS", OAUTH_HEADERS.to_owned()),
    };
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_SECONDS));
    response
}

fn with_params(asked: &HeaderMap) -> String {
    let asked =
        asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|names| names.to_str().ok()).unwrap_or_default();
    let params = asked.split(',').map(str::trim).filter(|name| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        plain && name.get(..PARAM_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PARAM_PREFIX))
    });
    std::iter::once(MCP_HEADERS).chain(params).collect::<Vec<_>>().join(", ")
}
