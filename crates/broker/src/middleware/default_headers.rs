//! Headers that every answer has unless its handler said otherwise.

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};

/// Nothing of ours is to be kept by caches, framed, guessed at or given away as a referrer.
const DEFAULTS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Adds what the handler left out.
pub(super) async fn default_headers(request: Request, inner: impl AsyncFnOnce(Request) -> Response) -> Response {
    let mut response = inner(request).await;
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
