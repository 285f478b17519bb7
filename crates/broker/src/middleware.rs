//! What every request goes through before a handler sees it.
//!
//! From the outside inwards: who is asking and under which id (`identify`), one log line per request, default headers, panics
//! caught; then, by group of routes, the host and origin check, CORS, deadline and body limit, applied in `router.rs`. The order
//! matters: a refusal must be logged and carry its id, and a browser must be able to read a refusal that comes after the origin check.
//!
//! Those that every call goes through are functions around functions: each layer of a router costs a request two boxes and a copy of
//! what is within.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

mod access_log;
mod body_limit;
mod client_address;
mod cors;
mod deadline;
mod default_headers;
mod host_guard;
mod identify;
mod panic;
mod rate_limit;
mod refusal;

use body_limit::Limit;
pub use body_limit::{BodyError, limit_body, read_body};
pub use client_address::{ClientAddress, TrustedProxies};
use cors::Rules;
pub use cors::cors_for_oauth;
pub use deadline::deadline;
pub use host_guard::HostGuard;
pub use identify::{Identify, RequestId};
pub(crate) use rate_limit::limit_rate;
pub use refusal::{Refusal, Shape};

/// The route of a request that has none.
const UNMATCHED: &str = "unmatched";

/// The layers around all routes of a router. Apply last: what is applied later is further out.
pub fn around<S>(router: Router<S>, who: Identify) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(who, async |State(who): State<Identify>, request: Request, next: Next| {
        let route = request.extensions().get::<MatchedPath>().cloned();
        let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
        through(&who, route, request, async |request| next.run(request).await).await
    }))
}

/// The same around anything that answers.
pub(crate) async fn through(
    who: &Identify,
    route: &str,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let complete = async |request| default_headers::default_headers(request, answer).await;
    let calm = async |request| panic::catch(request, complete).await;
    let logged = async |request| access_log::log(route, request, calm).await;
    identify::identify(who, request, logged).await
}

/// What `/mcp` has around it besides: host and origin first, then CORS, so that refusals of what follows can be read by an allowed page.
#[derive(Debug, Clone)]
pub(crate) struct AroundMcp {
    guard: HostGuard,
    limit: Limit,
}

impl AroundMcp {
    /// With this guard, and bodies of at most so many bytes.
    pub(crate) fn new(guard: HostGuard, max_body_bytes: usize) -> Self {
        Self { guard, limit: Limit { bytes: max_body_bytes, shape: Shape::JsonRpc } }
    }

    /// Lets a request through to `answer`, or refuses it.
    pub(crate) async fn through(&self, request: Request, answer: impl AsyncFnOnce(Request) -> Response) -> Response {
        let limited = async |request| self.limit.apply(request, answer).await;
        let allowed = async |request| cors::allow(Rules::Mcp, request, limited).await;
        host_guard::guard_host(&self.guard, request, allowed).await
    }
}

/// Longest body of an OAuth or page request, in bytes: a registration with many redirect URIs is the largest.
pub const MAX_FORM_BYTES: usize = 64 * 1024;
/// How long an OAuth or page request may take; a login at Forgejo's token endpoint is the longest.
pub const FORM_DEADLINE: Duration = Duration::from_mins(1);

/// The layers around discovery documents, registration, token and revocation: any page may call them, none has a cookie to abuse.
pub fn around_oauth<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    cors_for_oauth(deadline(limit_body(router, MAX_FORM_BYTES, Shape::Oauth), FORM_DEADLINE, Shape::Oauth))
}

/// The layers around authorize, callback and pages: no CORS (OAuth 2.1 §3.1).
pub fn around_pages<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    deadline(limit_body(router, MAX_FORM_BYTES, Shape::Page), FORM_DEADLINE, Shape::Page)
}

#[cfg(test)]
mod tests;
