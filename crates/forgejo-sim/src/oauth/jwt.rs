//! Forgejo's tokens: JWTs signed with RS256, header kid, claims `gnt`, `tt`, `cnt`, `exp`, `iat` and nothing else.
//!
//! PKCS#1 v1.5 signatures are deterministic, so two access tokens of one grant made in one second are the same bytes, as measured.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::KeySize;

/// The server's signing key.
pub(crate) struct Signer {
    pair: RsaKeyPair,
    kid: String,
}

/// The claims of access (`tt` 0) and refresh (`tt` 1) tokens, in the order in which Forgejo writes them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) gnt: i64,
    pub(crate) tt: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) cnt: i64,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadToken {
    Malformed,
    Expired,
}

/// The signing key could not be made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("could not make an RSA key for signing tokens")]
pub struct KeyError;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &i64) -> bool {
    *count == 0
}

// === impl Signer ===

impl Signer {
    /// The process's key of this size, made at first use.
    pub(crate) fn shared(size: KeySize) -> Result<Arc<Self>, KeyError> {
        static KEYS: [OnceLock<Result<Arc<Signer>, KeyError>>; 2] = [OnceLock::new(), OnceLock::new()];
        let (slot, bits) = match size {
            KeySize::Rsa2048 => (0, rsa::KeySize::Rsa2048),
            KeySize::Rsa4096 => (1, rsa::KeySize::Rsa4096),
        };
        KEYS[slot].get_or_init(|| Self::generate(bits).map(Arc::new)).clone()
    }

    fn generate(size: rsa::KeySize) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(size).map_err(|_| KeyError)?;
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, pair.public_key().as_ref()));
        Ok(Self { pair, kid })
    }

    /// Signs claims.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> String {
        let header = json!({"alg": "RS256", "kid": self.kid, "typ": "JWT"}).to_string();
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        #[expect(clippy::expect_used, reason = "the buffer has the key's length, the only thing that can be wrong")]
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .expect("the signature fits its buffer");
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }

    /// Reads an access or refresh token; `now` in seconds.
    pub(crate) fn read(&self, token: &str, now: i64) -> Result<Claims, BadToken> {
        let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Malformed)?;
        let (_, payload) = signed.split_once('.').ok_or(BadToken::Malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| BadToken::Malformed);
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| BadToken::Malformed)?;
        let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| BadToken::Malformed)?;
        if claims.exp <= now { Err(BadToken::Expired) } else { Ok(claims) }
    }

    /// The key set of `login/oauth/keys`.
    pub(crate) fn key_set(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "alg": "RS256",
            "e": number(public.exponent().big_endian_without_leading_zero()),
            "kid": self.kid,
            "kty": "RSA",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "use": "sig",
        }]})
    }
}
