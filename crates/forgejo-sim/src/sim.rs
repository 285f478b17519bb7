//! Starting and stopping a stand-in, and asking it what it saw.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

use crate::{
    clock::SimClock,
    config::{Profile, Seed, SimConfig},
    fault::FaultRule,
    oauth::jwt::{KeyError, Signer},
    request_log::LoggedRequest,
    secret::IssuedSecret,
    seed, server,
    site::Site,
};

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The root URL is no http or https URL.
    #[error("the root URL {0:?} is not an http or https URL")]
    RootUrl(String),
    /// No signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A stand-in for Forgejo.
#[derive(Clone, Copy, Debug)]
pub struct Simulator;

/// Every secret that a stand-in gives out.
#[derive(Clone)]
pub struct SecretList(Arc<Site>);

/// A stand-in that listens; it stops when this is dropped. What tests change behind the server's back are methods of it, too.
pub struct RunningSim {
    pub(crate) site: Arc<Site>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

// === impl Simulator ===

impl Simulator {
    /// Listens and serves on the current tokio runtime.
    pub async fn start(config: SimConfig) -> Result<RunningSim, StartError> {
        let signer = Signer::shared(config.key_size)?;
        let listen_error = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let root = config.root_url.clone().unwrap_or_else(|| format!("http://{address}/"));
        let url = Url::parse(&root).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or(StartError::RootUrl(root))?;
        let wants_demo = config.seed == Seed::Demo;
        let site = Arc::new(Site::new(config, &url, signer));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(server::run(listener, Arc::clone(&site), stop.clone(), tasks.clone()));
        let sim = RunningSim { site, address, stop, tasks };
        seed::built_in_applications(&sim);
        if wants_demo {
            seed::demo(&sim);
        }
        Ok(sim)
    }
}

// === impl SecretList ===

impl SecretList {
    /// Those given out by now, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<IssuedSecret> {
        self.0.issued.list()
    }
}

// === impl RunningSim ===

impl RunningSim {
    /// The list of secrets that it gave out and will give out; it outlives the stand-in.
    #[must_use]
    pub fn secrets(&self) -> SecretList {
        SecretList(Arc::clone(&self.site))
    }

    /// The root URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        self.site.root.trim_end_matches('/')
    }

    /// The address listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server that this one behaves like.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.site.profile()
    }

    /// The clock; its clones move together.
    #[must_use]
    pub fn clock(&self) -> SimClock {
        self.site.config.clock.clone()
    }

    /// Puts the clock forward.
    pub fn advance(&self, by: Duration) {
        self.site.config.clock.advance(by);
    }

    /// Orders a fault; the first rule that fits a request meets it.
    pub fn add_fault(&self, rule: FaultRule) {
        self.site.faults.add(rule);
    }

    /// Takes all faults back. A request that already hangs goes on hanging.
    pub fn clear_faults(&self) {
        self.site.faults.clear();
    }

    /// The next `count` refreshes that pass their checks wait for each other before the grant's counter is changed:
    /// exactly one of them can win.
    pub fn race_refreshes(&self, count: usize) {
        self.site.races.refresh.order(count);
    }

    /// The same for code exchanges, between the checks and the removal of the code.
    pub fn race_code_exchanges(&self, count: usize) {
        self.site.races.code.order(count);
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.site.log.list()
    }

    /// The requests whose path (below the root URL, with leading slash) begins so.
    #[must_use]
    pub fn requests_to(&self, path_prefix: &str) -> Vec<LoggedRequest> {
        self.requests().into_iter().filter(|request| request.path.starts_with(path_prefix)).collect()
    }

    /// How many requests satisfy a condition.
    pub fn count_requests(&self, wanted: impl Fn(&LoggedRequest) -> bool) -> usize {
        self.site.log.count(wanted)
    }

    /// How many refreshes came to the token endpoint, whatever their outcome.
    #[must_use]
    pub fn refreshes(&self) -> usize {
        self.count_requests(LoggedRequest::is_refresh)
    }

    /// How many code exchanges came to the token endpoint, whatever their outcome.
    #[must_use]
    pub fn code_exchanges(&self) -> usize {
        self.count_requests(LoggedRequest::is_code_exchange)
    }

    /// The most requests to one path that were ever under way at once.
    #[must_use]
    pub fn most_at_once(&self, path: &str) -> usize {
        self.site.log.most_at_once(path)
    }

    /// Forgets the log.
    pub fn clear_requests(&self) {
        self.site.log.clear();
    }

    /// Every secret that the stand-in has given out, so that a test can search for each where none may be.
    #[must_use]
    pub fn issued_secrets(&self) -> Vec<IssuedSecret> {
        self.site.issued.list()
    }

    /// Stops and waits until all connections have ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for RunningSim {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for RunningSim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningSim").field("url", &self.url()).field("profile", &self.profile()).finish_non_exhaustive()
    }
}
