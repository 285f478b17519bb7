//! Clients from the operator's configuration, public or with a secret (oauth.md §5, "pre-registered").

use oauth::client::{Client, ClientKind, ClientMetadata, TokenEndpointAuthMethod};
use oauth::clock::Timestamp;
use oauth::id::ClientId;
use oauth::token::{PlainToken, TokenHash};
use oauth::token_request::PresentedClient;
use subtle::ConstantTimeEq as _;

use crate::rate_limit::{GrantLimit, Rate, TooMany};

/// A configured client. Of its secret only the hash is kept.
#[derive(Debug)]
pub(crate) struct StaticClient {
    id: ClientId,
    metadata: ClientMetadata,
    secret: Option<TokenHash>,
    /// How often it may ask for tokens; `None` is as often as it likes.
    limit: Option<GrantLimit>,
}

// === impl StaticClient ===

impl StaticClient {
    /// A client with a secret, or a public one without.
    pub(crate) fn new(id: ClientId, name: Option<String>, redirect_uris: Vec<String>, secret: Option<&str>) -> Self {
        let method =
            if secret.is_some() { TokenEndpointAuthMethod::ClientSecret } else { TokenEndpointAuthMethod::None };
        let metadata = ClientMetadata {
            redirect_uris,
            client_name: name,
            client_uri: None,
            application_type: None,
            software_id: None,
            software_version: None,
            token_endpoint_auth_method: method,
        };
        Self { id, metadata, secret: secret.map(TokenHash::of), limit: None }
    }

    /// With this limit if it has a secret. Without one its name proves nothing, and whoever knows it could use the limit up.
    pub(crate) fn limited(self, rate: Option<Rate>) -> Self {
        let limit = rate.filter(|_| self.is_confidential()).and_then(GrantLimit::new);
        Self { limit, ..self }
    }

    /// Takes one request that proved to be from it into account.
    pub(crate) fn charge(&self) -> Result<(), TooMany> {
        self.limit.as_ref().map_or(Ok(()), GrantLimit::charge)
    }

    pub(crate) fn id(&self) -> &ClientId {
        &self.id
    }

    pub(crate) fn is_confidential(&self) -> bool {
        self.secret.is_some()
    }

    /// The client as others are.
    pub(crate) fn client(&self, now: Timestamp) -> Client {
        Client {
            id: self.id.clone(),
            kind: ClientKind::Static,
            metadata: self.metadata.clone(),
            created_at: now,
            last_used_at: now,
            authorized: true,
        }
    }

    /// Whether a request proves to be from this client: with exactly its secret, or with none if it has none. Hashes are compared in constant
    /// time, so neither the secret nor its length can be felt for.
    pub(crate) fn is_presented_by(&self, presented: &PresentedClient) -> bool {
        let shown = presented.secret.as_ref().map(PlainToken::hash);
        presented.assertion.is_none()
            && match (&self.secret, shown) {
                (Some(secret), Some(shown)) => bool::from(secret.as_bytes().ct_eq(shown.as_bytes())),
                (None, None) => true,
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(secret: Option<&str>) -> PresentedClient {
        PresentedClient { id: "c".into(), secret: secret.map(PlainToken::presented), assertion: None, by_basic: false }
    }

    #[test]
    fn a_confidential_client_is_known_by_its_secret_alone() {
        let client = StaticClient::new("c".into(), None, vec![], Some("a long enough secret"));
        assert!(client.is_presented_by(&presented(Some("a long enough secret"))));
        for wrong in [None, Some(""), Some("a long enough secre"), Some("a long enough secret ")] {
            assert!(!client.is_presented_by(&presented(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn a_public_client_shows_no_secret() {
        let client = StaticClient::new("c".into(), None, vec![], None);
        assert!(client.is_presented_by(&presented(None)));
        assert!(!client.is_presented_by(&presented(Some("anything"))));
    }
}
