//! How long a request's body may be, and how long it may take.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::identify::RequestId;
use super::refusal::{Refusal, Shape};

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than the route's limit.
    #[error("the body is too long")]
    TooLong,
    /// Not all there in time.
    #[error("the body came too slowly")]
    TooSlow,
    /// The connection broke off.
    #[error("the body broke off")]
    BrokenOff,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    bytes: usize,
    shape: Shape,
}

/// Refuses an announced longer body with 413 at once; an unannounced one ends in an error that [`read_body`] tells.
pub fn limit_body<S>(router: Router<S>, bytes: usize, shape: Shape) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(Limit { bytes, shape }, run))
}

async fn run(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit.bytes as u64) {
        let id = RequestId::of(request.extensions());
        return BodyError::TooLong.refusal().into_response(limit.shape, Some(id.as_str()));
    }
    let (parts, body) = request.into_parts();
    next.run(Request::from_parts(parts, Body::new(Limited::new(body, limit.bytes)))).await
}

/// Reads a whole body under the route's limit. Call it after authentication, so that strangers cost no memory.
pub async fn read_body(body: Body, within: Duration) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(within, body.collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if is_limit(&error) => Err(BodyError::TooLong),
        Ok(Err(_)) => Err(BodyError::BrokenOff),
        Err(_) => Err(BodyError::TooSlow),
    }
}

fn is_limit(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(inner) = error {
        if inner.is::<LengthLimitError>() {
            return true;
        }
        error = inner.source();
    }
    false
}

// === impl BodyError ===

impl BodyError {
    /// The refusal that tells it.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        match self {
            Self::TooLong => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request's body is longer than this endpoint accepts.",
                "Send less at once; the operator sets the limit of /mcp with max-body-bytes.",
            ),
            Self::TooSlow => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "The request's body did not arrive in time.",
                "Send it again.",
            ),
            Self::BrokenOff => Refusal::new(StatusCode::BAD_REQUEST, "The request's body broke off.", "Send it again."),
        }
    }
}
