//! Large bodies both ways at flat memory: what was produced and not yet consumed never exceeds what sockets and a few
//! pieces hold.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Method;

use super::fake::{Server, World};

const TOTAL: usize = 100 << 20;
const PIECE: usize = 64 << 10;
/// Socket buffers of both connections grow to several MiB each.
const IN_FLIGHT: usize = 40 << 20;

#[derive(Default)]
struct Counter {
    produced: AtomicUsize,
    consumed: AtomicUsize,
    peak: AtomicUsize,
}

// === impl Counter ===

impl Counter {
    fn produce(self: Arc<Self>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        stream::iter(0..TOTAL / PIECE).map(move |_| {
            let produced = self.produced.fetch_add(PIECE, Ordering::SeqCst) + PIECE;
            let waiting = produced.saturating_sub(self.consumed.load(Ordering::SeqCst));
            self.peak.fetch_max(waiting, Ordering::SeqCst);
            Ok(Bytes::from(vec![b'x'; PIECE]))
        })
    }

    async fn consume<E>(&self, pieces: impl Stream<Item = Result<Bytes, E>>) {
        let mut pieces = std::pin::pin!(pieces);
        while let Some(Ok(piece)) = pieces.next().await {
            self.consumed.fetch_add(piece.len(), Ordering::SeqCst);
        }
    }

    fn check(&self) {
        assert_eq!(self.consumed.load(Ordering::SeqCst), TOTAL);
        let peak = self.peak.load(Ordering::SeqCst);
        assert!(peak <= IN_FLIGHT, "{peak} bytes were held");
    }
}

#[tokio::test]
pub(super) async fn a_hundred_mebibytes_go_up() {
    let counter = Arc::new(Counter::default());
    let at_forgejo = Arc::clone(&counter);
    let router = Router::new().fallback(move |body: Body| {
        let counter = Arc::clone(&at_forgejo);
        async move {
            counter.consume(body.into_data_stream()).await;
            "stored"
        }
    });
    let world = World::configured(Server::with_router(router).await, |_| {}).await;
    let answer = world
        .request(Method::PUT, "/api/v1/repos/a/b/contents/big")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(Arc::clone(&counter).produce()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), "stored");
    counter.check();
}

async fn download(content_type: &'static str, target: &str) {
    let counter = Arc::new(Counter::default());
    let at_forgejo = Arc::clone(&counter);
    let router = Router::new().fallback(move || {
        let counter = Arc::clone(&at_forgejo);
        async move { ([("content-type", content_type)], Body::from_stream(counter.produce())) }
    });
    let world = World::configured(Server::with_router(router).await, |_| {}).await;
    let answer = world.get(target).await;
    assert_eq!(answer.status(), 200);
    counter.consume(answer.bytes_stream()).await;
    counter.check();
}

#[tokio::test]
pub(super) async fn a_hundred_mebibytes_come_down() {
    download("application/octet-stream", "/a/b/archive/main.zip").await;
}

#[tokio::test]
pub(super) async fn a_hundred_mebibytes_of_json_come_down() {
    download("application/json", "/api/v1/repos/a/b/contents/big").await;
}
