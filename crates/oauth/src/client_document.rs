//! Client ID metadata documents: a client whose `client_id` is the https address of a document about itself
//! (draft-ietf-oauth-client-id-metadata-document; oauth.md §5.2).
//!
//! Here the address and the document are judged; fetching it safely is the broker's work. The numbers in the tests are those of the table
//! of checks in oauth.md §5.2.

use serde_json::{Map, Value};

use crate::client::{ClientMetadata, TokenEndpointAuthMethod};
use crate::client_assertion::{Algorithm, KeySet};
use crate::redirect_uri::AllowList;
use crate::registration;

mod freshness;
mod url;

pub use freshness::{CacheHeaders, MAX_LIFETIME, MIN_LIFETIME};
pub use url::{DocumentUrl, FetchUrl, InvalidUrl};

/// Longest document that is read, in bytes (check 13).
pub const MAX_BYTES: usize = 16 * 1024;

/// A document that has passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientDocument {
    /// What the client says of itself.
    pub metadata: ClientMetadata,
    /// How it proves that it is the client (check 17).
    pub authentication: Authentication,
}

/// How a client with a document proves at the token endpoint that it is the client.
#[derive(Debug, Clone, PartialEq)]
pub enum Authentication {
    /// Not at all: a public client, protected by PKCE alone.
    None,
    /// By a signed assertion (RFC 7523 §2.2).
    PrivateKeyJwt {
        /// Where its keys are.
        keys: KeySource,
        /// The one algorithm it signs with, if it named one.
        algorithm: Option<Algorithm>,
    },
}

/// Where the keys of a client are.
#[derive(Debug, Clone, PartialEq)]
pub enum KeySource {
    /// `jwks`: in the document.
    Inline(KeySet),
    /// `jwks_uri`: at an address of their own, to which the same rules apply (check 12).
    Uri(FetchUrl),
}

/// Why a document is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `Content-Type` is something else (check 4).
    #[error("the document's Content-Type is not application/json")]
    MediaType,
    /// Longer than [`MAX_BYTES`].
    #[error("the document is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// `client_id` is missing or another (check 6).
    #[error("client_id in the document is not, to the letter, the document's address")]
    OtherClient,
    /// `client_name` is missing or empty (check 5).
    #[error("client_name is missing")]
    NoName,
    /// It carries a secret, which everybody can read (check 7).
    #[error("the document contains {0}; a published document cannot hold a secret")]
    Secret(String),
    /// `token_endpoint_auth_method` is neither `none` nor `private_key_jwt`.
    #[error("token_endpoint_auth_method must be none or private_key_jwt, not {0}")]
    Method(String),
    /// `token_endpoint_auth_signing_alg` is neither RS256 nor ES256.
    #[error("token_endpoint_auth_signing_alg must be RS256 or ES256")]
    Algorithm,
    /// `private_key_jwt` without keys, or with two sources of them (RFC 7591 §2).
    #[error("private_key_jwt needs exactly one of jwks and jwks_uri")]
    KeySource,
    /// `jwks` holds no key that can be used.
    #[error("jwks: {0}")]
    Keys(#[from] crate::client_assertion::InvalidKeys),
    /// `jwks_uri` is not an address that we fetch from.
    #[error("jwks_uri: {0}")]
    KeysUri(#[from] InvalidUrl),
    /// What holds for every registration.
    #[error("{0}")]
    Metadata(#[from] registration::Refusal),
}

/// Whether a `Content-Type` says JSON: `application/json` or `application/*+json` (check 4).
///
/// # Errors
/// [`Refusal::MediaType`].
pub fn judge_media_type(content_type: Option<&str>) -> Result<(), Refusal> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    if subtype == "json" || subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty()) {
        Ok(())
    } else {
        Err(Refusal::MediaType)
    }
}

/// Judges the document that was found at `url`.
///
/// # Errors
/// [`Refusal`] says which rule it breaks.
pub fn judge(url: &DocumentUrl, body: &[u8], allowed: &AllowList) -> Result<ClientDocument, Refusal> {
    if body.len() > MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| registration::Refusal::Malformed(error.to_string()))?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("client_id") != Some(url.as_str()) {
        return Err(Refusal::OtherClient);
    }
    if let Some(name) = members.keys().find(|name| name.to_ascii_lowercase().starts_with("client_secret")) {
        return Err(Refusal::Secret(name.chars().take(40).collect()));
    }
    if text("client_name").is_none_or(|name| name.trim().is_empty()) {
        return Err(Refusal::NoName);
    }
    let authentication = authentication(&members)?;
    let mut metadata = registration::judge(body, allowed)?;
    if matches!(authentication, Authentication::PrivateKeyJwt { .. }) {
        metadata.token_endpoint_auth_method = TokenEndpointAuthMethod::PrivateKeyJwt;
    }
    Ok(ClientDocument { metadata, authentication })
}

fn authentication(members: &Map<String, Value>) -> Result<Authentication, Refusal> {
    // JSON's null is what some programs write for "not set".
    let member = |name: &str| members.get(name).filter(|value| !value.is_null());
    match member("token_endpoint_auth_method") {
        None => return Ok(Authentication::None),
        Some(Value::String(method)) if method == "none" => return Ok(Authentication::None),
        Some(Value::String(method)) if method == "private_key_jwt" => {}
        Some(other) => return Err(Refusal::Method(other.to_string().chars().take(40).collect())),
    }
    let algorithm = match member("token_endpoint_auth_signing_alg") {
        None => None,
        Some(name) => Some(name.as_str().and_then(|name| name.parse::<Algorithm>().ok()).ok_or(Refusal::Algorithm)?),
    };
    let keys = match (member("jwks"), member("jwks_uri")) {
        (Some(jwks), None) => KeySource::Inline(KeySet::of_value(jwks)?),
        (None, Some(Value::String(uri))) => KeySource::Uri(FetchUrl::parse(uri)?),
        _ => return Err(Refusal::KeySource),
    };
    Ok(Authentication::PrivateKeyJwt { keys, algorithm })
}

#[cfg(test)]
mod tests;
