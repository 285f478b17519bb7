//! Discovery documents (RFC 8414, RFC 9728; oauth.md §3, §4.1). Every URL in them comes from the configured issuer.

use serde::Serialize;

use crate::resource::Resource;
use crate::scope::OFFLINE_ACCESS;

/// Authorization server metadata (RFC 8414 §2), also served as the OpenID discovery form (oauth.md B02).
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    registration_endpoint: String,
    revocation_endpoint: String,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    scopes_supported: [&'static str; 3],
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    service_documentation: String,
}

/// Protected resource metadata (RFC 9728 §2).
#[derive(Debug, Clone, Serialize)]
pub struct ProtectedResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    scopes_supported: [&'static str; 2],
    bearer_methods_supported: [&'static str; 1],
    resource_name: String,
}

// === impl AuthorizationServerMetadata ===

impl AuthorizationServerMetadata {
    /// The document of `issuer`, an origin without trailing slash.
    #[must_use]
    pub fn of_issuer(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: format!("{issuer}/oauth/authorize"),
            token_endpoint: format!("{issuer}/oauth/token"),
            registration_endpoint: format!("{issuer}/oauth/register"),
            revocation_endpoint: format!("{issuer}/oauth/revoke"),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: ["authorization_code", "refresh_token"],
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: ["none"],
            revocation_endpoint_auth_methods_supported: ["none"],
            scopes_supported: ["read", "write", OFFLINE_ACCESS],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: false,
            service_documentation: format!("{issuer}/"),
        }
    }
}

// === impl ProtectedResourceMetadata ===

impl ProtectedResourceMetadata {
    /// The document of the one resource of `issuer`.
    #[must_use]
    pub fn of(issuer: &str, resource: &Resource, name: &str) -> Self {
        Self {
            resource: resource.as_str().to_owned(),
            authorization_servers: [issuer.to_owned()],
            scopes_supported: ["read", "write"],
            bearer_methods_supported: ["header"],
            resource_name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_authorization_server_and_resource_agree_to_the_byte() {
        // oauth.md B03 and §3: one origin without trailing slash everywhere.
        let issuer = "https://mcp.example.org";
        let server = serde_json::to_value(AuthorizationServerMetadata::of_issuer(issuer)).unwrap();
        let resource = Resource::of_issuer(issuer);
        let protected = serde_json::to_value(ProtectedResourceMetadata::of(issuer, &resource, "Forge")).unwrap();
        assert_eq!(server["issuer"], issuer);
        assert_eq!(protected["authorization_servers"][0], issuer);
        assert_eq!(protected["resource"], "https://mcp.example.org/mcp");
    }

    #[test]
    fn offline_access_is_named_by_the_authorization_server_only() {
        // oauth.md A11
        let issuer = "https://mcp.example.org";
        let protected = ProtectedResourceMetadata::of(issuer, &Resource::of_issuer(issuer), "Forge");
        assert!(!serde_json::to_string(&protected).unwrap().contains("offline_access"));
        let server = AuthorizationServerMetadata::of_issuer(issuer);
        assert!(serde_json::to_string(&server).unwrap().contains("offline_access"));
    }
}
