//! No request waits for ever; `/mcp` has deadlines of its own.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::identify::RequestId;
use super::refusal::{Refusal, Shape};

/// Answers 503 if a handler has not answered within `limit`.
pub fn deadline<S>(router: Router<S>, limit: Duration, shape: Shape) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state((limit, shape), run))
}

async fn run(State((limit, shape)): State<(Duration, Shape)>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.extensions());
    if let Ok(response) = tokio::time::timeout(limit, next.run(request)).await {
        return response;
    }
    let refusal =
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The request took too long.", "Try again in a few seconds.");
    let mut response = refusal.into_response(shape, Some(id.as_str()));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
