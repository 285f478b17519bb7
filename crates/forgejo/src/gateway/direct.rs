//! A Forgejo that is reached over plain http without a proxy: connections of our own, each driven by the request that uses it.
//!
//! Goal: a small request takes no turn through another task and through nothing that plain http does not have. Rejected: the shared client
//! (reqwest) for it; its layers for redirects, retries, cookies and TLS took more than all of the gateway's own work. It stays for
//! https, for an egress proxy, for storage, and for uploads that are passed on as they come.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    client::conn::{TrySendError, http1},
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use parking_lot::Mutex;
use tokio::{net::TcpStream, time::Instant};
use tower::ServiceExt as _;
use url::{Position, Url};

/// Connections that nobody uses are kept for so long.
const IDLE: Duration = Duration::from_secs(90);
/// How often they are looked through: one that Forgejo has closed is noticed then, or when it would be used.
const SWEEP: Duration = Duration::from_secs(30);
/// So many are kept.
const MOST_IDLE: usize = 128;
/// Of TCP, so that a connection that leads nowhere any more is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The way to one Forgejo.
pub(super) struct Direct {
    connector: HttpConnector,
    /// Scheme and authority, to connect to.
    origin: Uri,
    /// What Forgejo is told as its host.
    host: HeaderValue,
    idle: Arc<Idle>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum DirectError {
    #[error("no connection")]
    Connect,
    #[error("broken off: {0}")]
    Exchange(#[source] hyper::Error),
    /// A request that changes nothing (RFC 9110 §9.2.2 lets it be sent again), on a connection that had been used before.
    #[error("closed at the moment at which it was used: {0}")]
    Stale(#[source] hyper::Error),
    #[error("the address can't be asked for")]
    Address,
}

/// The body of an answer, and the connection on which it comes.
pub(super) struct Flow {
    body: Incoming,
    link: Option<Box<Link>>,
    idle: Arc<Idle>,
}

/// One connection.
struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    wire: http1::Connection<TokioIo<TcpStream>, Full<Bytes>>,
    over: bool,
}

/// The connections that nobody uses, the one that was used last at the end.
#[derive(Default)]
struct Idle(Mutex<Resting>);

#[derive(Default)]
struct Resting {
    links: Vec<(Box<Link>, Instant)>,
    swept: bool,
}

// === impl Direct ===

impl Direct {
    /// The way to `base`; `None` if that is not plain http.
    pub(super) fn to(base: &Url, connect_timeout: Duration) -> Option<Self> {
        if base.scheme() != "http" {
            return None;
        }
        let authority = &base[Position::BeforeHost..Position::AfterPort];
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEPALIVE));
        connector.set_keepalive_interval(Some(KEEPALIVE));
        Some(Self {
            connector,
            origin: format!("http://{authority}/").parse().ok()?,
            host: authority.parse().ok()?,
            idle: Arc::default(),
        })
    }

    /// Sends a request whose body is there whole, and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Flow>, DirectError> {
        headers.insert(header::HOST, self.host.clone());
        if !headers.contains_key(header::ACCEPT) {
            headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        }
        let is_safe = matches!(method, Method::GET | Method::HEAD);
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().map_err(|_| DirectError::Address)?;
        *request.headers_mut() = headers;
        loop {
            let rested = self.idle.take().await;
            let is_fresh = rested.is_none();
            let mut link = match rested {
                Some(link) => link,
                None => self.connect().await?,
            };
            match link.exchange(request).await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let mut flow = Flow { body, link: Some(link), idle: Arc::clone(&self.idle) };
                    poll_fn(|context| {
                        flow.settle(context);
                        Poll::Ready(())
                    })
                    .await;
                    return Ok(Response::from_parts(head, flow));
                }
                Err(mut failed) => match failed.take_message() {
                    // Forgejo closed it at the moment at which it was to be used: nothing of the request was sent.
                    Some(unsent) if !is_fresh => request = unsent,
                    None if !is_fresh && is_safe => return Err(DirectError::Stale(failed.into_error())),
                    _ => return Err(DirectError::Exchange(failed.into_error())),
                },
            }
        }
    }

    async fn connect(&self) -> Result<Box<Link>, DirectError> {
        let stream = self.connector.clone().oneshot(self.origin.clone()).await.map_err(|_| DirectError::Connect)?;
        let (sender, wire) = http1::handshake(stream).await.map_err(DirectError::Exchange)?;
        Ok(Box::new(Link { sender, wire, over: false }))
    }
}

// === impl Link ===

impl Link {
    /// Moves what can be moved; false once the connection has ended.
    fn drive(&mut self, context: &mut Context<'_>) -> bool {
        if !self.over {
            self.over = Pin::new(&mut self.wire).poll(context).is_ready();
        }
        !self.over
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answered = std::pin::pin!(self.sender.try_send_request(request));
        let (wire, over) = (&mut self.wire, &mut self.over);
        poll_fn(|context| {
            if !*over {
                *over = Pin::new(&mut *wire).poll(context).is_ready();
            }
            answered.as_mut().poll(context)
        })
        .await
    }
}

// === impl Flow ===

impl Flow {
    /// The next piece; `None` at the end, when the connection is free for the next request.
    pub(super) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, hyper::Error>> {
        loop {
            // First, so that what it brings is found below.
            if let Some(link) = &mut self.link {
                link.drive(context);
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(piece) = frame.into_data() {
                        self.settle(context);
                        return Poll::Ready(Ok(Some(piece)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.link = None;
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(None) => {
                    self.rest(context);
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// How many bytes are still to come, if that was said.
    pub(super) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Lets the connection rest if nothing more comes on it.
    fn settle(&mut self, context: &mut Context<'_>) {
        if self.body.is_end_stream() {
            self.rest(context);
        }
    }

    fn rest(&mut self, context: &mut Context<'_>) {
        let Some(mut link) = self.link.take() else { return };
        if link.drive(context) && link.sender.is_ready() {
            self.idle.keep(link);
        }
    }
}

// === impl Idle ===

impl Idle {
    /// The one that was used last, unless it has ended meanwhile.
    async fn take(&self) -> Option<Box<Link>> {
        poll_fn(|context| {
            Poll::Ready(loop {
                let Some((mut link, since)) = self.0.lock().links.pop() else { break None };
                if since.elapsed() < IDLE && link.drive(context) && link.sender.is_ready() {
                    break Some(link);
                }
            })
        })
        .await
    }

    fn keep(self: &Arc<Self>, link: Box<Link>) {
        let mut resting = self.0.lock();
        if resting.links.len() < MOST_IDLE {
            resting.links.push((link, Instant::now()));
        }
        if !resting.swept {
            resting.swept = true;
            tokio::spawn(Self::sweep(Arc::downgrade(self)));
        }
    }

    /// Until none is left.
    async fn sweep(idle: Weak<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let Some(idle) = idle.upgrade() else { return };
            let mut resting = idle.0.lock();
            let mut nobody = Context::from_waker(Waker::noop());
            resting.links.retain_mut(|(link, since)| since.elapsed() < IDLE && link.drive(&mut nobody));
            if resting.links.is_empty() {
                resting.swept = false;
                return;
            }
        }
    }
}
