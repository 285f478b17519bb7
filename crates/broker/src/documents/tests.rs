use std::collections::HashMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use http::StatusCode;
use oauth::client_assertion::Refusal;
use oauth::client_document::CacheHeaders;
use oauth::clock::{ManualClock, Timestamp};
use oauth::id::ClientId;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

const CLIENT: &str = "https://app.example/client.json";
const KEYS: &str = "https://app.example/jwks.json";
const ISSUER: &str = "https://mcp.example.org";

/// The web as the test wants it: documents by address, and how often each was asked for.
#[derive(Clone, Default)]
struct Web(Arc<Mutex<Pages>>);

/// By address: what is there, and how often it was fetched.
type Pages = HashMap<String, (Option<Value>, usize)>;

struct Bench {
    web: Web,
    clock: ManualClock,
    documents: Documents,
}

struct Signer(EcdsaKeyPair);

// === impl Web ===

impl Web {
    fn put(&self, address: &str, document: Option<Value>) {
        self.0.lock().entry(address.to_owned()).or_default().0 = document;
    }

    fn asked(&self, address: &str) -> usize {
        self.0.lock().get(address).map_or(0, |(_, asked)| *asked)
    }
}

impl Fetch for Web {
    fn get<'a>(&'a self, url: &'a FetchUrl, _lane: Lane) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let mut web = self.0.lock();
        let (document, asked) = web.entry(url.as_str().to_owned()).or_default();
        *asked += 1;
        let fetched = document.as_ref().map(|document| Fetched {
            body: document.to_string().into_bytes(),
            content_type: Some("application/json".to_owned()),
            cache: CacheHeaders { cache_control: vec!["max-age=3600".to_owned()], ..CacheHeaders::default() },
        });
        Box::pin(async move { fetched.ok_or(FetchError::Status(StatusCode::BAD_GATEWAY)) })
    }
}

// === impl Signer ===

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwks(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}]})
    }

    fn sign(&self, kid: &str, now: Timestamp) -> ClientAssertion {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let claims =
            json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": now.seconds() + 60, "jti": "1"}).to_string();
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        ClientAssertion::read(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))).unwrap()
    }
}

// === impl Bench ===

impl Bench {
    /// A client that signs; `keys` are the members of its document that say with what.
    fn new(keys: &Value) -> Self {
        let (web, clock) = (Web::default(), ManualClock::at(Timestamp(1_800_000_000_000)));
        web.put(CLIENT, Some(document(keys)));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let documents = Documents::new(Box::new(web.clone()), AllowList::default(), Vec::new(), &shared);
        Self { web, clock, documents }
    }

    async fn verify(&self, signer: &Signer, kid: &str) -> Result<Verified, VerifyError> {
        let url = DocumentUrl::parse(CLIENT).unwrap();
        let document = self.documents.document(&url, Lane::Known).await.unwrap();
        let (client, now) = (ClientId::from(CLIENT), self.clock.now());
        let expected = Expected { client: &client, audiences: [ISSUER, ISSUER], algorithm: None, now };
        self.documents.verify(&url, document, &signer.sign(kid, now), &expected).await
    }
}

fn document(keys: &Value) -> Value {
    let mut document = json!({"client_id": CLIENT, "client_name": "App", "redirect_uris": ["https://app.example/cb"],
                              "token_endpoint_auth_method": "private_key_jwt"});
    document.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    document
}

#[tokio::test]
async fn a_client_that_changes_its_keys_is_known_by_the_new_ones_at_once() {
    for new_kid in ["2", "1"] {
        let (old, new) = (Signer::new(), Signer::new());
        let bench = Bench::new(&json!({ "jwks_uri": KEYS }));
        bench.web.put(KEYS, Some(old.jwks("1")));
        assert!(bench.verify(&old, "1").await.is_ok());
        bench.web.put(KEYS, Some(new.jwks(new_kid)));
        bench.clock.advance(Duration::from_mins(2));
        assert!(bench.verify(&new, new_kid).await.is_ok(), "kid {new_kid}");
        assert_eq!(bench.web.asked(KEYS), 2);
        assert!(matches!(bench.verify(&old, "1").await, Err(VerifyError::Refused(_))), "the old ones have gone");
    }
}

#[tokio::test]
async fn keys_in_the_document_change_with_the_document() {
    let (old, new) = (Signer::new(), Signer::new());
    let bench = Bench::new(&json!({ "jwks": old.jwks("1") }));
    assert!(bench.verify(&old, "1").await.is_ok());
    bench.web.put(CLIENT, Some(document(&json!({ "jwks": new.jwks("1") }))));
    bench.clock.advance(Duration::from_mins(2));
    assert!(bench.verify(&new, "1").await.is_ok());
    assert_eq!(bench.web.asked(CLIENT), 2);
}

#[tokio::test]
async fn a_stranger_who_signs_wrongly_causes_one_fetch_a_minute_at_most() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let bench = Bench::new(&json!({ "jwks_uri": KEYS }));
    bench.web.put(KEYS, Some(signer.jwks("1")));
    bench.verify(&signer, "1").await.unwrap();
    for kid in ["1", "x", "1", "y"] {
        assert!(matches!(bench.verify(&stranger, kid).await, Err(VerifyError::Refused(_))));
    }
    assert_eq!(bench.web.asked(KEYS), 1, "fresh keys are not doubted");
    bench.clock.advance(Duration::from_mins(1));
    for _ in 0..10 {
        assert!(matches!(bench.verify(&stranger, "1").await, Err(VerifyError::Refused(Refusal::Signature))));
    }
    assert_eq!(bench.web.asked(KEYS), 2);
}

#[tokio::test]
async fn while_the_keys_are_away_nobody_is_refused_for_it_and_known_keys_go_on_serving() {
    let (signer, other) = (Signer::new(), Signer::new());
    let bench = Bench::new(&json!({ "jwks_uri": KEYS }));
    assert!(matches!(bench.verify(&signer, "1").await, Err(VerifyError::Keys(_))), "never had");
    bench.clock.advance(Duration::from_secs(10));
    bench.web.put(KEYS, Some(signer.jwks("1")));
    assert!(bench.verify(&signer, "1").await.is_ok());
    bench.web.put(KEYS, None);
    bench.clock.advance(Duration::from_mins(2));
    // It may be the client with new keys: that cannot be told now.
    assert!(matches!(bench.verify(&other, "2").await, Err(VerifyError::Keys(_))));
    assert!(bench.verify(&signer, "1").await.is_ok());
}

#[tokio::test]
async fn a_document_serves_as_long_as_its_headers_say() {
    let bench = Bench::new(&json!({ "jwks_uri": KEYS }));
    let url = DocumentUrl::parse(CLIENT).unwrap();
    for (wait, asked) in [(0, 1), (3599, 1), (1, 2)] {
        bench.clock.advance(Duration::from_secs(wait));
        bench.documents.document(&url, Lane::Stranger).await.unwrap();
        assert_eq!(bench.web.asked(CLIENT), asked);
    }
}
