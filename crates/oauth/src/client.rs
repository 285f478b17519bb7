//! OAuth clients and what they say of themselves (RFC 7591 §2).

use aws_lc_rs::digest::{SHA256, digest};

use crate::clock::Timestamp;
use crate::id::ClientId;
use crate::redirect_uri::{Kind, RedirectUri};

/// How a client came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// From the operator's configuration.
    Static,
    /// From the document at its `client_id` (draft-ietf-oauth-client-id-metadata-document).
    MetadataDocument,
    /// By dynamic registration (RFC 7591). Public, its name unverified.
    Dynamic,
}

/// The accepted metadata of a client: what is stored, echoed and shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClientMetadata {
    /// Registered redirect URIs, at least one.
    pub redirect_uris: Vec<String>,
    /// What the client calls itself. Nobody has verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// A page about the client; shown as text only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// `native` or `web`; echoed (SEP-837, oauth.md B19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<String>,
    /// The client's own id of its software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// The client's own version of its software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// How it authenticates at the token endpoint.
    #[serde(default, skip_serializing_if = "TokenEndpointAuthMethod::is_none")]
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
}

/// How a client authenticates at the token endpoint (RFC 7591 §2). What proves it is kept elsewhere: keys in its document, the hash of
/// a secret in the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuthMethod {
    /// A public client.
    #[default]
    None,
    /// With a secret: `client_secret_basic` or `client_secret_post`, as it likes.
    ClientSecret,
    /// With a signed assertion.
    PrivateKeyJwt,
}

/// A known client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// How it came to be known.
    pub kind: ClientKind,
    /// What it says of itself.
    pub metadata: ClientMetadata,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it was last seen.
    pub last_used_at: Timestamp,
    /// Whether any user has ever authorized it. Those never authorized expire first.
    pub authorized: bool,
}

// === impl ClientMetadata ===

impl ClientMetadata {
    /// SHA-256 by which two registrations of the same client are found to be one (clients.md pain 8).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut canonical = self.clone();
        canonical.redirect_uris.sort_unstable();
        let json = serde_json::to_vec(&canonical).unwrap_or_default();
        let mut hash = [0u8; 32];
        hash.copy_from_slice(digest(&SHA256, &json).as_ref());
        hash
    }
}

// === impl TokenEndpointAuthMethod ===

impl TokenEndpointAuthMethod {
    /// Whether the client is public.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

// === impl Client ===

impl Client {
    /// Whether an error may be sent to `uri` before the user has logged in. A stranger's web address gets a page with a link instead,
    /// because a registered client may itself be the phisher (OAuth 2.1 §7, "Authorization Server as Open Redirector"; oauth.md B14).
    #[must_use]
    pub fn is_trusted_with(&self, uri: &RedirectUri) -> bool {
        match self.kind {
            ClientKind::Static => true,
            ClientKind::MetadataDocument => {
                let own_host = url::Url::parse(self.id.as_str()).ok().and_then(|url| url.host_str().map(str::to_owned));
                uri.kind() == Kind::Loopback || (own_host.is_some() && own_host == uri.host())
            }
            ClientKind::Dynamic => uri.kind() == Kind::Loopback,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect_uri::AllowList;

    fn client(kind: ClientKind, id: &str) -> Client {
        Client {
            id: id.into(),
            kind,
            metadata: ClientMetadata {
                redirect_uris: vec!["https://app.example/cb".into()],
                client_name: None,
                client_uri: None,
                application_type: None,
                software_id: None,
                software_version: None,
                token_endpoint_auth_method: TokenEndpointAuthMethod::None,
            },
            created_at: Timestamp(0),
            last_used_at: Timestamp(0),
            authorized: false,
        }
    }

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_redirect_uris() {
        let mut a = client(ClientKind::Dynamic, "x").metadata;
        a.redirect_uris = vec!["https://a.example/".into(), "https://b.example/".into()];
        let mut b = a.clone();
        b.redirect_uris.reverse();
        assert_eq!(a.digest(), b.digest());
        b.client_name = Some("other".into());
        assert_ne!(a.digest(), b.digest());
    }

    #[test]
    fn a_strangers_web_address_is_not_trusted_with_an_error_but_loopback_is() {
        let web = RedirectUri::parse("https://app.example/cb", &AllowList::default()).unwrap();
        let local = RedirectUri::parse("http://localhost:1/cb", &AllowList::default()).unwrap();
        assert!(!client(ClientKind::Dynamic, "x").is_trusted_with(&web));
        assert!(client(ClientKind::Dynamic, "x").is_trusted_with(&local));
        assert!(client(ClientKind::Static, "x").is_trusted_with(&web));
        assert!(client(ClientKind::MetadataDocument, "https://app.example/client.json").is_trusted_with(&web));
        assert!(!client(ClientKind::MetadataDocument, "https://other.example/client.json").is_trusted_with(&web));
    }
}
