//! A panicking request must not end others, nor its connection without an answer.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::StatusCode;

use super::identify::RequestId;
use super::refusal::{Refusal, Shape};

/// Answers 500 where a handler panics. What it panicked with is in the log (see `telemetry`), not in the answer.
pub(super) async fn catch(request: Request, inner: impl AsyncFnOnce(Request) -> Response) -> Response {
    let shape = Shape::of_path(request.uri().path());
    let id = RequestId::of(request.extensions());
    // Nothing of the request survives the panic but these two, so nothing half-changed is looked at afterwards.
    let outcome = AssertUnwindSafe(inner(request)).catch_unwind().await;
    outcome.unwrap_or_else(|_| {
        let remedy = format!("Try again; if it happens again, tell the operator the request id {id}.");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "The broker made a mistake.", remedy)
            .into_response(shape, Some(id.as_str()))
    })
}
