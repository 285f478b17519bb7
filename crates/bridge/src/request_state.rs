//! `requestState` on its way through a client: sealed, bound, and good once (mcp.md §3.11, R05 to R07).
//!
//! What a worker wants to have back is its own business; that it comes back from the same grant, with the same method, name and
//! arguments, and only once, is the broker's. Choice: authenticated encryption with the binding as associated data, and a
//! memory of the states that have come back. Rejected: keeping the states here and giving out handles, which would make every
//! question that nobody answers cost memory.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use crate::envelope::Message;

/// How long a person may take to answer.
const GOOD_FOR: Duration = Duration::from_mins(15);
/// States that have come back and are remembered. Beyond it the oldest are forgotten early.
const MAX_SPENT: usize = 64 * 1024;
const NONCE: usize = 12;
/// Milliseconds since the vault was made, before the worker's own state.
const STAMP: usize = 8;

/// What a state is good for: the SHA-256 over grant, method, and what the request is about.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Binding([u8; 32]);

/// Seals states and opens them.
pub(crate) struct StateVault {
    /// None if the system gave no random numbers: then nothing is sealed.
    key: Option<RandomizedNonceKey>,
    begun: Instant,
    spent: Mutex<HashMap<[u8; NONCE], Instant>>,
}

/// The state is not one of ours, not for this request, too old, or has come back before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotGood;

// === impl Binding ===

impl Binding {
    pub(crate) fn new(grant: &str, message: &Message) -> Self {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(grant.as_bytes());
        part(message.method().as_bytes());
        for name in ["name", "uri", "arguments"] {
            // A client may write the same value in another way the second time.
            let raw = message.param(name).map(|(_, raw)| raw).unwrap_or_default();
            let plain = serde_json::from_slice::<Value>(&raw).ok().map(|value| value.to_string().into_bytes());
            part(plain.as_deref().unwrap_or(&raw));
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}

// === impl StateVault ===

impl StateVault {
    /// With a key of this process.
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        let filled = SystemRandom::new().fill(&mut key).is_ok();
        let key = if filled { RandomizedNonceKey::new(&AES_256_GCM, &key).ok() } else { None };
        Self { key, begun: Instant::now(), spent: Mutex::default() }
    }

    /// A string that a client can carry. `None` if there are no random numbers.
    pub(crate) fn seal(&self, binding: &Binding, state: &[u8]) -> Option<String> {
        let age = u64::try_from(self.begun.elapsed().as_millis()).ok()?;
        let mut sealed = [&age.to_be_bytes()[..], state].concat();
        let nonce = self.key.as_ref()?.seal_in_place_append_tag(Aad::from(binding.0), &mut sealed).ok()?;
        Some(BASE64.encode([&nonce.as_ref()[..], &sealed].concat()))
    }

    /// What was sealed, once.
    pub(crate) fn open(&self, binding: &Binding, sealed: &str) -> Result<Vec<u8>, NotGood> {
        let bytes = BASE64.decode(sealed).map_err(|_| NotGood)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or(NotGood)?;
        let mut sealed = sealed.to_vec();
        let key = self.key.as_ref().ok_or(NotGood)?;
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(binding.0), &mut sealed)
            .map_err(|_| NotGood)?;
        let (stamp, state) = opened.split_first_chunk::<STAMP>().ok_or(NotGood)?;
        let until = self.begun + Duration::from_millis(u64::from_be_bytes(*stamp)) + GOOD_FOR;
        let now = Instant::now();
        if until < now {
            return Err(NotGood);
        }
        let mut spent = self.spent.lock();
        if spent.len() >= MAX_SPENT {
            spent.retain(|_, until| *until >= now);
        }
        if spent.len() >= MAX_SPENT
            && let Some(oldest) = spent.iter().min_by_key(|(_, until)| **until).map(|(nonce, _)| *nonce)
        {
            spent.remove(&oldest);
        }
        if spent.insert(*nonce, until).is_some() {
            return Err(NotGood);
        }
        Ok(state.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::envelope::{Incoming, read_line};

    fn message(params: &Value) -> Message {
        let text = json!({"jsonrpc":"2.0","id":1,"method":"tools/call","params":params}).to_string();
        match read_line(&Bytes::from(text)).expect("a message") {
            Incoming::One(message) => message,
            Incoming::Batch(_) => panic!("a batch"),
        }
    }

    fn binding(grant: &str, params: &Value) -> Binding {
        Binding::new(grant, &message(params))
    }

    #[tokio::test(start_paused = true)]
    async fn r07_a_state_comes_back_once() {
        let vault = StateVault::new();
        let binding = binding("g", &json!({"name":"x"}));
        let sealed = vault.seal(&binding, b"state").expect("sealed");
        assert_eq!(vault.open(&binding, &sealed).as_deref(), Ok(&b"state"[..]));
        assert_eq!(vault.open(&binding, &sealed), Err(NotGood));
    }

    #[tokio::test(start_paused = true)]
    async fn r06_a_state_is_good_for_its_grant_its_method_and_its_arguments_only() {
        let vault = StateVault::new();
        let asked = json!({"name":"x","arguments":{"a":1,"b":2}});
        let sealed = vault.seal(&binding("g", &asked), b"state").expect("sealed");
        for other in [
            binding("h", &asked),
            binding("g", &json!({"name":"y","arguments":{"a":1,"b":2}})),
            binding("g", &json!({"name":"x","arguments":{"a":1,"b":3}})),
            binding("g", &json!({"uri":"x","arguments":{"a":1,"b":2}})),
        ] {
            assert_eq!(vault.open(&other, &sealed), Err(NotGood));
        }
        // Another order of members, and what belongs to the retry itself, make no difference.
        let retry = json!({"arguments":{"b":2,"a":1},"inputResponses":{},"name":"x","_meta":{"progressToken":9}});
        assert!(vault.open(&binding("g", &retry), &sealed).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn r05_what_was_changed_or_made_up_or_is_too_old_is_refused() {
        let vault = StateVault::new();
        let binding = binding("g", &json!({"name":"x"}));
        let sealed = vault.seal(&binding, b"state").expect("sealed");
        for bad in ["", "made up", "AAAA", &format!("{sealed}A"), &sealed[1..], &sealed.to_uppercase()] {
            assert_eq!(vault.open(&binding, bad), Err(NotGood));
        }
        assert_eq!(StateVault::new().open(&binding, &sealed), Err(NotGood));
        tokio::time::advance(GOOD_FOR + Duration::from_millis(1)).await;
        assert_eq!(vault.open(&binding, &sealed), Err(NotGood));
    }
}
