//! How long a request's body may be, and how long it may take.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::runtime::Handle;

use super::identify::RequestId;
use super::refusal::{Refusal, Shape};

/// How much of a body that nobody wants is read away, in bytes.
const READ_AWAY: usize = 16 * 1024 * 1024;
/// For how long.
const READ_AWAY_WITHIN: Duration = Duration::from_secs(5);

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

/// A body that is read away if it is dropped before its end.
///
/// A connection that is closed with unread bytes is reset, and then a client that is still sending never sees the 401 or 413
/// that it was answered early.
struct ReadAway {
    body: Option<BodyDataStream>,
}

/// A limit, and the form in which it is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: usize,
    pub(super) shape: Shape,
}

/// Refuses an announced longer body with 413 at once; an unannounced one ends in an error that [`read_body`] tells.
pub fn limit_body<S>(router: Router<S>, bytes: usize, shape: Shape) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let limit = Limit { bytes, shape };
    router.layer(from_fn(move |request: Request, next: Next| {
        limit.apply(request, async |request| next.run(request).await)
    }))
}

// === impl Limit ===

impl Limit {
    /// As [`limit_body`], around something that answers.
    pub(super) async fn apply(self, request: Request, inner: impl AsyncFnOnce(Request) -> Response) -> Response {
        let limit = self;
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let (parts, body) = request.into_parts();
        let body = ReadAway::unless_read(body);
        if announced.is_some_and(|length| length > limit.bytes as u64) {
            let id = RequestId::of(&parts.extensions);
            return BodyError::TooLong.refusal().into_response(limit.shape, Some(id.as_str()));
        }
        inner(Request::from_parts(parts, Body::new(Limited::new(body, limit.bytes)))).await
    }
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

// === impl ReadAway ===

impl ReadAway {
    fn unless_read(body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Body::from_stream(Self { body: Some(body.into_data_stream()) })
    }
}

impl Stream for ReadAway {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = body.poll_next_unpin(context);
        // After its end, or a connection that broke, there is nothing to read away.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }
}

impl Drop for ReadAway {
    fn drop(&mut self) {
        let (Some(mut body), Ok(runtime)) = (self.body.take(), Handle::try_current()) else { return };
        let reading = async move {
            let mut read = 0;
            while let Some(Ok(piece)) = body.next().await {
                read += piece.len();
                if read > READ_AWAY {
                    break;
                }
            }
        };
        // Whether all was read or the client was too slow: it has its answer.
        runtime.spawn(async move { drop(tokio::time::timeout(READ_AWAY_WITHIN, reading).await) });
    }
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
