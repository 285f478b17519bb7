//! A stranger's host: a listener that takes every request, answers 200 and remembers what it was sent.
//!
//! Release assets may point anywhere; a token that arrives here has leaked.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::wire;

/// The headers of every request, behind one lock.
type Seen = Arc<Mutex<Vec<Vec<(String, String)>>>>;

/// A listening sink; it stops when this is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    seen: Seen,
    connections: Arc<AtomicUsize>,
    stop: CancellationToken,
}

// === impl Sink ===

impl Sink {
    /// Listens, for instance on `127.0.0.2:0`: another host, in the eyes of a client.
    pub async fn start(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let sink = Self {
            address: listener.local_addr()?,
            seen: Arc::default(),
            connections: Arc::default(),
            stop: CancellationToken::new(),
        };
        let (seen, stop) = (Arc::clone(&sink.seen), sink.stop.clone());
        let connections = Arc::clone(&sink.connections);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, _)) = accepted else { continue };
                connections.fetch_add(1, Ordering::Relaxed);
                let (seen, stop) = (Arc::clone(&seen), stop.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| note(Arc::clone(&seen), request));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = connection => {}
                    }
                });
            }
        });
        Ok(sink)
    }

    /// `http://ADDRESS:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections came, with a request or without.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many requests came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.seen.lock().len()
    }

    /// The values of all Authorization and Cookie headers that came.
    #[must_use]
    pub fn credentials_seen(&self) -> Vec<String> {
        let seen = self.seen.lock();
        let wanted = |name: &str| matches!(name, "authorization" | "cookie" | "proxy-authorization");
        seen.iter().flatten().filter(|(name, _)| wanted(name)).map(|(_, value)| value.clone()).collect()
    }

    /// The pseudo-header `:target` and all headers of each request.
    #[must_use]
    pub fn seen(&self) -> Vec<Vec<(String, String)>> {
        self.seen.lock().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn note(seen: Seen, request: http::Request<Incoming>) -> Result<wire::Response, hyper::Error> {
    let (parts, body) = request.into_parts();
    let mut entry = vec![(":target".to_owned(), parts.uri.to_string())];
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    entry.extend(parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))));
    seen.lock().push(entry);
    body.collect().await?;
    Ok(wire::answer(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from_static(b"sink\n")))
}
