//! Gives every request an id and the address of its client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client_address::{ClientAddress, TrustedProxies};
use crate::serve::PeerAddress;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: in every log line of it, in `X-Request-Id` of its answer, on error pages. A request extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

/// What ids and addresses are made from.
#[derive(Debug, Clone)]
pub struct Identify {
    trusted: TrustedProxies,
    seed: u64,
    next: Arc<AtomicU64>,
}

// === impl RequestId ===

impl RequestId {
    /// The id as text: letters, digits, `-`, `_`, `.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id in a request's extensions; empty if the layer is not there.
    #[must_use]
    pub fn of(extensions: &http::Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self("".into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Identify ===

impl Identify {
    /// `seed` is a random number of this run; it keeps the ids of several runs and replicas apart.
    #[must_use]
    pub fn new(trusted: TrustedProxies, seed: u64) -> Self {
        Self { trusted, seed, next: Arc::new(AtomicU64::new(0)) }
    }

    fn fresh(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:016x}", scatter(self.seed.wrapping_add(number))).into())
    }

    fn of_proxy(&self, peer: Option<PeerAddress>, headers: &HeaderMap) -> Option<RequestId> {
        let peer = peer.filter(|peer| self.trusted.contains(peer.0.ip().to_canonical()));
        let text = peer.and(headers.get(X_REQUEST_ID))?.to_str().ok()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        ((8..=64).contains(&text.len()) && text.bytes().all(plain)).then(|| RequestId(text.into()))
    }
}

/// The finaliser of `SplitMix64`, a bijection: no id comes twice in a run, and ids do not tell how many requests there were.
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Puts [`RequestId`] and [`ClientAddress`] into the request's extensions and the id into the answer.
///
/// `X-Request-Id` of a request counts only if a trusted proxy sent it and it is 8 to 64 plain characters.
pub(super) async fn identify(
    who: &Identify,
    mut request: Request,
    inner: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let peer = request.extensions().get::<PeerAddress>().copied();
    let id = who.of_proxy(peer, request.headers()).unwrap_or_else(|| who.fresh());
    let client = peer.map_or(ClientAddress::UNKNOWN, |peer| who.trusted.client(peer.0.ip(), request.headers()));
    let header = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(client);
    let mut response = inner(request).await;
    if let Ok(header) = header {
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn fresh_ids_never_repeat_and_differ_between_runs() {
        let one = Identify::new(TrustedProxies::default(), 1);
        let ids: HashSet<String> = (0..1000).map(|_| one.fresh().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        let other = Identify::new(TrustedProxies::default(), 0x5eed_0000_0000_0000);
        assert!(!ids.contains(other.fresh().as_str()));
    }
}
