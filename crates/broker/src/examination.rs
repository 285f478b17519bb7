//! What `doctor` asks a broker about a request of its own: which process took it, and from whom it seems to come.
//!
//! The answer tells about the operator's network, and the event stream costs a connection, so only somebody who holds the operator's
//! encryption keys gets either; to everybody else the path does not exist. The proof is the present time sealed under the key ring.
//! Rejected: an instance id in `/healthz`, by which anybody could watch restarts and count replicas, and a control socket, which
//! would tell nothing about the way through the reverse proxy.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use oauth::clock::Clock;
use oauth::random::{NoRandomness, Random};
use serde::{Deserialize, Serialize};
use store::KeyRing;
use store::key_ring::SealError;

use crate::build_info::BUILD;
use crate::middleware::{ClientAddress, TrustedProxies};
use crate::serve::PeerAddress;

/// Where it is asked.
pub(crate) const PATH: &str = "/doctor";
/// Scheme of the `Authorization` header that carries the proof.
const SCHEME: &str = "FjmcpDoctor ";
/// How long a proof is good, in milliseconds, either way: clocks of two hosts may differ.
const PROOF_LIFETIME_MS: u64 = 120_000;
/// How long the event stream stays open and silent after its one event: longer than `doctor` waits for that.
const SILENCE: Duration = Duration::from_secs(20);

/// Answers `doctor`.
pub(crate) struct Examination {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    issuer: String,
    proxies: TrustedProxies,
    instance: String,
}

/// What a broker saw of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// A random name of the process.
    pub(crate) instance: String,
    /// Its version.
    pub(crate) version: String,
    /// Its revision.
    pub(crate) revision: String,
    /// Who opened the connection.
    pub(crate) peer: IpAddr,
    /// Whether that is one of `trusted-proxies`.
    pub(crate) trusted: bool,
    /// Who is taken for the client.
    pub(crate) client: IpAddr,
    /// `X-Forwarded-For` as it came.
    pub(crate) forwarded_for: Option<String>,
    /// `Host` as it came.
    pub(crate) host: Option<String>,
}

// === impl Examination ===

impl Examination {
    /// For the broker of this issuer.
    pub(crate) fn new(
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
        issuer: &str,
        proxies: TrustedProxies,
    ) -> Result<Self, NoRandomness> {
        let mut instance = [0u8; 16];
        random.fill(&mut instance)?;
        Ok(Self { keys, clock, issuer: issuer.to_owned(), proxies, instance: hex::encode(instance) })
    }

    /// The same process under other keys and other proxies.
    pub(crate) fn renewed(&self, keys: Arc<KeyRing>, proxies: TrustedProxies) -> Self {
        let (clock, issuer, instance) = (Arc::clone(&self.clock), self.issuer.clone(), self.instance.clone());
        Self { keys, clock, issuer, proxies, instance }
    }

    /// The one route.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(self: Arc<Self>) -> Router<S> {
        Router::new().route(PATH, get(answer)).with_state(self)
    }

    fn is_proven(&self, headers: &HeaderMap) -> bool {
        let proof = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix(SCHEME));
        let sealed = proof.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let opened = sealed.and_then(|sealed| self.keys.open(&sealed, &binding(&self.issuer)).ok());
        let made = opened.and_then(|opened| Some(i64::from_be_bytes(opened.as_slice().try_into().ok()?)));
        made.is_some_and(|made| made.abs_diff(self.clock.now().0) <= PROOF_LIFETIME_MS)
    }

    fn see(&self, request: &Request) -> Seen {
        let text = |name: &HeaderName| {
            let lines = request.headers().get_all(name).into_iter();
            let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
            (!lines.is_empty()).then(|| lines.join(", "))
        };
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = request.extensions().get::<PeerAddress>().map_or(unknown, |peer| peer.0.ip().to_canonical());
        Seen {
            instance: self.instance.clone(),
            version: BUILD.version.to_owned(),
            revision: BUILD.revision.to_owned(),
            peer,
            trusted: self.proxies.contains(peer),
            client: request.extensions().get::<ClientAddress>().map_or(unknown, |client| client.0),
            forwarded_for: text(&HeaderName::from_static("x-forwarded-for")),
            host: text(&header::HOST),
        }
    }
}

/// The value of `Authorization` that proves the possession of the keys.
pub(crate) fn proof(keys: &KeyRing, clock: &dyn Clock, issuer: &str) -> Result<String, SealError> {
    let sealed = keys.seal(&clock.now().0.to_be_bytes(), &binding(issuer))?;
    Ok(format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(sealed)))
}

/// A proof for one broker says nothing to another that has the same keys.
fn binding(issuer: &str) -> Vec<u8> {
    store::seal::row_aad("doctor", "proof", issuer)
}

async fn answer(State(examination): State<Arc<Examination>>, request: Request) -> Response {
    if !examination.is_proven(request.headers()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let seen = examination.see(&request);
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if accept.starts_with("text/event-stream") { events(&seen) } else { Json(seen).into_response() };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One event, then silence: whoever has the event before the stream's end has no buffer in between.
fn events(seen: &Seen) -> Response {
    let data = serde_json::to_string(seen).unwrap_or_default();
    let event = stream::iter([Ok::<_, Infallible>(Bytes::from(format!("data: {data}\n\n")))]);
    let silence = stream::once(tokio::time::sleep(SILENCE)).map(|()| Ok(Bytes::from_static(b":\n\n")));
    // As on /mcp, so that the same is measured.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(event.chain(silence))).into_response()
}

#[cfg(test)]
mod tests {
    use oauth::clock::{ManualClock, Timestamp};
    use oauth::random::OsRandom;
    use tower::ServiceExt as _;

    use super::*;

    const ISSUER: &str = "https://mcp.example.org";

    fn keys() -> Arc<KeyRing> {
        let key = KeyRing::generate(&OsRandom::default()).unwrap();
        Arc::new(KeyRing::parse(&key).unwrap())
    }

    async fn status(keys: &Arc<KeyRing>, clock: ManualClock, header: Option<&str>) -> StatusCode {
        let examination = Examination::new(
            Arc::clone(keys),
            Arc::new(clock),
            &OsRandom::default(),
            ISSUER,
            TrustedProxies::default(),
        );
        let routes = Arc::new(examination.unwrap()).routes::<()>();
        let request = Request::get(PATH);
        let request = header.into_iter().fold(request, |request, value| request.header(header::AUTHORIZATION, value));
        routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn only_a_fresh_proof_under_the_operators_keys_for_this_issuer_is_answered() {
        let (ours, theirs) = (keys(), keys());
        let now = || ManualClock::at(Timestamp(1_000_000_000));
        let good = proof(&ours, &now(), ISSUER).unwrap();
        assert_eq!(status(&ours, now(), Some(&good)).await, StatusCode::OK);

        let foreign_key = proof(&theirs, &now(), ISSUER).unwrap();
        let other_issuer = proof(&ours, &now(), "https://other.example.org").unwrap();
        let stale = proof(&ours, &ManualClock::at(Timestamp(1_000_000_000 - 121_000)), ISSUER).unwrap();
        let early = proof(&ours, &ManualClock::at(Timestamp(1_000_000_000 + 121_000)), ISSUER).unwrap();
        for refused in [&foreign_key, &other_issuer, &stale, &early, "FjmcpDoctor ", "Bearer x", ""] {
            assert_eq!(status(&ours, now(), Some(refused)).await, StatusCode::NOT_FOUND, "{refused}");
        }
        assert_eq!(status(&ours, now(), None).await, StatusCode::NOT_FOUND);
    }
}
