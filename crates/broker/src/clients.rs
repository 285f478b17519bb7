//! Who a `client_id` is, and whether a request is from it: one answer for authorize, token and revoke.
//!
//! The three kinds of clients never mix: an https address is a metadata document, a configured id is the configured client, everything else
//! registered by itself. A row in the store counts only for the kind that the id has today, so a client that left the configuration, or
//! whose host left the allow-list, is not known any more though its row is still there for its grants.

use std::collections::HashMap;
use std::sync::Arc;

use oauth::client::{Client, ClientKind, TokenEndpointAuthMethod};
use oauth::client_assertion::{ClientAssertion, Expected};
use oauth::client_document::{DocumentUrl, InvalidUrl};
use oauth::clock::Clock;
use oauth::id::ClientId;
use oauth::metadata::ClientKinds;
use oauth::token_request::PresentedClient;
use store::clients::KnownClientKind;
use store::{Store, StoreError};

use crate::audit::{Audit, Entry};
use crate::documents::{DocumentError, Documents, VerifyError};
use crate::fetch::Lane;
use crate::rate_limit::TooMany;
use crate::static_client::StaticClient;

/// All clients.
pub(crate) struct Clients {
    store: Store,
    clock: Arc<dyn Clock>,
    audit: Audit,
    configured: HashMap<ClientId, StaticClient>,
    /// `None` where metadata documents are switched off.
    documents: Option<Documents>,
    /// What the assertions of clients may name as audience: issuer and token endpoint.
    audiences: [String; 2],
}

/// Why a client cannot be shown to a user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    #[error("the client {0} is not known")]
    Unknown(ClientId),
    #[error("the client {0} is known by a document, and documents of its host are not accepted here")]
    NotAdmitted(ClientId),
    #[error("the client_id is not an address of a client metadata document: {0}")]
    Address(#[from] InvalidUrl),
    #[error("the document of client {client}: {cause}")]
    Document { client: ClientId, cause: DocumentError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a request does not count as the client's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthenticationError {
    #[error("this client_id is not known here, or has expired unused; register again")]
    Unknown,
    #[error("client metadata documents of this host are not accepted here; use dynamic client registration")]
    NotAdmitted,
    #[error("the client_id is not an address of a client metadata document: {0}")]
    Address(#[from] InvalidUrl),
    #[error(
        "this client is public: send no client_secret and no client_assertion (token_endpoint_auth_method is none)"
    )]
    Public,
    #[error("the client_secret is missing or wrong")]
    Secret,
    #[error("this client authenticates with private_key_jwt: send client_assertion and client_assertion_type")]
    AssertionMissing,
    #[error("{0}")]
    Assertion(VerifyError),
    #[error("this client_assertion was used before; sign a new one with another jti")]
    AssertionReplayed,
    #[error("the document of the client cannot be had: {0}")]
    Unreachable(DocumentError),
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What [`Clients`] is made of.
pub(crate) struct ClientsParts {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Audit,
    pub(crate) configured: Vec<StaticClient>,
    pub(crate) documents: Option<Documents>,
    pub(crate) issuer: String,
}

// === impl Clients ===

impl Clients {
    pub(crate) fn new(parts: ClientsParts) -> Self {
        let ClientsParts { store, clock, audit, configured, documents, issuer } = parts;
        let configured = configured.into_iter().map(|client| (client.id().clone(), client)).collect();
        let audiences = [format!("{issuer}/oauth/token"), issuer];
        Self { store, clock, audit, configured, documents, audiences }
    }

    /// What the metadata tells of the clients that are served.
    pub(crate) fn kinds(&self) -> ClientKinds {
        ClientKinds {
            metadata_documents: self.documents.is_some(),
            with_secrets: self.configured.values().any(StaticClient::is_confidential),
        }
    }

    /// The client as it is now, to be shown to a user. Writes nothing.
    pub(crate) async fn find(&self, id: &ClientId) -> Result<Client, FindError> {
        if let Some(configured) = self.configured.get(id) {
            return Ok(configured.client(self.clock.now()));
        }
        if !DocumentUrl::is_meant_by(id.as_str()) {
            let row = self.store.client(id).await?.filter(|client| client.kind == ClientKind::Dynamic);
            return row.ok_or_else(|| FindError::Unknown(id.clone()));
        }
        let url = DocumentUrl::parse(id.as_str())?;
        let Some(documents) = self.documents.as_ref().filter(|documents| documents.admits(&url)) else {
            return Err(FindError::NotAdmitted(id.clone()));
        };
        let row = self.row_of_document(id).await?;
        let document = documents.document(&url, lane(row.as_ref())).await;
        let document = document.map_err(|cause| FindError::Document { client: id.clone(), cause })?;
        let (metadata, now) = (document.value.metadata.clone(), self.clock.now());
        Ok(match row {
            Some(row) => Client { metadata, ..row },
            None => Client {
                id: id.clone(),
                kind: ClientKind::MetadataDocument,
                metadata,
                created_at: now,
                last_used_at: now,
                authorized: false,
            },
        })
    }

    /// Writes down a client to which a user has just consented, so that it can have a grant. Those that registered are there already.
    pub(crate) async fn record(&self, client: &Client) -> Result<(), StoreError> {
        let kind = match client.kind {
            ClientKind::Dynamic => return Ok(()),
            ClientKind::Static => KnownClientKind::Static,
            ClientKind::MetadataDocument => KnownClientKind::MetadataDocument,
        };
        let before = self.store.client(&client.id).await?;
        self.store.save_client(&client.id, kind, &client.metadata, self.clock.now()).await?;
        if before.is_some_and(|before| before.metadata != client.metadata) {
            // Every authorization asks the user anyway; who looks into a strange connection should see this (check 15).
            let entry = Entry { client: Some(client.id.as_str()), ..Entry::default() };
            self.audit.record("client_changed", "metadata", &entry);
        }
        Ok(())
    }

    /// The client of a request to the token or revocation endpoint, if the request is from it.
    pub(crate) async fn authenticate(&self, presented: &PresentedClient) -> Result<Client, AuthenticationError> {
        if let Some(configured) = self.configured.get(&presented.id) {
            return if configured.is_presented_by(presented) {
                configured.charge()?;
                Ok(configured.client(self.clock.now()))
            } else if configured.is_confidential() {
                Err(AuthenticationError::Secret)
            } else {
                Err(AuthenticationError::Public)
            };
        }
        if presented.secret.is_some() {
            return Err(AuthenticationError::Public);
        }
        if DocumentUrl::is_meant_by(presented.id.as_str()) {
            return self.authenticate_by_document(&presented.id, presented.assertion.as_ref()).await;
        }
        if presented.assertion.is_some() {
            return Err(AuthenticationError::Public);
        }
        let row = self.store.client(&presented.id).await?.filter(|client| client.kind == ClientKind::Dynamic);
        row.ok_or(AuthenticationError::Unknown)
    }

    async fn authenticate_by_document(
        &self,
        id: &ClientId,
        assertion: Option<&ClientAssertion>,
    ) -> Result<Client, AuthenticationError> {
        let url = DocumentUrl::parse(id.as_str())?;
        let documents = self.documents.as_ref().filter(|documents| documents.admits(&url));
        let documents = documents.ok_or(AuthenticationError::NotAdmitted)?;
        // Only a client with a row can have anything to redeem. Nothing is fetched for others.
        let row = self.row_of_document(id).await?.ok_or(AuthenticationError::Unknown)?;
        let document = match documents.document(&url, Lane::Known).await {
            Ok(document) => document,
            // A public client proves nothing by its document, so its users need not suffer while its makers' web server is away.
            Err(cause) if assertion.is_none() && row.metadata.token_endpoint_auth_method.is_none() => {
                tracing::warn!(client.id = %id, error = %cause, "the document of a public client cannot be had; going by what was stored");
                return Ok(row);
            }
            Err(cause) => return Err(AuthenticationError::Unreachable(cause)),
        };
        let is_changed = row.metadata != document.value.metadata;
        let client = Client { metadata: document.value.metadata.clone(), ..row };
        if is_changed {
            self.record(&client).await?;
        }
        match (client.metadata.token_endpoint_auth_method, assertion) {
            (TokenEndpointAuthMethod::PrivateKeyJwt, None) => Err(AuthenticationError::AssertionMissing),
            (TokenEndpointAuthMethod::PrivateKeyJwt, Some(assertion)) => {
                let [token_endpoint, issuer] = &self.audiences;
                let audiences = [token_endpoint.as_str(), issuer.as_str()];
                let expected = Expected { client: id, audiences, algorithm: None, now: self.clock.now() };
                let verified =
                    documents.verify(&url, document, assertion, &expected).await.map_err(unreachable_apart)?;
                if self.store.spend_assertion(&verified).await? {
                    return Ok(client);
                }
                let entry = Entry { client: Some(id.as_str()), ..Entry::default() };
                self.audit.record("client_assertion_replayed", "refused", &entry);
                Err(AuthenticationError::AssertionReplayed)
            }
            (_, Some(_)) => Err(AuthenticationError::Public),
            (_, None) => Ok(client),
        }
    }

    async fn row_of_document(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Ok(self.store.client(id).await?.filter(|client| client.kind == ClientKind::MetadataDocument))
    }
}

fn lane(row: Option<&Client>) -> Lane {
    if row.is_some_and(|row| row.authorized) { Lane::Known } else { Lane::Stranger }
}

fn unreachable_apart(error: VerifyError) -> AuthenticationError {
    match error {
        VerifyError::Keys(cause) => AuthenticationError::Unreachable(cause),
        other => AuthenticationError::Assertion(other),
    }
}
