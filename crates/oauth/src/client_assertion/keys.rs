//! The public keys of a client (RFC 7517), reduced to those that can verify an assertion.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::Algorithm;

/// Most keys that are kept of one set.
const MAX_KEYS: usize = 32;
/// RSA moduli in bytes: 2048 to 8192 bits.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The usable keys of a client. Keys of other kinds are left out, as RFC 7517 §5 asks; nothing of a private key is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySet(Vec<Key>);

/// One public key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    public: PublicKey,
}

#[derive(Clone, PartialEq, Eq)]
enum PublicKey {
    Rsa { modulus: String, exponent: String },
    P256 { x: String, y: String },
}

/// Why a key set is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// Not `{"keys": [...]}`.
    #[error("not a JSON Web Key Set")]
    Malformed,
    /// A private or symmetric key lies open: whatever it signs proves nothing.
    #[error("the key set publishes a private or symmetric key")]
    Secret,
    /// No key for RS256 or ES256.
    #[error("the key set holds no RSA key (2048 to 8192 bits) or P-256 key for signatures")]
    NoneUsable,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

// === impl KeySet ===

impl KeySet {
    /// Reads a document of keys.
    ///
    /// # Errors
    /// [`InvalidKeys`] when there is nothing in it to verify with.
    pub fn read(body: &[u8]) -> Result<Self, InvalidKeys> {
        let value: Value = serde_json::from_slice(body).map_err(|_| InvalidKeys::Malformed)?;
        Self::of_value(&value)
    }

    /// The same from parsed JSON.
    ///
    /// # Errors
    /// [`InvalidKeys`] when there is nothing in it to verify with.
    pub fn of_value(value: &Value) -> Result<Self, InvalidKeys> {
        let entries = value.get("keys").and_then(Value::as_array).ok_or(InvalidKeys::Malformed)?;
        let is_secret = |entry: &Value| ["d", "p", "q", "k"].iter().any(|name| entry.get(name).is_some());
        if entries.iter().any(is_secret) {
            return Err(InvalidKeys::Secret);
        }
        let keys: Vec<Key> = entries.iter().filter_map(Key::of_value).take(MAX_KEYS).collect();
        if keys.is_empty() { Err(InvalidKeys::NoneUsable) } else { Ok(Self(keys)) }
    }

    /// The keys that may have signed: those of that id where the assertion names one, else all of the algorithm's kind.
    pub(super) fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.0
            .iter()
            .filter(move |key| key.public.algorithm() == algorithm)
            .filter(move |key| id.is_none() || key.id.as_deref() == id)
    }
}

// === impl Key ===

impl Key {
    fn of_value(value: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(value).ok()?;
        let signs = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !signs {
            return None;
        }
        let public = match jwk.kty.as_str() {
            "RSA" => {
                let (modulus, exponent) = (jwk.n?, jwk.e?);
                let length = URL_SAFE_NO_PAD.decode(&modulus).ok()?.iter().skip_while(|byte| **byte == 0).count();
                URL_SAFE_NO_PAD.decode(&exponent).ok()?;
                RSA_MODULUS_BYTES.contains(&length).then_some(PublicKey::Rsa { modulus, exponent })?
            }
            "EC" if jwk.crv.as_deref() == Some("P-256") => {
                let (x, y) = (jwk.x?, jwk.y?);
                let is_coordinate = |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
                (is_coordinate(&x) && is_coordinate(&y)).then_some(PublicKey::P256 { x, y })?
            }
            _ => return None,
        };
        let fits = jwk.alg.as_deref().is_none_or(|alg| alg == public.algorithm().name());
        fits.then_some(Self { id: jwk.kid, public })
    }

    /// The key in the form that verifies.
    pub(super) fn decoding_key(&self) -> Option<DecodingKey> {
        match &self.public {
            PublicKey::Rsa { modulus, exponent } => DecodingKey::from_rsa_components(modulus, exponent).ok(),
            PublicKey::P256 { x, y } => DecodingKey::from_ec_components(x, y).ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).field("algorithm", &self.public.algorithm()).finish()
    }
}

// === impl PublicKey ===

impl PublicKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256 { .. } => Algorithm::Es256,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn p256(kid: &str) -> Value {
        // The public key of RFC 7517 appendix A.1.
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
               "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
    }

    fn count(keys: &[Value]) -> Result<usize, InvalidKeys> {
        KeySet::of_value(&json!({ "keys": keys })).map(|set| set.0.len())
    }

    #[test]
    fn keys_of_other_kinds_and_for_other_uses_are_left_out() {
        let mut encryption = p256("enc");
        encryption["use"] = json!("enc");
        let mut other_algorithm = p256("es384");
        other_algorithm["alg"] = json!("ES384");
        let edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let weak = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB"});
        let padded = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([[0; 128], [0xff; 128]].concat()), "e": "AQAB"});
        assert_eq!(count(&[p256("a"), encryption, other_algorithm, edwards, weak, padded, json!("x")]), Ok(1));
    }

    #[test]
    fn a_set_that_publishes_a_secret_is_refused_as_a_whole() {
        let mut private = p256("b");
        private["d"] = json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
        assert_eq!(count(&[p256("a"), private]), Err(InvalidKeys::Secret));
        assert_eq!(count(&[p256("a"), json!({"kty": "oct", "k": "c2VjcmV0"})]), Err(InvalidKeys::Secret));
    }

    #[test]
    fn a_set_without_a_usable_key_is_refused() {
        assert_eq!(count(&[]), Err(InvalidKeys::NoneUsable));
        assert_eq!(KeySet::read(b"[]"), Err(InvalidKeys::Malformed));
        assert_eq!(KeySet::read(b"{\"keys\":{}}"), Err(InvalidKeys::Malformed));
        assert_eq!(KeySet::read(b"nonsense"), Err(InvalidKeys::Malformed));
    }

    #[test]
    fn an_assertion_that_names_a_key_is_verified_with_no_other() {
        let set = KeySet::of_value(&json!({"keys": [p256("a"), p256("b")]})).unwrap();
        assert_eq!(set.candidates(Algorithm::Es256, Some("a")).count(), 1);
        assert_eq!(set.candidates(Algorithm::Es256, Some("c")).count(), 0);
        assert_eq!(set.candidates(Algorithm::Es256, None).count(), 2);
        assert_eq!(set.candidates(Algorithm::Rs256, None).count(), 0);
    }
}
