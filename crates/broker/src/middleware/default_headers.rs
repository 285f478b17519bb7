//! Headers that every answer has unless its handler said otherwise.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// Nothing of ours is to be kept by caches, framed, guessed at or given away as a referrer.
const DEFAULTS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Whoever is told that something is away is told when to come again, in seconds.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// Adds what the handler left out.
pub(super) async fn default_headers(request: Request, inner: impl AsyncFnOnce(Request) -> Response) -> Response {
    let mut response = inner(request).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().entry(header::RETRY_AFTER).or_insert(LATER);
    }
    let headers = response.headers_mut();
    headers.reserve(DEFAULTS.len());
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
