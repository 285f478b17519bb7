//! Refuses who asks too often, before anything is read or looked up.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::{StatusCode, header};

use super::client_address::ClientAddress;
use super::identify::RequestId;
use super::refusal::{Refusal, Shape};
use crate::rate_limit::{AddressLimit, TooMany};

/// What stands before a route.
#[derive(Clone)]
struct Gate {
    limit: Arc<AddressLimit>,
    shape: Shape,
}

/// Puts a limit by client address before a route; none if the operator wants none.
pub(crate) fn limit_rate<S>(route: MethodRouter<S>, limit: Option<&Arc<AddressLimit>>, shape: Shape) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    match limit {
        Some(limit) => route.route_layer(from_fn_with_state(Gate { limit: Arc::clone(limit), shape }, run)),
        None => route,
    }
}

async fn run(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ClientAddress>().copied().unwrap_or(ClientAddress::UNKNOWN);
    match gate.limit.charge(address.0) {
        Ok(()) => next.run(request).await,
        Err(too_many) => too_many.into_response(gate.shape, RequestId::of(request.extensions()).as_str()),
    }
}

// === impl TooMany ===

impl TooMany {
    /// 429 with `Retry-After`, in the form of the endpoint.
    pub(crate) fn into_response(self, shape: Shape, request_id: &str) -> Response {
        let remedy = format!("Try again in {} s.", self.retry_after);
        let wrong = "Too many requests have come from your side.";
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, wrong, remedy);
        let mut response = refusal.into_response(shape, Some(request_id));
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, self.retry_after.into());
        headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        response
    }
}
