//! The gateway: an untrusted worker's only way to Forgejo's API.
//!
//! Goal: what a grant does not give is not reachable, whatever the worker sends. An HTTP server on 127.0.0.1 takes the
//! worker's requests, puts the user's current Forgejo token in the place of the worker's capability, and **builds every
//! request anew** from what it judged: path, query, headers by allow-list, forms. Rejected: a reverse proxy with filters,
//! since Forgejo's router and parsers understand many spellings of one request, and a filter sees only the one it knows.
//!
//! A request walks `listener` → `exchange` (`capability` → `path` → `policy` with `doors` → `limits` → `body`) →
//! `upstream` (by `direct`, or the shared client) → `answer` (`redirect`, `rewrite`). Whatever stops on that way becomes a [`Refusal`] in Forgejo's error
//! shape. The listener serves only processes of its own user where the kernel tells (`peer`).

use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, atomic::AtomicU64},
};

use parking_lot::{Mutex, RwLock};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{oauth_client::Outbound, token_source::TokenSource};

mod answer;
mod body;
mod capability;
mod config;
mod direct;
mod doors;
mod event;
mod exchange;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grant;
mod headers;
mod limits;
mod listener;
mod multipart;
mod path;
mod peer;
mod policy;
mod probes;
mod query;
mod redirect;
mod refusal;
mod repositories;
mod rewrite;
mod shared;
mod upstream;

pub use capability::{Capability, Condition};
pub use config::{GatewayConfig, GatewayLimits, GatewayTimeouts};
pub use doors::{DoorGroup, DoorGroups, UnknownDoorGroup};
pub use event::{GatewayEvent, GatewayObserver, Trace};
pub use grant::{GatewayAssignment, GrantAccess, GrantLookup, GrantTerms};
pub use limits::LimitKind;
pub use multipart::{Boundary, MultipartError, Scanner};
pub use path::{PathError, Place, RepositoryName, TargetPath};
pub use policy::{RequestClass, judge};
pub use query::{identity_field, rebuild as rebuild_query};
pub use refusal::Refusal;
pub use repositories::ChosenRepositories;

use shared::Shared;

/// The gateway, bound to a port of 127.0.0.1. A cheap handle.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    /// Until it is served.
    listener: Arc<Mutex<Option<TcpListener>>>,
}

/// Keeps a worker's own listener open ([`Gateway::adopt`]). When it is dropped, the requests under way still end.
#[derive(Debug)]
pub struct AdoptedListener {
    _cancel: DropGuard,
}

// === impl Gateway ===

impl Gateway {
    /// Binds to a random port of 127.0.0.1. Nothing is accepted before [`Self::serve`].
    ///
    /// `outbound` is how Forgejo and the storage origins are reached. A Forgejo on plain http is asked on connections of the gateway's own,
    /// unless there is an egress proxy.
    ///
    /// # Errors
    /// When no port can be bound, or an address of the configuration is not http or https.
    pub async fn bind(
        config: GatewayConfig,
        outbound: &Outbound,
        tokens: Arc<dyn TokenSource>,
        grants: Arc<dyn GrantLookup>,
        observer: Arc<dyn GatewayObserver>,
    ) -> io::Result<Self> {
        check([&config.forgejo, &config.forgejo_public].into_iter().chain(&config.storage_origins))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Shared {
            url,
            origins: redirect::Origins::new(&config.forgejo, &config.forgejo_public, &config.storage_origins),
            open_doors: RwLock::new(config.open_doors),
            config: config.limits,
            timeouts: config.timeouts,
            limits: limits::Limits::new(config.limits, config.timeouts.queue),
            client: outbound.client().clone(),
            direct: outbound.direct_timeout().and_then(|timeout| direct::Direct::to(&config.forgejo, timeout)),
            tokens,
            grants,
            observer,
            capabilities: Arc::default(),
            version: probes::VersionMemory::default(),
            names: repositories::Names::default(),
            attachments: repositories::SeenAttachments::default(),
            wrong_capabilities: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), listener: Arc::new(Mutex::new(Some(listener))) })
    }

    /// What workers take for Forgejo's address, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Forgejo's public base as in the configuration, without a trailing slash: what stands for [`Self::url`] outside.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.shared.origins.public().as_str().trim_end_matches('/')
    }

    /// Opens these doors and no others, and follows redirects to this storage and no other, from each worker's next request on.
    ///
    /// # Errors
    /// When an origin is not http or https; nothing has changed then.
    pub fn replace_rules(&self, open_doors: DoorGroups, storage_origins: &[Url]) -> io::Result<()> {
        check(storage_origins)?;
        self.shared.origins.replace_storage(storage_origins);
        *self.shared.open_doors.write() = open_doors;
        Ok(())
    }

    /// Accepts workers until cancelled; then closes the port and ends when the requests under way have ended. To be called
    /// once: the listener goes with the first call, a second one ends at once.
    pub fn serve(&self, cancel: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let listener = self.listener.lock().take();
        let shared = Arc::clone(&self.shared);
        async move {
            if let Some(listener) = listener {
                listener::serve(shared, listener, cancel).await;
            }
        }
    }

    /// Serves a further listener until the returned value is dropped: one that was opened in a network of its own for one
    /// worker, on the same address as this gateway. It must not block. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the runtime can't watch the listener.
    pub fn adopt(&self, listener: std::net::TcpListener) -> io::Result<AdoptedListener> {
        let listener = TcpListener::from_std(listener)?;
        let cancel = CancellationToken::new();
        tokio::spawn(listener::serve_worker(Arc::clone(&self.shared), listener, cancel.clone()));
        Ok(AdoptedListener { _cancel: cancel.drop_guard() })
    }

    /// Makes the capability of one worker. Until it is assigned, only start-up probes are answered.
    #[must_use]
    pub fn open(&self) -> Capability {
        self.shared.capabilities.open()
    }

    /// Forgejo's version as last seen with a living credential.
    #[must_use]
    pub fn forgejo_version(&self) -> Option<String> {
        self.shared.version.seen()
    }

    /// Tells the version seen in an earlier run, so that start-up probes need not answer with a placeholder.
    pub fn remember_forgejo_version(&self, version: &str) {
        self.shared.version.keep(version);
    }
}

fn check<'a>(addresses: impl IntoIterator<Item = &'a Url>) -> io::Result<()> {
    let bad = |address: &&Url| !matches!(address.scheme(), "http" | "https") || !address.has_host();
    addresses.into_iter().find(bad).map_or(Ok(()), |address| {
        let problem = format!("{} is not an http or https address with a host", address.origin().ascii_serialization());
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    })
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
