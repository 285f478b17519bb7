//! DNS rebinding: `/mcp` answers only to its own names and to origins it knows (MCP 2025-11-25, Security Warning; T02, T03, T08).

use std::sync::Arc;

use axum::extract::Request;
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
    /// The hosts as most clients write them: such a header need not be parsed.
    spelled: Vec<String>,
    origins: Vec<String>,
}

// === impl HostGuard ===

impl HostGuard {
    /// Answers to these hosts, and to pages of these origins.
    #[must_use]
    pub fn new(hosts: Vec<AllowedHost>, origins: Vec<String>) -> Self {
        let spelled = hosts.iter().map(ToString::to_string).collect();
        Self(Arc::new(Lists { hosts, spelled, origins }))
    }

    fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(header::HOST).into_iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let known = |text: &str| {
            self.0.spelled.iter().any(|host| host == text)
                || AllowedHost::parse(text).is_some_and(|host| self.0.hosts.contains(&host))
        };
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
pub(super) async fn guard_host(
    guard: &HostGuard,
    request: Request,
    inner: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    match guard.judge(request.uri(), request.headers()) {
        Ok(()) => inner(request).await,
        Err(refusal) => refusal.into_response(Shape::JsonRpc, None),
    }
}
