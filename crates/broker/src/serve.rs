//! The listener: our own accept loop on hyper.
//!
//! `axum::serve` sets no timer, so its header timeout never arms (slow-loris), and it has no cap on connections. Here a
//! connection costs a permit, headers have 30 s and 64 KiB, and a stop is graceful: no new connections, idle ones closed,
//! running requests awaited until the grace period is over, then cut.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use parking_lot::RwLock;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

pub(crate) mod notify;
pub mod open_files;
mod sockets;
mod stop;
#[cfg(test)]
mod tests;

pub use sockets::Sockets;
pub use stop::Stop;

/// How long a client may take to send a request's headers.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest request line and headers together, in bytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long to wait when the system has no descriptor left for another connection.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(100);

/// The address of whoever opened the connection; a request extension. Behind a proxy it is the proxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// What one listener grants.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    max_connections: usize,
    shutdown_grace: Duration,
}

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    limits: Limits,
    purpose: &'static str,
    tls: Option<Tls>,
}

/// What a listener shows and asks for; each connection goes by what is there when it begins.
pub(crate) type Tls = Arc<RwLock<Arc<ServerConfig>>>;

/// The operator sent a second signal: everything ends at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped at once by a second signal")]
pub struct Interrupted;

/// Whoever answers requests. Cheap to clone.
pub trait Answer: Clone + Send + Sync + 'static {
    /// The answer to one request.
    fn answer(self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// What answers at this moment. Another can be put in its place; each request goes through the one that is there when it begins.
#[derive(Clone)]
pub struct Replaceable<A>(Arc<RwLock<A>>);

// === impl Answer ===

impl Answer for Router {
    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        self.oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

// === impl Replaceable ===

impl<A: Answer> Replaceable<A> {
    /// Begins with this one.
    pub fn new(answer: A) -> Self {
        Self(Arc::new(RwLock::new(answer)))
    }

    /// Puts another one in place.
    pub fn replace(&self, answer: A) {
        *self.0.write() = answer;
    }

    fn current(&self) -> A {
        self.0.read().clone()
    }
}

// === impl Limits ===

impl Limits {
    /// So many connections at once, and so long to end after a stop.
    #[must_use]
    pub fn new(max_connections: usize, shutdown_grace: Duration) -> Self {
        Self { max_connections, shutdown_grace }
    }
}

// === impl Server ===

impl Server {
    /// Binds the address.
    pub async fn bind(listen: SocketAddr, limits: Limits) -> Result<Self, anyhow::Error> {
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("cannot listen on {listen}: choose another address with --listen, or stop the program that uses it")
        })?;
        Ok(Self { listener, limits, purpose: "listening", tls: None })
    }

    /// With TLS.
    #[must_use]
    pub(crate) fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Says in the log what it listens for.
    #[must_use]
    pub fn named(self, purpose: &'static str) -> Self {
        Self { purpose, ..self }
    }

    /// Serves a socket that was opened by somebody else.
    pub fn of(listener: std::net::TcpListener, limits: Limits) -> Result<Self, anyhow::Error> {
        listener.set_nonblocking(true).context("the inherited socket cannot be used")?;
        let listener = TcpListener::from_std(listener).context("the inherited socket cannot be used")?;
        Ok(Self { listener, limits, purpose: "listening", tls: None })
    }

    /// Where it listens; tells the port if the configured one was 0.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until told to stop, then ends within the grace period.
    ///
    /// `drain` starts when the stop begins and runs beside the last requests: it ends streams and workers, so that their
    /// connections can end. Returns [`Interrupted`] after a second signal.
    pub async fn run<A: Answer>(
        self,
        answer: Replaceable<A>,
        stop: Stop,
        drain: impl Future<Output = ()>,
    ) -> Result<(), anyhow::Error> {
        let Self { listener, limits, purpose, tls } = self;
        let listening = listener.local_addr().context("the listener has no address")?;
        tracing::info!(listen.address = %listening, "{purpose}");
        let connections = Connections::new(answer, tls);
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        tokio::select! {
            () = stop.requested() => {}
            () = accept(&listener, &permits, &connections) => {}
        }
        drop(listener);
        let open = connections.tasks.len();
        tracing::info!(connections.open = open, grace_ms = millis(limits.shutdown_grace), "stopping");
        let ended = connections.end(drain, limits.shutdown_grace);
        tokio::select! {
            biased;
            () = stop.at_once() => Err(Interrupted.into()),
            () = ended => Ok(()),
        }
    }
}

async fn accept<A: Answer>(listener: &TcpListener, permits: &Arc<Semaphore>, connections: &Connections<A>) {
    loop {
        // The permit comes first: what we can't serve yet waits in the system's queue.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => connections.open(stream, peer, permit),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot accept connections; trying again");
                tokio::time::sleep(EXHAUSTION_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The open connections.
struct Connections<A> {
    answer: Replaceable<A>,
    http: http1::Builder,
    tls: Option<Tls>,
    graceful: GracefulShutdown,
    tasks: TaskTracker,
    cut: CancellationToken,
}

// === impl Connections ===

impl<A: Answer> Connections<A> {
    fn new(answer: Replaceable<A>, tls: Option<Tls>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT).max_buf_size(MAX_HEADER_BYTES);
        Self {
            answer,
            http,
            tls,
            graceful: GracefulShutdown::new(),
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
        }
    }

    fn open(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Small answers must not wait for more; if the option can't be set they do, and nothing else changes.
        let _ = stream.set_nodelay(true);
        let answer = self.answer.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddress(peer));
            let answer = answer.current();
            async move { Ok::<_, Infallible>(answer.answer(request).await) }
        });
        let tls = self.tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.read())));
        let (http, watcher) = (self.http.clone(), self.graceful.watcher());
        let connection = async move {
            let Some(tls) = tls else {
                return watcher
                    .watch(http.serve_connection(TokioIo::new(stream), service))
                    .await
                    .map_err(anyhow::Error::from);
            };
            let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream))
                .await
                .context("the handshake took too long")??;
            watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await.map_err(anyhow::Error::from)
        };
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            tokio::select! {
                outcome = connection => {
                    if let Err(error) = outcome {
                        tracing::debug!(error = %format!("{error:#}"), peer.address = %peer, "connection ended");
                    }
                }
                () = cut.cancelled() => {}
            }
        });
    }

    async fn end(self, drain: impl Future<Output = ()>, grace: Duration) {
        let Self { graceful, tasks, cut, .. } = self;
        tasks.close();
        let ended = async {
            tokio::join!(drain, graceful.shutdown());
            tasks.wait().await;
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!(connections.open = tasks.len(), "the grace period is over: open connections are cut");
        }
        cut.cancel();
        tasks.wait().await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
