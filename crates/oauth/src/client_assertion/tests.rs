use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const CLIENT: &str = "https://app.example/client.json";
const ISSUER: &str = "https://mcp.example.org";
const TOKEN_ENDPOINT: &str = "https://mcp.example.org/oauth/token";
const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn keys(&self, kid: &str) -> KeySet {
        let point = self.0.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        KeySet::of_value(&json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y}]})).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "JWT", "kid": "1"})
}

fn claims() -> Value {
    let now = NOW.seconds();
    json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": now + 300, "iat": now, "jti": "a"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn verify(text: &str, keys: &KeySet) -> Result<Verified, Refusal> {
    let client = ClientId::from(CLIENT);
    let expected = Expected { client: &client, audiences: [ISSUER, TOKEN_ENDPOINT], algorithm: None, now: NOW };
    ClientAssertion::read(text)?.verify(keys, &expected)
}

fn judged(claims: &Value) -> Result<Verified, Refusal> {
    let signer = Signer::new();
    verify(&signer.sign(&header(), claims), &signer.keys("1"))
}

#[test]
fn a_proper_assertion_is_accepted_for_issuer_and_token_endpoint() {
    assert!(judged(&claims()).is_ok());
    assert!(judged(&with("aud", json!(TOKEN_ENDPOINT))).is_ok());
}

#[test]
fn rs256_is_accepted_and_es256_is_not_mistaken_for_it() {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = pair.as_der().unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.as_ref()).unwrap();
    let public = pair.public_key();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let modulus = encode(public.modulus().big_endian_without_leading_zero());
    let exponent = encode(public.exponent().big_endian_without_leading_zero());
    let keys = KeySet::of_value(&json!({"keys": [{"kty": "RSA", "n": modulus, "e": exponent}]})).unwrap();
    let message = message(&json!({"alg": "RS256"}), &claims());
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    let text = format!("{message}.{}", encode(&signature));
    assert!(verify(&text, &keys).is_ok());
    assert_eq!(verify(&text, &Signer::new().keys("1")), Err(Refusal::UnknownKey));
    let client = ClientId::from(CLIENT);
    let named =
        Expected { client: &client, audiences: [ISSUER, TOKEN_ENDPOINT], algorithm: Some(Algorithm::Es256), now: NOW };
    assert_eq!(ClientAssertion::read(&text).unwrap().verify(&keys, &named), Err(Refusal::Algorithm));
}

#[test]
fn alg_none_and_symmetric_algorithms_are_refused_before_any_key_is_looked_at() {
    for algorithm in ["none", "None", "HS256", "ES384", "PS256", "EdDSA", ""] {
        let message = message(&json!({"alg": algorithm, "kid": "1"}), &claims());
        assert_eq!(ClientAssertion::read(&format!("{message}.")).unwrap_err(), Refusal::Algorithm, "{algorithm}");
    }
    assert_eq!(ClientAssertion::read(&message(&header(), &claims())).unwrap_err(), Refusal::Malformed, "unsigned");
    let critical = json!({"alg": "ES256", "crit": ["b64"], "b64": false});
    assert_eq!(ClientAssertion::read(&format!("{}.x", message(&critical, &claims()))).unwrap_err(), Refusal::Critical);
}

#[test]
fn another_key_another_text_or_no_signature_is_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let text = signer.sign(&header(), &claims());
    assert_eq!(verify(&text, &other.keys("1")), Err(Refusal::Signature));
    assert_eq!(verify(&text, &signer.keys("2")), Err(Refusal::UnknownKey), "the key that it names is another");
    let (head, signature) = text.rsplit_once('.').unwrap();
    assert_eq!(verify(&format!("{head}."), &signer.keys("1")), Err(Refusal::Signature));
    let forged = format!("{}.{signature}", message(&header(), &with("jti", json!("b"))));
    assert_eq!(verify(&forged, &signer.keys("1")), Err(Refusal::Signature));
}

#[test]
fn issuer_and_subject_are_the_client() {
    assert_eq!(judged(&with("iss", json!("https://evil.example/c"))), Err(Refusal::OtherClient));
    assert_eq!(judged(&with("sub", json!("https://evil.example/c"))), Err(Refusal::OtherClient));
}

#[test]
fn the_audience_is_one_string_that_means_us() {
    // An assertion for several audiences could be replayed by one of them at the other.
    for audience in [
        json!([ISSUER]),
        json!([ISSUER, TOKEN_ENDPOINT]),
        json!("https://mcp.example.org/"),
        json!("https://mcp.example.org/mcp"),
        json!("https://other.example"),
        json!(null),
        json!(1),
    ] {
        assert_eq!(judged(&with("aud", audience.clone())), Err(Refusal::Audience), "{audience}");
    }
}

#[test]
fn it_is_valid_now_and_for_ten_minutes_at_most() {
    let now = NOW.seconds();
    assert_eq!(judged(&with("exp", json!(now - 31))), Err(Refusal::Expired));
    assert!(judged(&with("exp", json!(now - 29))).is_ok(), "clocks differ");
    assert!(judged(&with("exp", json!(now + 600))).is_ok());
    assert_eq!(judged(&with("exp", json!(now + 631))), Err(Refusal::TooLong));
    assert_eq!(judged(&with("exp", json!(1e300))), Err(Refusal::Claims));
    assert!(matches!(judged(&with("exp", json!(i64::MAX))), Err(Refusal::TooLong)));
    #[expect(clippy::cast_precision_loss, reason = "a date with a fraction is the point")]
    let fraction = now as f64 + 0.5;
    assert!(judged(&with("exp", json!(fraction))).is_ok());
    assert_eq!(judged(&with("nbf", json!(now + 31))), Err(Refusal::NotYet));
    assert_eq!(judged(&with("iat", json!(now + 31))), Err(Refusal::NotYet));
    assert!(judged(&with("nbf", json!(now))).is_ok());
}

#[test]
fn every_claim_is_needed_with_its_type() {
    for name in ["iss", "sub", "exp", "jti"] {
        let mut without = claims();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(judged(&without), Err(Refusal::Claims), "without {name}");
        assert_eq!(judged(&with(name, json!([]))), Err(Refusal::Claims), "{name} as an array");
    }
    assert_eq!(judged(&with("jti", json!(""))), Err(Refusal::Id));
    assert_eq!(judged(&with("jti", json!("x".repeat(MAX_JTI + 1)))), Err(Refusal::Id));
}

#[test]
fn the_same_jti_of_the_same_client_is_the_same_and_is_remembered_until_it_expires() {
    let first = judged(&claims()).unwrap();
    assert_eq!(first.once, judged(&with("aud", json!(TOKEN_ENDPOINT))).unwrap().once);
    assert_ne!(first.once, judged(&with("jti", json!("b"))).unwrap().once);
    assert_eq!(first.until, NOW.plus(Duration::from_mins(5)).plus(LEEWAY));
}

#[test]
fn an_assertion_names_its_client_but_does_not_print_itself() {
    let signer = Signer::new();
    let assertion = ClientAssertion::read(&signer.sign(&header(), &claims())).unwrap();
    assert_eq!(assertion.claimed_client(), Some(CLIENT.into()));
    assert_eq!(format!("{assertion:?}"), "ClientAssertion { algorithm: Es256, .. }");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,200}") {
        if let Ok(assertion) = ClientAssertion::read(&text) {
            let _ = assertion.claimed_client();
        }
    }

    #[test]
    fn no_time_outside_of_the_window_is_accepted(exp in any::<i64>()) {
        let accepted = judged(&with("exp", json!(exp))).is_ok();
        let now = NOW.seconds();
        prop_assert_eq!(accepted, exp > now - 30 && exp <= now + 630);
    }
}
