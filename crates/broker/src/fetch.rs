//! Fetches documents from addresses that strangers have chosen: client ID metadata documents and the keys they point to.
//!
//! A client of its own, apart from the one towards Forgejo, because everything about it is narrower (oauth.md §5.2, "SSRF in practice"):
//! https only, a name and never an address literal (`oauth` judges that), the addresses of the name filtered in the same step that
//! hands them to the connector, so that what is checked is what is dialled; no redirects, no proxy, no connection kept, one short
//! time limit over everything, a running limit on size, few fetches at once. Looking the name up first and connecting by name
//! afterwards was rejected: a second answer of the DNS may be another one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, StatusCode, header};
use oauth::client_document::{CacheHeaders, FetchUrl, MAX_BYTES};
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use tokio::sync::Semaphore;

mod addresses;
mod resolver;
#[cfg(test)]
mod tests;

pub(crate) use addresses::Reach;
pub(crate) use resolver::{Lookup, SystemLookup};

/// Over name look-up, connection, handshake, answer, and the wait for a free place.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Fetches at once for clients that a user has authorized before.
const PLACES_FOR_KNOWN: usize = 8;
/// Fetches at once for all others, so that a stranger with slow addresses holds up only strangers.
const PLACES_FOR_STRANGERS: usize = 8;

/// Fetches documents. A parameter, so that what is done with them can be tested without a network.
pub(crate) trait Fetch: Send + Sync + 'static {
    /// Fetches once. Nothing is tried again.
    fn get<'a>(&'a self, url: &'a FetchUrl, lane: Lane) -> BoxFuture<'a, Result<Fetched, FetchError>>;
}

/// Fetches over the network, in the one careful way. Shared by all requests.
pub(crate) struct Fetcher {
    client: Client,
    known: Semaphore,
    strangers: Semaphore,
}

/// On whose behalf is fetched: they do not hold each other up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// For a client that a user has authorized before.
    Known,
    /// For a client never seen, or never authorized.
    Stranger,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: Option<String>,
    pub(crate) cache: CacheHeaders,
}

/// Why nothing came. For the log only: told to a browser, it would show what can be reached from here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer within {} s", TOTAL_TIMEOUT.as_secs())]
    Slow,
    #[error("the answer is {0}, not 200; redirects are not followed")]
    Status(StatusCode),
    #[error("the answer is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("no connection: {0}")]
    Connection(String),
}

// === impl Fetcher ===

impl Fetcher {
    /// A fetcher that trusts the system's certificates and those in `extra_ca_file`.
    ///
    /// # Errors
    /// When the file cannot be read, or TLS cannot be set up.
    pub(crate) fn new(
        extra_ca_file: Option<&Path>,
        user_agent: &str,
        reach: Reach,
        lookup: &Arc<dyn Lookup>,
    ) -> anyhow::Result<Self> {
        let certificates = extra_ca_file.map(certificates).transpose()?.unwrap_or_default();
        let builder = || narrow(user_agent, resolver::Guarded::new(Arc::clone(lookup), reach));
        let client = match builder().tls_certs_merge(certificates.clone()).build() {
            Ok(client) => client,
            // Where the system has no certificates at all, as in a bare container, the platform's verifier cannot be made.
            Err(_) => {
                builder().tls_certs_only(certificates).build().context("cannot set up TLS for client documents")?
            }
        };
        Ok(Self { client, known: Semaphore::new(PLACES_FOR_KNOWN), strangers: Semaphore::new(PLACES_FOR_STRANGERS) })
    }

    async fn run(&self, url: &FetchUrl, lane: Lane) -> Result<Fetched, FetchError> {
        let places = match lane {
            Lane::Known => &self.known,
            Lane::Stranger => &self.strangers,
        };
        // The semaphores are never closed; if one were, nothing would be fetched.
        let _place = places.acquire().await.map_err(|_| FetchError::Slow)?;
        let request = self.client.get(url.url().clone()).header(header::ACCEPT, "application/json, application/*+json");
        let mut response = request.send().await.map_err(|error| FetchError::Connection(chain(error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        if response.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
            return Err(FetchError::TooLong);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::Connection(chain(error)))? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers();
        Ok(Fetched { body, content_type: text(headers, &header::CONTENT_TYPE), cache: cache_headers(headers) })
    }
}

impl Fetch for Fetcher {
    fn get<'a>(&'a self, url: &'a FetchUrl, lane: Lane) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let run = tokio::time::timeout(TOTAL_TIMEOUT, self.run(url, lane));
        Box::pin(async move { run.await.map_err(|_| FetchError::Slow)? })
    }
}

fn narrow(user_agent: &str, resolver: resolver::Guarded) -> ClientBuilder {
    Client::builder()
        .https_only(true)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .pool_max_idle_per_host(0)
        .dns_resolver(resolver)
        .user_agent(user_agent)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => bail!("{} holds no usable PEM certificate", path.display()),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn cache_headers(headers: &HeaderMap) -> CacheHeaders {
    let lines = headers.get_all(header::CACHE_CONTROL).into_iter();
    CacheHeaders {
        cache_control: lines.filter_map(|line| line.to_str().ok()).map(str::to_owned).collect(),
        age: text(headers, &header::AGE),
        expires: text(headers, &header::EXPIRES),
        date: text(headers, &header::DATE),
    }
}

/// An error with all its causes: the outermost one only says that sending failed.
fn chain(error: reqwest::Error) -> String {
    anyhow::Error::new(error.without_url()).chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
