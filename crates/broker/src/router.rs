//! Every route, in one place, with the layers of its group.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{any, get, post};
use http::Request;
use hyper::body::Incoming;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use oauth::random::NoRandomness;

use crate::app::{App, RateLimits};
use crate::config::HttpConfig;
use crate::handlers::{
    absent, account, authorize, callback, discovery, health, hop, landing, mcp, ready, register, repositories, revoke,
    token,
};
use crate::metrics;
use crate::middleware::{self, AroundMcp, HostGuard, Identify, Shape, TrustedProxies, limit_rate};
use crate::replica::wire;
use crate::serve::Answer;

/// Every request's way in.
#[derive(Clone)]
pub(crate) struct Entrance {
    /// Apart from the router, because it is asked more often than all else together, and a router costs a request a dozen allocations.
    mcp: Arc<Mcp>,
    rest: Router,
}

/// MCP clients, with a bearer token. Both spellings, no redirect between them (clients.md pain 14).
struct Mcp {
    app: Arc<App>,
    who: Identify,
    around: AroundMcp,
}

/// The whole program.
///
/// # Errors
/// When the random source gives no seed for request ids.
pub(crate) fn build(app: Arc<App>, http: &HttpConfig) -> Result<Entrance, NoRandomness> {
    let mut seed = [0u8; 8];
    app.random.fill(&mut seed)?;
    let who = Identify::new(TrustedProxies::new(&http.trusted_proxies), u64::from_ne_bytes(seed));
    let guard = HostGuard::new(http.allowed_hosts.clone(), http.allowed_origins.clone());
    let around = AroundMcp::new(guard, http.max_body_bytes);
    let mcp = Arc::new(Mcp { app: Arc::clone(&app), who: who.clone(), around });
    let examination = Arc::clone(&app.examination);
    let (oauth, pages) = (oauth_routes(&app.limits), page_routes(&app.limits));
    let counted = app.metrics.clone();
    let router = Router::new()
        .merge(middleware::around_oauth(oauth))
        .merge(middleware::around_pages(pages))
        // `fjmcp-broker doctor`, with a proof that it has the operator's keys.
        .merge(examination.routes())
        .fallback(absent::any)
        .with_state(app);
    let rest = metrics::measure(middleware::around(router, who), counted);
    Ok(Entrance { mcp, rest })
}

/// Other replicas, on a listener of their own, with a certificate each.
///
/// # Errors
/// When the random source gives no seed for request ids.
pub(crate) fn build_for_replicas(app: Arc<App>, http: &HttpConfig) -> Result<Router, NoRandomness> {
    let mut seed = [0u8; 8];
    app.random.fill(&mut seed)?;
    let router = Router::new().route(wire::PATH, any(hop::any)).with_state(app);
    let router = middleware::limit_body(router, http.max_body_bytes, Shape::JsonRpc);
    // Whoever passes a request on has given it an id; the certificate says that it is one of us.
    let everybody = [IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
    let who = Identify::new(TrustedProxies::new(&everybody), u64::from_ne_bytes(seed));
    Ok(middleware::around(router, who))
}

/// MCP clients, before they have a token or to renew it.
fn oauth_routes(limits: &RateLimits) -> Router<Arc<App>> {
    let register = || limit_rate(post(register::post), limits.register.as_ref(), Shape::Oauth);
    let token = || limit_rate(post(token::post), limits.token.as_ref(), Shape::Oauth);
    let revoke = limit_rate(post(revoke::post), limits.token.as_ref(), Shape::Oauth);
    Router::new()
        .route("/.well-known/oauth-protected-resource", get(discovery::protected_resource))
        .route("/.well-known/oauth-protected-resource/mcp", get(discovery::protected_resource))
        .route("/.well-known/oauth-protected-resource/mcp/", get(discovery::protected_resource))
        .route("/.well-known/oauth-authorization-server", get(discovery::authorization_server))
        .route("/.well-known/oauth-authorization-server/mcp", get(discovery::authorization_server))
        .route("/.well-known/openid-configuration", get(discovery::authorization_server))
        .route("/.well-known/openid-configuration/mcp", get(discovery::authorization_server))
        .route("/mcp/.well-known/openid-configuration", get(discovery::authorization_server))
        .route("/.well-known/{*rest}", any(discovery::absent))
        .route("/oauth/register", register())
        .route("/oauth/token", token())
        .route("/oauth/revoke", revoke)
        // Clients of revision 2025-03-26 know only these (oauth.md B02).
        .route("/register", register())
        .route("/token", token())
}

/// Browsers in the middle of a login, people, and whoever watches over the program.
fn page_routes(limits: &RateLimits) -> Router<Arc<App>> {
    let limited = |route| limit_rate(route, limits.authorize.as_ref(), Shape::Page);
    Router::new()
        .route("/oauth/authorize", limited(get(authorize::get).post(authorize::post)))
        .route("/authorize", limited(get(authorize::get)))
        .route("/oauth/callback", limited(get(callback::get)))
        .route("/oauth/repositories/{id}", limited(get(repositories::get).post(repositories::post)))
        .route("/account", limited(get(account::get)))
        .route("/account/login", limited(post(account::login::post)))
        .route("/account/logout", limited(post(account::logout::post)))
        .route("/account/end", limited(post(account::end_all)))
        .route("/account/activity", limited(get(account::activity::get)))
        .route("/account/connections/{id}", limited(get(account::connection::get).post(account::connection::post)))
        .route("/account/repositories/{id}", limited(get(account::repositories::get).post(account::repositories::post)))
        .route("/", get(landing::get))
        .route("/healthz", get(health::get))
        .route("/readyz", get(ready::get))
}

// === impl Entrance ===

impl Answer for Entrance {
    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        // The routes are named as the log and the metrics name them.
        let route = match request.uri().path() {
            "/mcp" => "/mcp",
            "/mcp/" => "/mcp/",
            _ => return Box::pin(self.rest.answer(request)).await,
        };
        self.mcp.answer(route, request.map(Body::new)).await
    }
}

// === impl Mcp ===

impl Mcp {
    async fn answer(&self, route: &'static str, request: Request<Body>) -> Response {
        let answered = async |request| mcp::answer(&self.app, request).await;
        let around = async |request| self.around.through(request, answered).await;
        let whole = async |request| middleware::through(&self.who, route, request, around).await;
        metrics::measured(&self.app.metrics, route, request, whole).await
    }
}
