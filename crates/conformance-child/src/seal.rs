//! `requestState` that a client can carry but not change (R05, R06).

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

/// The key under which this server authenticates its states.
pub(crate) struct Seal(hmac::Key);

// === impl Seal ===

impl Seal {
    /// From a text that several processes share, or random.
    pub(crate) fn new(shared: Option<&str>) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut random = [0u8; 32];
        SystemRandom::new().fill(&mut random)?;
        let bytes = shared.map_or(random.as_slice(), str::as_bytes);
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// Makes `state` a string for the client.
    pub(crate) fn close(&self, state: &Value) -> String {
        let text = state.to_string();
        let tag = hmac::sign(&self.0, text.as_bytes());
        format!("{}.{}", BASE64.encode(text), BASE64.encode(tag))
    }

    /// The state in a string of ours; `None` for any other string.
    pub(crate) fn open(&self, sealed: &str) -> Option<Value> {
        let (text, tag) = sealed.split_once('.')?;
        let (text, tag) = (BASE64.decode(text).ok()?, BASE64.decode(tag).ok()?);
        hmac::verify(&self.0, &text, &tag).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_survives_the_way_to_the_client_and_back() {
        let (seal, state) = (Seal::new(Some("k")).unwrap(), json!({"round": 1}));
        assert_eq!(seal.open(&seal.close(&state)), Some(state.clone()));
        assert_eq!(Seal::new(Some("k")).unwrap().open(&seal.close(&state)), Some(state));
    }

    #[test]
    fn a_state_that_was_changed_or_is_of_another_key_is_none() {
        let seal = Seal::new(Some("k")).unwrap();
        let good = seal.close(&json!({"round": 1}));
        assert_eq!(seal.open(&format!("{good}-TAMPERED")), None);
        assert_eq!(seal.open(&good.replacen(&good[..4], "AAAA", 1)), None);
        assert_eq!(seal.open(""), None);
        assert_eq!(Seal::new(None).unwrap().open(&good), None);
    }
}
