//! Passing a request on to the replica that has to answer it.
//!
//! One hop, and never a second one: whoever is asked answers or says that it is not the one, and then the store is read again. A request that
//! reached nobody is tried again for as long as a lease lasts, so that a client whose replica has died waits and does not fail; one that was on
//! its way when the connection broke is not, because it may have been carried out.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use bridge::bridge::Bridge;
use bridge::replica::{Elsewhere, Via};
use bridge::reply::{Reply, ReplyBody};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use parking_lot::{Mutex, RwLock};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, redirect};
use rustls::ClientConfig;
use tokio::time::{Instant, sleep};

use super::certificate::host_of;
use super::wire::{self, Kind};
use crate::metrics::Metrics;

/// A replica in the same network answers at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two bytes of an answer: an event stream has a comment every 15 s, and no answer waits longer than the start of a worker.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Idle connections to one replica.
const KEPT_CONNECTIONS: usize = 64;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);
/// How much longer than a lease is tried.
const SLACK: Duration = Duration::from_secs(3);
/// Longest answer that is no stream, in bytes: a worker's longest line, and some.
const MAX_ANSWER: usize = 64 << 20;

/// The way to the other replicas.
pub(crate) struct Passage {
    id: Arc<str>,
    client: RwLock<Client>,
    hosts: Arc<Hosts>,
    /// How long a request is tried.
    patience: Duration,
    metrics: Metrics,
}

/// A request that may have to be passed on.
pub(crate) struct Onward<'r> {
    pub(crate) method: Method,
    /// The grant that the bearer token stands for.
    pub(crate) grant: &'r str,
    pub(crate) request_id: &'r str,
    /// As the client sent them.
    pub(crate) headers: &'r HeaderMap,
    pub(crate) body: Bytes,
}

/// What became of a hop.
enum Passed {
    Answered(Reply),
    NotMine,
    /// Nothing has reached the other one.
    Unreachable(String),
    /// The connection broke before there was an answer.
    Lost(String),
}

/// Where the names in replicas' certificates lead.
#[derive(Default)]
struct Hosts(Mutex<HashMap<String, String>>);

// === impl Passage ===

impl Passage {
    pub(crate) fn new(
        id: Arc<str>,
        identity: ClientConfig,
        lease: Duration,
        metrics: Metrics,
    ) -> reqwest::Result<Self> {
        let hosts = Arc::<Hosts>::default();
        let client = RwLock::new(client(identity, &hosts)?);
        Ok(Self { id, client, hosts, patience: lease + SLACK, metrics })
    }

    /// Takes another identity, for connections from here on.
    pub(crate) fn identify(&self, identity: ClientConfig) -> reqwest::Result<()> {
        *self.client.write() = client(identity, &self.hosts)?;
        Ok(())
    }

    /// The answer to a request: this replica's, by `ask`, or another's.
    pub(crate) async fn answer<A>(&self, bridge: &Bridge, onward: &Onward<'_>, ask: impl Fn(Via) -> A) -> Reply
    where
        A: Future<Output = Reply>,
    {
        let until = Instant::now() + self.patience;
        let mut via = Via::Client;
        let mut attempts: u32 = 0;
        loop {
            let reply = ask(via).await;
            let ReplyBody::Elsewhere(to) = &reply.body else { return reply };
            let began = Instant::now();
            let passed = self.pass(to, onward).await;
            self.metrics.hops.add([passed.outcome()]);
            via = match passed {
                Passed::Answered(reply) => {
                    self.metrics.hop_duration.note([], began.elapsed());
                    return reply;
                }
                Passed::NotMine => Via::Refused,
                Passed::Lost(reason) if onward.method == Method::POST => {
                    tracing::warn!(replica.id = %to.replica, error = reason, "a request was lost on the way to another replica");
                    return bridge.lost_on_the_way(&onward.body);
                }
                Passed::Unreachable(reason) | Passed::Lost(reason) => {
                    if attempts == 0 {
                        tracing::warn!(replica.id = %to.replica, error = reason, "another replica can't be reached; trying until its lease is over");
                    }
                    Via::Again
                }
            };
            attempts += 1;
            if Instant::now() >= until {
                return bridge.out_of_reach(&onward.body);
            }
            // What was remembered was wrong: the store knows.
            if attempts > 1 || via != Via::Refused {
                sleep(PAUSE).await;
            }
        }
    }

    async fn pass(&self, to: &Elsewhere, onward: &Onward<'_>) -> Passed {
        let Some(url) = to.address.as_deref().and_then(|address| self.hosts.url(&to.replica, address)) else {
            return Passed::Unreachable("it has no address for other replicas".to_owned());
        };
        let mut headers = wire::passed_on(onward.headers);
        for (name, text) in [
            (wire::TO, &*to.replica),
            (wire::FROM, &*self.id),
            (wire::GRANT, onward.grant),
            (HeaderName::from_static("x-request-id"), onward.request_id),
        ] {
            let Ok(value) = HeaderValue::try_from(text) else {
                return Passed::Unreachable("its name can't be written in a header".to_owned());
            };
            headers.insert(name, value);
        }
        headers.insert(wire::HELD, wire::held_text(to.held));
        let client = self.client.read().clone();
        let sent = client.request(onward.method.clone(), url).headers(headers).body(onward.body.clone()).send().await;
        match sent {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => Passed::Unreachable(told(&error)),
            Err(error) => Passed::Lost(told(&error)),
        }
    }
}

fn client(identity: ClientConfig, hosts: &Arc<Hosts>) -> reqwest::Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(identity)
        .dns_resolver(Arc::clone(hosts))
        .https_only(true)
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(KEPT_CONNECTIONS)
        .build()
}

async fn read(response: Response) -> Passed {
    let (status, headers) = (response.status(), response.headers());
    let Some(kind) = Kind::read(headers) else {
        return Passed::Lost(format!("it answered {status} and does not say what that is"));
    };
    let retry_after = wire::only(headers, &header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    let content_type = wire::only(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let (is_stream, is_json) = (content_type == "text/event-stream", content_type == "application/json");
    let body = match kind {
        Kind::NotMine => return Passed::NotMine,
        Kind::LogInAgain => ReplyBody::LogInAgain,
        Kind::Answer if is_stream => ReplyBody::Events(events(response)),
        Kind::Answer | Kind::MayNotWrite => match whole(response).await {
            Ok(body) if kind == Kind::MayNotWrite => ReplyBody::MayNotWrite(body),
            Ok(body) if is_json => ReplyBody::Json(body),
            Ok(_) => ReplyBody::Empty,
            Err(reason) => return Passed::Lost(reason),
        },
    };
    Passed::Answered(Reply { status: status.as_u16(), session_id: None, retry_after, body })
}

/// Frame by frame as they come. An owner that dies ends the stream: the client comes back for the rest.
fn events(response: Response) -> Pin<Box<dyn Stream<Item = Bytes> + Send>> {
    let chunks = response.bytes_stream();
    Box::pin(stream::unfold(chunks, |mut chunks| async move {
        let chunk = chunks.next().await?.ok()?;
        Some((chunk, chunks))
    }))
}

async fn whole(mut response: Response) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| told(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err("its answer is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// With its causes, and without the address, which is made up.
fn told(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        source = error.source();
    }
    if text.is_empty() { "no answer".to_owned() } else { text }
}

// === impl Passed ===

impl Passed {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Answered(reply) if reply.status == StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            Self::Answered(_) => "answered",
            Self::NotMine => "not_mine",
            Self::Unreachable(_) => "unreachable",
            Self::Lost(_) => "lost",
        }
    }
}

// === impl Hosts ===

impl Hosts {
    /// The address under the name that the replica's certificate has to bear.
    fn url(&self, replica: &str, address: &str) -> Option<String> {
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = host_of(replica);
        let url = format!("https://{name}:{port}{}", wire::PATH);
        self.0.lock().insert(name, host.to_owned());
        Some(url)
    }
}

impl Resolve for Hosts {
    fn resolve(&self, name: Name) -> Resolving {
        let host = self.0.lock().get(name.as_str()).cloned();
        Box::pin(async move {
            let host = host.ok_or("this is no replica")?;
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
