//! DNS rebinding: `/mcp` answers only to its own names and to origins it knows (MCP 2025-11-25, Security Warning; T02, T03, T08).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri, header};

use super::refusal::{Refusal, Shape};
use crate::config::AllowedHost;

/// What `/mcp` answers to.
#[derive(Debug, Clone)]
pub struct HostGuard(Arc<Lists>);

#[derive(Debug)]
struct Lists {
    hosts: Vec<AllowedHost>,
    origins: Vec<String>,
}

// === impl HostGuard ===

impl HostGuard {
    /// Answers to these hosts, and to pages of these origins.
    #[must_use]
    pub fn new(hosts: Vec<AllowedHost>, origins: Vec<String>) -> Self {
        Self(Arc::new(Lists { hosts, origins }))
    }

    fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(header::HOST).into_iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let known = |text: &str| AllowedHost::parse(text).is_some_and(|host| self.0.hosts.contains(&host));
        // A target in absolute form names a host too, and the two have to agree that it is us.
        let target = uri.authority().is_none_or(|authority| known(authority.as_str()));
        if !host.is_some_and(known) || hosts.next().is_some() || !target {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "The Host header names no host of this server.",
                "Use the server's public URL; the operator can allow further names with allowed-hosts.",
            ));
        }
        let good = |origin: &str| self.0.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
        if headers.get_all(header::ORIGIN).into_iter().all(|origin| origin.to_str().is_ok_and(good)) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "Pages of this Origin may not call this server.",
            "The operator can allow the origin with allowed-origins.",
        ))
    }
}

/// Answers 403 with a JSON-RPC error to a `Host` that is absent or foreign and to an `Origin` that is present and foreign.
pub fn guard_host<S>(router: Router<S>, guard: HostGuard) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(guard, run))
}

async fn run(State(guard): State<HostGuard>, request: Request, next: Next) -> Response {
    match guard.judge(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(Shape::JsonRpc, None),
    }
}
