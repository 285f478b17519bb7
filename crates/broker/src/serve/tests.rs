//! The accept loop over real sockets.

use axum::body::Body;
use axum::extract::Extension;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

const LONG: Duration = Duration::from_mins(1);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn start(
    router: Router,
    limits: Limits,
    drain: impl Future<Output = ()> + Send + 'static,
) -> (SocketAddr, Stop, JoinHandle<Result<(), anyhow::Error>>) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let address = server.local_addr().unwrap();
    let stop = Stop::new();
    let task = tokio::spawn(server.run(Replaceable::new(router), stop.clone(), drain));
    (address, stop, task)
}

async fn answer(connection: &mut TcpStream, until: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.contains(until) {
        let read = connection.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the connection ended after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn handlers_see_the_address_of_the_peer() {
    let handler = get(|Extension(PeerAddress(peer)): Extension<PeerAddress>| async move { peer.to_string() });
    let (address, ..) = start(Router::new().route("/", handler), Limits::new(8, LONG), async {}).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(GET).await.unwrap();
    let peer = connection.local_addr().unwrap().to_string();
    assert!(answer(&mut connection, &peer).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_lets_running_requests_finish() {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, finish) = (Arc::clone(&begun), Arc::clone(&finish));
        get(move || async move {
            begun.notify_one();
            finish.notified().await;
            "done"
        })
    };
    let (address, stop, task) = start(Router::new().route("/", handler), Limits::new(8, LONG), async {}).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(GET).await.unwrap();
    begun.notified().await;
    stop.request();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err(), "a new connection was accepted");
    finish.notify_one();
    assert!(answer(&mut busy, "done").await.starts_with("HTTP/1.1 200"));
    task.await.unwrap().unwrap();
}

fn endless() -> Router {
    let handler = get(|| async {
        let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"first")) });
        let silence = stream::pending::<Result<Bytes, Infallible>>();
        Body::from_stream(futures_util::StreamExt::chain(first, silence))
    });
    Router::new().route("/", handler)
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_when_the_grace_period_is_over() {
    let (address, stop, task) = start(endless(), Limits::new(8, Duration::from_millis(10)), async {}).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(GET).await.unwrap();
    answer(&mut connection, "first").await;
    stop.request();
    task.await.unwrap().unwrap();
    let mut rest = Vec::new();
    // Cut, not ended: the last chunk is missing.
    let _ = connection.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn a_second_request_to_stop_does_not_wait_for_the_grace_period() {
    let (address, stop, task) = start(endless(), Limits::new(8, LONG), std::future::pending()).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(GET).await.unwrap();
    answer(&mut connection, "first").await;
    stop.request();
    stop.request();
    let error = task.await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Interrupted));
}

#[tokio::test]
async fn the_drain_runs_only_when_the_stop_begins() {
    let drained = Arc::new(Notify::new());
    let done = Arc::clone(&drained);
    let (address, stop, task) = start(Router::new(), Limits::new(8, LONG), async move {
        done.notify_one();
    })
    .await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(GET).await.unwrap();
    assert!(answer(&mut connection, "\r\n\r\n").await.starts_with("HTTP/1.1 404"));
    assert!(futures_util::FutureExt::now_or_never(drained.notified()).is_none());
    stop.request();
    drained.notified().await;
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let router = Router::new().route("/", get(|| async { "served" }));
    let (address, ..) = start(router, Limits::new(1, LONG), async {}).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(GET).await.unwrap();
    answer(&mut first, "served").await;
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(GET).await.unwrap();
    let mut byte = [0; 1];
    let nothing_yet = futures_util::FutureExt::now_or_never(second.read(&mut byte)).is_none();
    assert!(nothing_yet);
    drop(first);
    answer(&mut second, "served").await;
}

#[tokio::test]
async fn headers_beyond_the_cap_are_refused() {
    let (address, ..) =
        start(Router::new().route("/", get(|| async { "served" })), Limits::new(8, LONG), async {}).await;
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(2 * MAX_HEADER_BYTES));
    // The server may answer and close before it has read all of it.
    let _ = connection.write_all(head.as_bytes()).await;
    let mut text = Vec::new();
    let _ = connection.read_to_end(&mut text).await;
    assert!(text.is_empty() || text.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&text));
}

#[tokio::test]
async fn a_taken_port_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = Server::bind(taken.local_addr().unwrap(), Limits::new(1, LONG)).await.err().unwrap();
    assert!(error.to_string().contains("--listen"), "{error}");
}
