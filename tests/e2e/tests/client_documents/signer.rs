//! A client's private key, and assertions signed with it, right or wrong as the test wants.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// `client_assertion_type`.
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key pair.
pub(super) enum Signer {
    /// As ChatGPT signs.
    Rsa(RsaKeyPair),
    /// ES256.
    P256(EcdsaKeyPair),
}

// === impl Signer ===

impl Signer {
    pub(super) fn rsa() -> Result<Self> {
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).ok().context("no RSA key")?;
        let der = pair.as_der().ok().context("no RSA key")?;
        Ok(Self::Rsa(RsaKeyPair::from_pkcs8(der.as_ref()).ok().context("no RSA key")?))
    }

    pub(super) fn p256() -> Result<Self> {
        Ok(Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().context("no P-256 key")?))
    }

    /// The public half as a key set.
    pub(super) fn jwks(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": text(n), "e": text(e)}]})
            }
            Self::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "x": text(&point[1..33]), "y": text(&point[33..])}]})
            }
        }
    }

    /// A proper assertion of `client` for `audience`.
    pub(super) fn assertion(&self, client: &str, audience: &str) -> Result<String> {
        self.sign(&claims(client, audience)?)
    }

    pub(super) fn sign(&self, claims: &Value) -> Result<String> {
        let algorithm = match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
        };
        let message = unsigned(algorithm, claims);
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature);
                signed.ok().context("cannot sign")?;
                signature
            }
            Self::P256(pair) => pair.sign(&random, message.as_bytes()).ok().context("cannot sign")?.as_ref().to_vec(),
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Header and claims, without a signature.
pub(super) fn unsigned(algorithm: &str, claims: &Value) -> String {
    let header = json!({"alg": algorithm, "typ": "JWT", "kid": "1"});
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// Proper claims.
pub(super) fn claims(client: &str, audience: &str) -> Result<Value> {
    let now = now();
    let mut id = [0u8; 16];
    aws_lc_rs::rand::fill(&mut id).ok().context("no random bytes")?;
    Ok(json!({"iss": client, "sub": client, "aud": audience, "iat": now, "exp": now + 300, "jti": hex::encode(id)}))
}

#[expect(clippy::disallowed_methods, reason = "a client's own clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
