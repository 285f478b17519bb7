//! The accept loop: hyper's HTTP/1 with a deadline for headers and a cap on connections.

use std::{convert::Infallible, future::poll_fn, net::SocketAddr, pin::pin, sync::Arc, task::Poll, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
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

/// Serves the gateway's own listener, to which any process of the machine can connect, until cancelled; then lets the requests
/// under way end.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, cancel: CancellationToken) {
    let own = listener.local_addr().ok();
    let all = u32::try_from(shared.config.connections.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
    let places = Arc::new(Semaphore::new(all as usize));
    accept(shared, listener, own, Arc::clone(&places), cancel).await;
    // Whoever is still there holds a place.
    let _ = places.acquire_many(all).await;
}

/// Serves a listener that only one worker can reach. The table of the broker's own network says nothing about its peers.
pub(super) fn serve_worker(
    shared: Arc<Shared>,
    listener: TcpListener,
    cancel: CancellationToken,
) -> impl Future<Output = ()> + Send {
    let places = Arc::new(Semaphore::new(shared.config.connections.clamp(1, WORKER_CONNECTIONS)));
    accept(shared, listener, None, places, cancel)
}

/// Accepts until cancelled. `own` is where the peers' users are to be looked up.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function has room for its arguments twice; this waits in every worker"
)]
fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    own: Option<SocketAddr>,
    places: Arc<Semaphore>,
    cancel: CancellationToken,
) -> impl Future<Output = ()> + Send {
    async move {
        let mut cancelled = pin!(cancel.cancelled());
        loop {
            let place = if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                place
            } else {
                tokio::select! {
                    biased;
                    () = cancelled.as_mut() => return,
                    Ok(place) = Box::pin(Arc::clone(&places).acquire_owned()) => place,
                }
            };
            let accepting = poll_fn(|context| match cancelled.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => listener.poll_accept(context).map(Some),
            });
            match accepting.await {
                None => return,
                Some(Ok((stream, peer))) => {
                    let ends = own.zip(Some(peer));
                    tokio::spawn(connection(Arc::clone(&shared), stream, ends, place, cancel.clone()));
                }
                Some(Err(error)) => {
                    tracing::warn!(error.message = %error, "the gateway could not accept a connection");
                    Box::pin(tokio::time::sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }
}

async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    ends: Option<(SocketAddr, SocketAddr)>,
    place: OwnedSemaphorePermit,
    cancel: CancellationToken,
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
    let mut connection = pin!(connection);
    // A worker that breaks off is no event; what we broke off was told where it happened.
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(place);
}
