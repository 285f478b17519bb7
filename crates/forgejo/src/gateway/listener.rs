//! The accept loop: hyper's HTTP/1 with a deadline for headers and a cap on connections.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::{event::GatewayEvent, exchange, peer, shared::Shared};

/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// After a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections of one worker that has a listener of its own.
const WORKER_CONNECTIONS: usize = 64;

/// Serves the gateway's own listener, to which any process of the machine can connect.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, cancel: CancellationToken) {
    let own = listener.local_addr().ok();
    let places = shared.config.connections.clamp(1, Semaphore::MAX_PERMITS);
    accept(shared, listener, own, places, cancel).await;
}

/// Serves a listener that only one worker can reach. The table of the broker's own network says nothing about its peers.
pub(super) async fn serve_worker(shared: Arc<Shared>, listener: TcpListener, cancel: CancellationToken) {
    let places = shared.config.connections.clamp(1, WORKER_CONNECTIONS);
    accept(shared, listener, None, places, cancel).await;
}

/// Accepts until cancelled, then lets the requests under way end. `own` is where the peers' users are to be looked up.
async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    own: Option<SocketAddr>,
    places: usize,
    cancel: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(places));
    let graceful = GracefulShutdown::new();
    while let Some((stream, peer, place)) = next(&listener, &places, &cancel).await {
        tokio::spawn(connection(Arc::clone(&shared), stream, own.zip(Some(peer)), place, graceful.watcher()));
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    cancel: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepting = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) => {
                    tracing::warn!(error.message = %error, "the gateway could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    cancel.run_until_cancelled(accepting).await.flatten()
}

async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    ends: Option<(SocketAddr, SocketAddr)>,
    place: OwnedSemaphorePermit,
    watcher: Watcher,
) {
    if let Some((own, peer)) = ends
        && let Some(uid) = peer::foreign_uid(own, peer).await
    {
        shared.observer.event(GatewayEvent::ForeignPeer { uid });
        return;
    }
    // Small answers must not wait for the worker's delayed acknowledgement; without the option they only come later.
    let _ = stream.set_nodelay(true);
    let header_timeout = shared.timeouts.header;
    // An answer that the worker does not take in would hold its user's place, and a connection to Forgejo, for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(shared.timeouts.between_bytes));
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(exchange::answer(shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    // A worker that breaks off is no event; what we broke off was told where it happened.
    let _ = watcher.watch(connection).await;
    drop(place);
}
