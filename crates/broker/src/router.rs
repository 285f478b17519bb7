//! Every route, in one place, with the layers of its group.

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};
use oauth::random::NoRandomness;

use crate::app::App;
use crate::config::HttpConfig;
use crate::handlers::{authorize, callback, discovery, health, landing, mcp, register, revoke, token};
use crate::middleware::{self, HostGuard, Identify, TrustedProxies};

/// The whole program as one router.
///
/// # Errors
/// When the random source gives no seed for request ids.
pub(crate) fn build(app: Arc<App>, http: &HttpConfig) -> Result<Router, NoRandomness> {
    let mut seed = [0u8; 8];
    app.random.fill(&mut seed)?;
    let guard = HostGuard::new(http.allowed_hosts.clone(), http.allowed_origins.clone());
    let router = Router::new()
        .merge(middleware::around_mcp(mcp_routes(), guard, http.max_body_bytes))
        .merge(middleware::around_oauth(oauth_routes()))
        .merge(middleware::around_pages(page_routes()))
        .with_state(app);
    let proxies = TrustedProxies::new(&http.trusted_proxies);
    Ok(middleware::around(router, Identify::new(proxies, u64::from_ne_bytes(seed))))
}

/// MCP clients, with a bearer token. Both spellings, no redirect between them (clients.md pain 14).
fn mcp_routes() -> Router<Arc<App>> {
    let methods = || get(mcp::get).post(mcp::post).delete(mcp::delete).fallback(mcp::method_not_allowed);
    Router::new().route("/mcp", methods()).route("/mcp/", methods())
}

/// MCP clients, before they have a token or to renew it.
fn oauth_routes() -> Router<Arc<App>> {
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
        .route("/oauth/register", post(register::post))
        .route("/oauth/token", post(token::post))
        .route("/oauth/revoke", post(revoke::post))
        // Clients of revision 2025-03-26 know only these (oauth.md B02).
        .route("/register", post(register::post))
        .route("/token", post(token::post))
}

/// Browsers in the middle of a login, people, and whoever watches over the program.
fn page_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/oauth/authorize", get(authorize::get).post(authorize::post))
        .route("/authorize", get(authorize::get))
        .route("/oauth/callback", get(callback::get))
        .route("/", get(landing::get))
        .route("/healthz", get(health::get))
}
