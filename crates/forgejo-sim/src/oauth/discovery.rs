//! `GET .well-known/openid-configuration` and `GET login/oauth/keys`. Every URL comes from the root URL.

use http::StatusCode;
use serde_json::json;

use crate::{
    site::Site,
    wire::{self, Response},
};

pub(crate) fn document(site: &Site) -> Response {
    let body = json!({
        "issuer": site.issuer(),
        "authorization_endpoint": site.url("login/oauth/authorize"),
        "token_endpoint": site.url("login/oauth/access_token"),
        "jwks_uri": site.url("login/oauth/keys"),
        "userinfo_endpoint": site.url("login/oauth/userinfo"),
        "introspection_endpoint": site.url("login/oauth/introspect"),
        "response_types_supported": ["code", "id_token"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid", "profile", "email", "groups"],
        "claims_supported": [
            "aud", "exp", "iat", "iss", "sub", "name", "preferred_username", "profile", "picture", "website", "locale",
            "updated_at", "email", "email_verified", "groups"
        ],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    });
    wire::json(StatusCode::OK, &body)
}

pub(crate) fn keys(site: &Site) -> Response {
    wire::json(StatusCode::OK, &site.signer.key_set())
}
