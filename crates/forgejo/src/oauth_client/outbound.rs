//! How we reach the world: one pool of connections, with the operator's trust and proxy.
//!
//! Redirects are never followed, the environment's proxy variables never obeyed: both would send credentials to places that
//! nobody configured.

use std::{fmt, io, path::PathBuf, time::Duration};

use reqwest::{Certificate, Client, Proxy, redirect};
use url::Url;

/// Settings for outgoing connections.
#[derive(Clone)]
pub struct OutboundConfig {
    /// Certificates of more authorities, PEM, in addition to the system's.
    pub extra_ca_pem: Option<PathBuf>,
    /// An egress proxy, `http://…` or `https://…`, user and password allowed.
    pub proxy: Option<Url>,
    /// For TCP and TLS together.
    pub connect_timeout: Duration,
    /// For one whole request of ours. Streams that others send over the same client set their own limits.
    pub total_timeout: Duration,
}

/// A ready client. Cheap to clone; all clones share one pool.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: Client,
    total_timeout: Duration,
    direct_timeout: Option<Duration>,
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The file with extra certificates can't be read.
    #[error("the extra CA file {path} can't be read: {source}")]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no certificate, or a broken one.
    #[error("the extra CA file {path} holds no usable PEM certificate")]
    CaContent {
        /// As configured.
        path: PathBuf,
    },
    /// The proxy's URL can't be used.
    #[error("the egress proxy must be an http:// or https:// URL with a host")]
    Proxy,
    /// TLS could not be set up.
    #[error("outgoing connections can't be set up: {0}")]
    Tls(reqwest::Error),
}

// === impl OutboundConfig ===

impl OutboundConfig {
    /// Reads the extra certificates and makes the client.
    pub fn build(&self) -> Result<Outbound, OutboundError> {
        let certificates = self.certificates()?;
        let proxy = self.proxy()?;
        let total_timeout = self.total_timeout;
        let direct_timeout = self.proxy.is_none().then_some(self.connect_timeout);
        let client = match self.builder(proxy.clone()).tls_certs_merge(certificates.clone()).build() {
            Ok(client) => client,
            // The platform's verifier fails where the system has no certificates at all, as in a bare container. Plain http
            // must work there; https then fails at the handshake, with that reason.
            Err(error) if certificates.is_empty() => {
                tracing::warn!(%error, "no system certificates found: https connections will fail until ca-certificates or an extra CA file is there");
                self.builder(proxy).tls_certs_only([]).build().map_err(OutboundError::Tls)?
            }
            Err(error) => return Err(OutboundError::Tls(error)),
        };
        Ok(Outbound { client, total_timeout, direct_timeout })
    }

    fn builder(&self, proxy: Option<Proxy>) -> reqwest::ClientBuilder {
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.connect_timeout);
        match proxy {
            Some(proxy) => builder.proxy(proxy),
            None => builder,
        }
    }

    fn certificates(&self) -> Result<Vec<Certificate>, OutboundError> {
        let Some(path) = &self.extra_ca_pem else {
            return Ok(Vec::new());
        };
        let pem = std::fs::read(path).map_err(|source| OutboundError::CaFile { path: path.clone(), source })?;
        match Certificate::from_pem_bundle(&pem) {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(OutboundError::CaContent { path: path.clone() }),
        }
    }

    fn proxy(&self) -> Result<Option<Proxy>, OutboundError> {
        let Some(url) = &self.proxy else {
            return Ok(None);
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(OutboundError::Proxy);
        }
        Proxy::all(url.clone()).map(Some).map_err(|_| OutboundError::Proxy)
    }
}

impl Default for OutboundConfig {
    /// The system's certificates, no proxy, 5 s to connect, 15 s in total.
    fn default() -> Self {
        Self {
            extra_ca_pem: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(15),
        }
    }
}

impl fmt::Debug for OutboundConfig {
    /// Without the proxy's user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_ref().map(|url| format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()));
        f.debug_struct("OutboundConfig")
            .field("extra_ca_pem", &self.extra_ca_pem)
            .field("proxy", &proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("total_timeout", &self.total_timeout)
            .finish()
    }
}

// === impl Outbound ===

impl Outbound {
    /// The client: no redirects, no total timeout of its own.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The limit for one whole request.
    #[must_use]
    pub fn total_timeout(&self) -> Duration {
        self.total_timeout
    }

    /// How long a connection past [`Self::client`] may take; `None` if there is a proxy, which such a connection would go around.
    #[must_use]
    pub fn direct_timeout(&self) -> Option<Duration> {
        self.direct_timeout
    }
}
