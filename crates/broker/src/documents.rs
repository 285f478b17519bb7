//! Clients that are known by the document at their `client_id`: fetched, judged, remembered (oauth.md §5.2).

use std::sync::Arc;
use std::time::Duration;

use oauth::client_assertion::{self, ClientAssertion, Expected, InvalidKeys, KeySet, Verified};
use oauth::client_document::{self, Authentication, ClientDocument, DocumentUrl, FetchUrl, KeySource};
use oauth::clock::Clock;
use oauth::redirect_uri::AllowList;

use crate::fetch::{Fetch, FetchError, Fetched, Lane};
use crate::shelf::{Held, Missing, Shelf};

/// Documents, and sets of keys, that are remembered.
const REMEMBERED: usize = 500;

/// Fetches and remembers documents of clients and their keys.
pub(crate) struct Documents {
    fetch: Box<dyn Fetch>,
    read: Shelf<ClientDocument>,
    keys: Shelf<KeySet>,
    redirect_uris: AllowList,
    /// Hosts whose documents count; all if empty (check 16).
    hosts: Vec<String>,
}

/// Why a document, or its keys, cannot be had. For the log; whoever asked is told only that it is so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{0}")]
    Document(#[from] client_document::Refusal),
    #[error("{0}")]
    Keys(#[from] InvalidKeys),
    #[error("it could not be had moments ago and was not tried again")]
    FailedBefore,
}

/// Why an assertion does not authenticate a client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// It proves nothing.
    #[error(transparent)]
    Refused(#[from] client_assertion::Refusal),
    /// Whether it proves anything cannot be told at present.
    #[error(transparent)]
    Keys(#[from] DocumentError),
    /// The document says that the client is public.
    #[error("this client is public by its document (token_endpoint_auth_method is none): send no client_assertion")]
    Public,
}

// === impl Documents ===

impl Documents {
    pub(crate) fn new(
        fetch: Box<dyn Fetch>,
        redirect_uris: AllowList,
        hosts: Vec<String>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        Self {
            fetch,
            read: Shelf::new(REMEMBERED, Arc::clone(clock)),
            keys: Shelf::new(REMEMBERED, Arc::clone(clock)),
            redirect_uris,
            hosts,
        }
    }

    /// Whether documents at this host count.
    pub(crate) fn admits(&self, url: &DocumentUrl) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|host| host == url.host())
    }

    /// The document at `url`.
    pub(crate) async fn document(&self, url: &DocumentUrl, lane: Lane) -> Result<Held<ClientDocument>, DocumentError> {
        Ok(self.read.get(url.as_str(), self.fetch_document(url, lane)).await?)
    }

    /// Verifies an assertion with the keys of the client at `url`. Keys that do not fit are fetched once more, unless they are fresh: the
    /// client may have changed them.
    pub(crate) async fn verify(
        &self,
        url: &DocumentUrl,
        document: Held<ClientDocument>,
        assertion: &ClientAssertion,
        expected: &Expected<'_>,
    ) -> Result<Verified, VerifyError> {
        let Authentication::PrivateKeyJwt { keys, algorithm } = &document.value.authentication else {
            return Err(VerifyError::Public);
        };
        let expected = Expected { algorithm: *algorithm, ..*expected };
        match keys {
            KeySource::Inline(keys) => {
                let doubt = match assertion.verify(keys, &expected) {
                    Err(refusal) if is_doubtful(&refusal) => refusal,
                    outcome => return Ok(outcome?),
                };
                let fetch = self.fetch_document(url, Lane::Known);
                let renewed = self.read.renew(url.as_str(), &document, fetch).await.map_err(DocumentError::from)?;
                match renewed.as_ref().map(|document| &document.value.authentication) {
                    Some(Authentication::PrivateKeyJwt { keys: KeySource::Inline(keys), algorithm }) => {
                        Ok(assertion.verify(keys, &Expected { algorithm: *algorithm, ..expected })?)
                    }
                    // Another kind of document by now: the next request sees it as it is.
                    _ => Err(doubt.into()),
                }
            }
            KeySource::Uri(address) => {
                let fetch = || self.fetch_keys(address);
                let keys = self.keys.get(address.as_str(), fetch()).await.map_err(DocumentError::from)?;
                let doubt = match assertion.verify(&keys.value, &expected) {
                    Err(refusal) if is_doubtful(&refusal) => refusal,
                    outcome => return Ok(outcome?),
                };
                match self.keys.renew(address.as_str(), &keys, fetch()).await.map_err(DocumentError::from)? {
                    Some(keys) => Ok(assertion.verify(&keys.value, &expected)?),
                    None => Err(doubt.into()),
                }
            }
        }
    }

    async fn fetch_document(&self, url: &DocumentUrl, lane: Lane) -> Result<(ClientDocument, Duration), DocumentError> {
        let fetched = self.fetch_json(url.fetch_url(), lane).await?;
        Ok((client_document::judge(url, &fetched.body, &self.redirect_uris)?, fetched.cache.lifetime()))
    }

    async fn fetch_keys(&self, url: &FetchUrl) -> Result<(KeySet, Duration), DocumentError> {
        let fetched = self.fetch_json(url, Lane::Known).await?;
        Ok((KeySet::read(&fetched.body)?, fetched.cache.lifetime()))
    }

    async fn fetch_json(&self, url: &FetchUrl, lane: Lane) -> Result<Fetched, DocumentError> {
        let fetched = self.fetch.get(url, lane).await?;
        client_document::judge_media_type(fetched.content_type.as_deref())?;
        Ok(fetched)
    }
}

/// What other keys could change.
fn is_doubtful(refusal: &client_assertion::Refusal) -> bool {
    matches!(refusal, client_assertion::Refusal::UnknownKey | client_assertion::Refusal::Signature)
}

impl From<Missing<Self>> for DocumentError {
    fn from(missing: Missing<Self>) -> Self {
        match missing {
            Missing::Failed(error) => error,
            Missing::FailedBefore => Self::FailedBefore,
        }
    }
}

#[cfg(test)]
mod tests;
