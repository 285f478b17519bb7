//! One log line per request, written when its answer is over: streams are logged at their end.
//!
//! Never in it: query strings, headers, bodies. The route is logged as its template, not as the path that a stranger wrote.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use hyper::body::{Body as _, Frame, SizeHint};
use tracing::{Instrument as _, Span};

use super::client_address::ClientAddress;
use super::identify::RequestId;
use crate::telemetry::traces;

/// Logs every request.
pub(super) async fn log(route: &str, request: Request, inner: impl AsyncFnOnce(Request) -> Response) -> Response {
    let entry = Entry::begin(route, &request);
    let span = entry.span.clone();
    let bodiless = request.method() == Method::HEAD;
    let mut entry = Some(entry);
    let response = inner(request).instrument(span).await;
    let (parts, inner) = response.into_parts();
    if let Some(entry) = entry.as_mut() {
        entry.status = Some(parts.status);
        traces::answered(&entry.span, parts.status);
    }
    let expected = inner.size_hint().exact();
    Response::from_parts(parts, Body::new(LoggedBody { inner, entry: entry.take(), expected, sent: 0, bodiless }))
}

/// What is known of a request so far. Dropped before its end, it logs that nobody waited for the answer.
struct Entry {
    span: Span,
    began: Instant,
    quiet: bool,
    status: Option<StatusCode>,
    bytes: u64,
    complete: bool,
}

// === impl Entry ===

impl Entry {
    fn begin(route: &str, request: &Request) -> Self {
        let extensions = request.extensions();
        let client = ClientAddress::of(extensions);
        // At the level of errors, so that the span's fields are there whatever level is logged.
        let span = tracing::error_span!(
            "request",
            request.id = %RequestId::of(extensions),
            http.method = known(request.method()),
            http.route = route,
            client.ip = %client.0,
        );
        traces::adopt(&span, request.headers());
        let quiet = matches!(route, "/healthz" | "/readyz");
        Self { span, began: Instant::now(), quiet, status: None, bytes: 0, complete: false }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = self.status.map(|status| status.as_u16());
        let (bytes, complete) = (self.bytes, self.complete);
        let _entered = self.span.enter();
        match self.status {
            Some(status) if status.is_server_error() => {
                tracing::warn!(
                    http.status = status.as_u16(),
                    duration_ms,
                    response.bytes = bytes,
                    response.complete = complete,
                    "request"
                );
            }
            Some(_) if self.quiet => {
                tracing::debug!(
                    http.status = status,
                    duration_ms,
                    response.bytes = bytes,
                    response.complete = complete,
                    "request"
                );
            }
            _ => tracing::info!(
                http.status = status,
                duration_ms,
                response.bytes = bytes,
                response.complete = complete,
                "request"
            ),
        }
    }
}

/// A method's name, unless a stranger made it up.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::POST | Method::DELETE | Method::OPTIONS | Method::HEAD | Method::PUT | Method::PATCH => {
            method.as_str()
        }
        _ => "other",
    }
}

/// A body that knows when it is over.
struct LoggedBody {
    inner: Body,
    entry: Option<Entry>,
    expected: Option<u64>,
    sent: u64,
    bodiless: bool,
}

// === impl LoggedBody ===

impl hyper::body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => self.finish(true),
            Poll::Ready(Some(Err(_))) => self.finish(false),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl LoggedBody {
    fn finish(&mut self, complete: bool) {
        if let Some(mut entry) = self.entry.take() {
            entry.bytes = self.sent;
            entry.complete = complete;
        }
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        // The server does not ask for more once it has as many bytes as it announced.
        let all = self.inner.is_end_stream() || self.expected.is_some_and(|expected| self.sent >= expected);
        self.finish(all || self.bodiless);
    }
}
