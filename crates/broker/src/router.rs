//! Every route, in one place.

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get, post};

use crate::app::App;
use crate::handlers::{authorize, callback, discovery, health, landing, mcp, register, revoke, token};

/// The routes of the program, without the layers that wrap them.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let mcp_route = || get(mcp::get).post(mcp::post).delete(mcp::delete).fallback(mcp::method_not_allowed);
    Router::new()
        // MCP clients, with a bearer token. Both spellings, no redirect between them (clients.md pain 14).
        .route("/mcp", mcp_route())
        .route("/mcp/", mcp_route())
        // MCP clients, before they have a token.
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
        // Browsers, in the middle of a login.
        .route("/oauth/authorize", get(authorize::get).post(authorize::post))
        .route("/oauth/callback", get(callback::get))
        // Clients of revision 2025-03-26, which know only these (oauth.md B02).
        .route("/register", post(register::post))
        .route("/token", post(token::post))
        .route("/authorize", get(authorize::get))
        // People.
        .route("/", get(landing::get))
        // Operators and their machines.
        .route("/healthz", get(health::get))
        .with_state(app)
}
