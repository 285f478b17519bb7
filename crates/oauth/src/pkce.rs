//! Proof Key for Code Exchange, S256 only (RFC 7636; oauth.md B04, B05).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::random::{NoRandomness, Random};

/// An S256 challenge: 43 characters of base64url.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeChallenge(String);

/// Why a challenge was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChallenge {
    /// None was sent.
    #[error("code_challenge is missing; this server requires PKCE with S256")]
    Missing,
    /// `plain`, or no method, which means `plain`.
    #[error("code_challenge_method must be S256")]
    Method,
    /// Not the base64url form of a SHA-256.
    #[error("code_challenge must be the base64url form of a SHA-256, 43 characters without padding")]
    Form,
}

/// A verifier of our own, for the leg towards Forgejo.
pub struct OwnVerifier(String);

// === impl CodeChallenge ===

impl CodeChallenge {
    /// Judges the two parameters of an authorization request.
    ///
    /// # Errors
    /// [`InvalidChallenge`] says which of them is wrong.
    pub fn requested(challenge: Option<&str>, method: Option<&str>) -> Result<Self, InvalidChallenge> {
        let challenge = challenge.ok_or(InvalidChallenge::Missing)?;
        if method != Some("S256") {
            return Err(InvalidChallenge::Method);
        }
        Self::try_from(challenge.to_owned())
    }

    /// Whether `verifier` is the one behind this challenge (RFC 7636 §4.6).
    #[must_use]
    pub fn admits(&self, verifier: &str) -> bool {
        let well_formed = (43..=128).contains(&verifier.len())
            && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        well_formed && bool::from(s256(verifier).as_bytes().ct_eq(self.0.as_bytes()))
    }

    /// The challenge as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CodeChallenge {
    type Error = InvalidChallenge;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match URL_SAFE_NO_PAD.decode(&text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text)),
            _ => Err(InvalidChallenge::Form),
        }
    }
}

impl From<CodeChallenge> for String {
    fn from(challenge: CodeChallenge) -> Self {
        challenge.0
    }
}

// === impl OwnVerifier ===

impl OwnVerifier {
    /// A new verifier of 256 bits.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate(random: &dyn Random) -> Result<Self, NoRandomness> {
        let mut bytes = [0u8; 32];
        random.fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The verifier, for the token request or for sealing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its S256 challenge.
    #[must_use]
    pub fn challenge(&self) -> String {
        s256(&self.0)
    }
}

fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_is_admitted() {
        let challenge =
            CodeChallenge::requested(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), Some("S256")).unwrap();
        assert!(challenge.admits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.admits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
    }

    #[test]
    fn plain_and_a_missing_method_are_refused() {
        let challenge = Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(CodeChallenge::requested(challenge, Some("plain")), Err(InvalidChallenge::Method));
        assert_eq!(CodeChallenge::requested(challenge, None), Err(InvalidChallenge::Method));
        assert_eq!(CodeChallenge::requested(None, Some("S256")), Err(InvalidChallenge::Missing));
    }

    proptest! {
        #[test]
        fn a_verifier_is_admitted_by_its_own_challenge_and_by_no_other(a in "[A-Za-z0-9._~-]{43,128}", b in "[A-Za-z0-9._~-]{43,128}") {
            let challenge = CodeChallenge::try_from(s256(&a)).unwrap();
            prop_assert!(challenge.admits(&a));
            prop_assert_eq!(challenge.admits(&b), a == b);
        }

        #[test]
        fn no_text_makes_the_challenge_parser_panic(text in ".*", method in proptest::option::of(".*")) {
            let _ = CodeChallenge::requested(Some(&text), method.as_deref());
        }
    }
}
