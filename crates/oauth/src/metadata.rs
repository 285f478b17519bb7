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
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    scopes_supported: [&'static str; 3],
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    service_documentation: String,
}

/// The kinds of clients that are served besides those that register by themselves, as far as the metadata tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientKinds {
    /// Clients known by their metadata documents. Only where these can be fetched: a client that has one does not register.
    pub metadata_documents: bool,
    /// Configured clients with a secret.
    pub with_secrets: bool,
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
    /// The document of `issuer`, an origin without trailing slash, that serves these clients.
    #[must_use]
    pub fn of_issuer(issuer: &str, clients: ClientKinds) -> Self {
        // `none` has to be there for clients with a document as well (clients.md pain 11).
        let mut methods = vec!["none"];
        let mut algorithms: &[_] = &[];
        if clients.metadata_documents {
            methods.push("private_key_jwt");
            algorithms = &["RS256", "ES256"];
        }
        if clients.with_secrets {
            methods.extend(["client_secret_basic", "client_secret_post"]);
        }
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
            token_endpoint_auth_methods_supported: methods.clone(),
            token_endpoint_auth_signing_alg_values_supported: algorithms,
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: algorithms,
            scopes_supported: ["read", "write", OFFLINE_ACCESS],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: clients.metadata_documents,
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
        let server =
            serde_json::to_value(AuthorizationServerMetadata::of_issuer(issuer, ClientKinds::default())).unwrap();
        let resource = Resource::of_issuer(issuer);
        let protected = serde_json::to_value(ProtectedResourceMetadata::of(issuer, &resource, "Forge")).unwrap();
        assert_eq!(server["issuer"], issuer);
        assert_eq!(protected["authorization_servers"][0], issuer);
        assert_eq!(protected["resource"], "https://mcp.example.org/mcp");
    }

    #[test]
    fn what_clients_may_do_is_told_as_it_is() {
        // oauth.md B06; clients.md §2: claude.ai takes its document only if `none` is there too.
        let document = |clients| {
            serde_json::to_value(AuthorizationServerMetadata::of_issuer("https://mcp.example.org", clients)).unwrap()
        };
        let plain = document(ClientKinds::default());
        assert_eq!(plain["client_id_metadata_document_supported"], false);
        assert_eq!(plain["token_endpoint_auth_methods_supported"], serde_json::json!(["none"]));
        assert!(plain.get("token_endpoint_auth_signing_alg_values_supported").is_none());
        let full = document(ClientKinds { metadata_documents: true, with_secrets: true });
        assert_eq!(full["client_id_metadata_document_supported"], true);
        let methods = serde_json::json!(["none", "private_key_jwt", "client_secret_basic", "client_secret_post"]);
        assert_eq!(full["token_endpoint_auth_methods_supported"], methods);
        assert_eq!(full["revocation_endpoint_auth_methods_supported"], methods);
        let algorithms = serde_json::json!(["RS256", "ES256"]);
        assert_eq!(full["token_endpoint_auth_signing_alg_values_supported"], algorithms);
    }

    #[test]
    fn offline_access_is_named_by_the_authorization_server_only() {
        // oauth.md A11
        let issuer = "https://mcp.example.org";
        let protected = ProtectedResourceMetadata::of(issuer, &Resource::of_issuer(issuer), "Forge");
        assert!(!serde_json::to_string(&protected).unwrap().contains("offline_access"));
        let server = AuthorizationServerMetadata::of_issuer(issuer, ClientKinds::default());
        assert!(serde_json::to_string(&server).unwrap().contains("offline_access"));
    }
}
