//! How long a request's body may be, and how long it may take.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};
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

/// The body of a request: at most so long, and read away if it is dropped before its end.
///
/// A connection that is closed with unread bytes is reset, and then a client that is still sending never sees the 401 or 413
/// that it was answered early.
struct Bounded {
    /// `None` when there is nothing left to read away.
    body: Option<Body>,
    /// What may still come, in bytes.
    left: usize,
}

/// A body has gone on beyond its limit.
#[derive(Debug, thiserror::Error)]
#[error("the body is too long")]
struct TooMuch;

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
        let body = Bounded::unless_read(body, limit.bytes);
        if announced.is_some_and(|length| length > limit.bytes as u64) {
            let id = RequestId::of(&parts.extensions);
            return BodyError::TooLong.refusal().into_response(limit.shape, Some(id.as_str()));
        }
        inner(Request::from_parts(parts, body)).await
    }
}

/// Reads a whole body under the route's limit. Call it after authentication, so that strangers cost no memory.
pub async fn read_body(body: Body, within: Duration) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(within, collect(body)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_limit(&error) => Err(BodyError::TooLong),
        Ok(Err(_)) => Err(BodyError::BrokenOff),
        Err(_) => Err(BodyError::TooSlow),
    }
}

async fn collect(mut body: Body) -> Result<Bytes, axum::Error> {
    // Nearly every body is one piece, which needs no copy.
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = piece;
            if body.is_end_stream() {
                break;
            }
            continue;
        }
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&piece);
        whole.extend_from_slice(&body.collect().await?.to_bytes());
        return Ok(whole.freeze());
    }
    Ok(first)
}

fn is_limit(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(inner) = error {
        if inner.is::<TooMuch>() {
            return true;
        }
        error = inner.source();
    }
    false
}

// === impl Bounded ===

impl Bounded {
    fn unless_read(body: Body, most: usize) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Self { body: Some(body), left: most })
    }
}

impl hyper::body::Body for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = std::task::ready!(Pin::new(body).poll_frame(context));
        let Some(Ok(frame)) = &polled else {
            // After its end, or a connection that broke, there is nothing to read away.
            self.body = None;
            return Poll::Ready(polled);
        };
        match self.left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err(axum::Error::new(TooMuch)))),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let reading = async move {
            let mut read = 0;
            let mut pieces = body.into_data_stream();
            while let Some(Ok(piece)) = pieces.next().await {
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
