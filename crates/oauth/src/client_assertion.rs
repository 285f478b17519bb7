//! `private_key_jwt`: a client proves by a signed assertion that it is the client (RFC 7521, RFC 7523 §3; oauth.md §5.2, check 17).
//!
//! The signature is verified by `jsonwebtoken` with aws-lc; the claims are judged here, because a JWT library's defaults are laxer than
//! what holds for authentication: one audience, a short life, one use.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde_json::{Number, Value};

use crate::clock::Timestamp;
use crate::id::ClientId;

mod keys;

pub use keys::{InvalidKeys, KeySet};

/// The one `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `exp` may be at most this far ahead.
pub const MAX_LIFETIME: Duration = Duration::from_mins(10);
/// By how much the clocks of a client and ours may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// Longest assertion that is looked at, in bytes.
const MAX_LENGTH: usize = 8 * 1024;
/// Longest `jti`, in bytes.
const MAX_JTI: usize = 512;
/// Most keys that are tried for an assertion which names none.
const MAX_TRIES: usize = 8;

/// Signature algorithms that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// An assertion that has been read but not yet verified. Not to be printed: until it is used, it is a credential.
#[derive(Clone)]
pub struct ClientAssertion {
    text: String,
    algorithm: Algorithm,
    key_id: Option<String>,
}

/// A verified assertion. It counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// SHA-256 of client and `jti`: what must not come again.
    pub once: [u8; 32],
    /// Until when it must not come again.
    pub until: Timestamp,
}

/// What an assertion has to be about.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The client that it has to be from.
    pub client: &'a ClientId,
    /// The audiences that mean us: issuer and token endpoint.
    pub audiences: [&'a str; 2],
    /// The one algorithm that the client signs with, if it named one.
    pub algorithm: Option<Algorithm>,
    /// The present time.
    pub now: Timestamp,
}

/// Why an assertion proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a JWT in compact form, or too long.
    #[error("client_assertion is not a signed JWT of at most {MAX_LENGTH} bytes")]
    Malformed,
    /// Neither RS256 nor ES256, or not the one that the client named.
    #[error("client_assertion must be signed with RS256 or ES256, and with what the client's document names")]
    Algorithm,
    /// A critical header that we do not know (RFC 7515 §4.1.11).
    #[error("client_assertion has critical headers that are not supported")]
    Critical,
    /// No key of that id or kind. The client may have new keys.
    #[error("client_assertion is signed with a key that the client has not published")]
    UnknownKey,
    /// The signature is wrong. The client may have new keys under an old id.
    #[error("the signature of client_assertion is not valid")]
    Signature,
    /// A claim is missing, or of the wrong type.
    #[error("a claim of client_assertion is missing or of the wrong type; needed are iss, sub, aud, exp and jti")]
    Claims,
    /// `iss` or `sub` is not the client.
    #[error("iss and sub of client_assertion must both be the client_id")]
    OtherClient,
    /// `aud` is not one string that means us.
    #[error("aud of client_assertion must be one string: the issuer or the token endpoint")]
    Audience,
    /// `exp` has passed.
    #[error("client_assertion has expired")]
    Expired,
    /// `exp` is too far ahead.
    #[error("exp of client_assertion may be at most 10 minutes ahead")]
    TooLong,
    /// `nbf` or `iat` is ahead.
    #[error("client_assertion is not valid yet")]
    NotYet,
    /// `jti` is empty or too long.
    #[error("jti of client_assertion must have 1 to {MAX_JTI} bytes")]
    Id,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: Number,
    #[serde(default)]
    nbf: Option<Number>,
    #[serde(default)]
    iat: Option<Number>,
    jti: String,
}

// === impl Algorithm ===

impl Algorithm {
    /// Its name in a JWT.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    fn of_crate(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

impl FromStr for Algorithm {
    type Err = Refusal;

    fn from_str(name: &str) -> Result<Self, Refusal> {
        match name {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            _ => Err(Refusal::Algorithm),
        }
    }
}

// === impl ClientAssertion ===

impl ClientAssertion {
    /// Reads the header. Nothing of the assertion is believed yet.
    ///
    /// # Errors
    /// [`Refusal`] when it could not be verified with any key.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        if text.len() > MAX_LENGTH || text.split('.').count() != 3 {
            return Err(Refusal::Malformed);
        }
        let header = text.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Refusal::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| Refusal::Malformed)?;
        let algorithm = header.alg.parse()?;
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        Ok(Self { text: text.to_owned(), algorithm, key_id: header.kid })
    }

    /// The `sub` that it claims: whom a request means that carries no `client_id` (RFC 7521 §4.2). Worth nothing until it is verified.
    #[must_use]
    pub fn claimed_client(&self) -> Option<ClientId> {
        #[derive(Deserialize)]
        struct Subject {
            sub: String,
        }
        let payload = URL_SAFE_NO_PAD.decode(self.text.split('.').nth(1)?).ok()?;
        serde_json::from_slice::<Subject>(&payload).ok().map(|subject| subject.sub.into())
    }

    /// Verifies signature and claims. Whether it has been used before is for the caller to find out, by [`Verified::once`].
    ///
    /// # Errors
    /// [`Refusal`] says why it proves nothing. There is no way from here to an unauthenticated client.
    pub fn verify(&self, keys: &KeySet, expected: &Expected<'_>) -> Result<Verified, Refusal> {
        if expected.algorithm.is_some_and(|algorithm| algorithm != self.algorithm) {
            return Err(Refusal::Algorithm);
        }
        let mut outcome = Refusal::UnknownKey;
        for key in keys.candidates(self.algorithm, self.key_id.as_deref()).take(MAX_TRIES) {
            let Some(key) = key.decoding_key() else { continue };
            match jsonwebtoken::decode::<Claims>(&self.text, &key, &only_the_signature(self.algorithm)) {
                Ok(decoded) => return decoded.claims.judge(expected),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => outcome = Refusal::Signature,
                Err(error) if matches!(error.kind(), ErrorKind::Json(_) | ErrorKind::Utf8(_)) => {
                    return Err(Refusal::Claims);
                }
                Err(_) => return Err(Refusal::Malformed),
            }
        }
        Err(outcome)
    }
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAssertion").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The claims are judged by [`Claims::judge`], with our clock.
fn only_the_signature(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.of_crate());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

// === impl Claims ===

impl Claims {
    fn judge(&self, expected: &Expected<'_>) -> Result<Verified, Refusal> {
        let client = expected.client.as_str();
        if self.iss != client || self.sub != client {
            return Err(Refusal::OtherClient);
        }
        if !self.aud.as_str().is_some_and(|audience| expected.audiences.contains(&audience)) {
            return Err(Refusal::Audience);
        }
        let (now, expires_at) = (expected.now, time(&self.exp)?);
        if expires_at.plus(LEEWAY) <= now {
            return Err(Refusal::Expired);
        }
        if expires_at > now.plus(MAX_LIFETIME).plus(LEEWAY) {
            return Err(Refusal::TooLong);
        }
        for begins in [&self.nbf, &self.iat].into_iter().flatten() {
            if time(begins)? > now.plus(LEEWAY) {
                return Err(Refusal::NotYet);
            }
        }
        if self.jti.is_empty() || self.jti.len() > MAX_JTI {
            return Err(Refusal::Id);
        }
        let mut once = [0u8; 32];
        once.copy_from_slice(digest(&SHA256, format!("{client}\0{}", self.jti).as_bytes()).as_ref());
        Ok(Verified { once, until: expires_at.plus(LEEWAY) })
    }
}

/// A `NumericDate` (RFC 7519 §2): seconds, perhaps with a fraction.
fn time(seconds: &Number) -> Result<Timestamp, Refusal> {
    if let Some(seconds) = seconds.as_i64() {
        return Ok(Timestamp(seconds.saturating_mul(1000)));
    }
    let seconds = seconds.as_f64().filter(|seconds| seconds.abs() < 1e12).ok_or(Refusal::Claims)?;
    #[expect(clippy::cast_possible_truncation, reason = "within 1e15 by the line above")]
    Ok(Timestamp((seconds * 1000.0) as i64))
}

#[cfg(test)]
mod tests;
