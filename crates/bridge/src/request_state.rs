//! `requestState` on its way through a client: sealed, bound, and good once (mcp.md §3.11, R05 to R07).
//!
//! What a worker wants to have back is its own business; that it comes back from the same grant, with the same method, name and
//! arguments, and only once, is the broker's. Choice: authenticated encryption under keys that all replicas have, with the binding as
//! associated data and the replica that made it inside, and there a memory of the states that have come back. Rejected: keeping the states
//! here and giving out handles, which would make every question that nobody answers cost memory; and a shared memory of states that have come
//! back, which would cost the store a write for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use crate::envelope::Message;
use crate::replica::Replica;
use crate::session_id::sha256;

/// How long a person may take to answer.
const GOOD_FOR: Duration = Duration::from_mins(15);
/// States that have come back and are remembered. Beyond it the oldest are forgotten early.
const MAX_SPENT: usize = 64 * 1024;
/// Keeps what is sealed here apart from all else under the same keys.
const PURPOSE: &[u8] = b"mcp request state";
/// A request of so many bytes may stay in memory as long as its call is open.
const SHORT: usize = 4096;
/// A number of eight bytes: the life of the replica, the age of the vault.
const NUMBER: usize = 8;

/// What a state is good for: the SHA-256 over grant, method, and what the request is about.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Binding([u8; 32]);

/// Seals states and opens them.
pub(crate) struct StateVault {
    replica: Replica,
    begun: Instant,
    spent: Mutex<HashMap<[u8; 32], Instant>>,
}

/// Where a state was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Here, in this life.
    Here,
    /// By this replica.
    Elsewhere(Arc<str>),
}

/// The state is not one of ours, not for this request, too old, or has come back before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotGood;

/// A [`Binding`] that is worked out when it is needed: most calls ask nothing.
pub(crate) enum LazyBinding {
    Known(Binding),
    Of(Arc<str>, Box<Message>),
}

/// An opened state.
struct Opened {
    replica: Arc<str>,
    run: i64,
    /// Milliseconds since the vault was made that sealed it.
    age: u64,
    state: Vec<u8>,
}

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

    fn with_purpose(&self) -> Vec<u8> {
        [PURPOSE, &self.0].concat()
    }
}

// === impl LazyBinding ===

impl LazyBinding {
    /// Of a client's request. A long one is not kept in memory for it.
    pub(crate) fn new(grant: &Arc<str>, message: &Message) -> Self {
        if message.bytes().len() > SHORT {
            return Self::Known(Binding::new(grant, message));
        }
        Self::Of(grant.clone(), Box::new(message.clone()))
    }

    pub(crate) fn get(&self) -> Binding {
        match self {
            Self::Known(binding) => binding.clone(),
            Self::Of(grant, message) => Binding::new(grant, message),
        }
    }
}

// === impl StateVault ===

impl StateVault {
    pub(crate) fn new(replica: Replica) -> Self {
        Self { replica, begun: Instant::now(), spent: Mutex::default() }
    }

    /// A string that a client can carry. `None` if there are no random numbers.
    pub(crate) fn seal(&self, binding: &Binding, state: &[u8]) -> Option<String> {
        let age = u64::try_from(self.begun.elapsed().as_millis()).ok()?;
        let id = self.replica.id.as_bytes();
        let length = u8::try_from(id.len()).ok()?;
        let plain = [&[length][..], id, &self.replica.run.to_be_bytes(), &age.to_be_bytes(), state].concat();
        Some(BASE64.encode(self.replica.seal.seal(&binding.with_purpose(), &plain)?))
    }

    /// Who has to open it. It is not used up by this.
    pub(crate) fn origin(&self, binding: &Binding, sealed: &str) -> Result<Origin, NotGood> {
        let (opened, _) = self.look(binding, sealed)?;
        match (opened.replica == self.replica.id, opened.run == self.replica.run) {
            (true, true) => Ok(Origin::Here),
            // What an earlier life knew is lost.
            (true, false) => Err(NotGood),
            (false, _) => Ok(Origin::Elsewhere(opened.replica)),
        }
    }

    /// What was sealed here, once.
    pub(crate) fn open(&self, binding: &Binding, sealed: &str) -> Result<Vec<u8>, NotGood> {
        let (opened, mark) = self.look(binding, sealed)?;
        if opened.replica != self.replica.id || opened.run != self.replica.run {
            return Err(NotGood);
        }
        let until = self.begun.checked_add(Duration::from_millis(opened.age) + GOOD_FOR).ok_or(NotGood)?;
        let now = Instant::now();
        if until < now {
            return Err(NotGood);
        }
        let mut spent = self.spent.lock();
        if spent.len() >= MAX_SPENT {
            spent.retain(|_, until| *until >= now);
        }
        if spent.len() >= MAX_SPENT
            && let Some(oldest) = spent.iter().min_by_key(|(_, until)| **until).map(|(mark, _)| *mark)
        {
            spent.remove(&oldest);
        }
        if spent.insert(mark, until).is_some() {
            return Err(NotGood);
        }
        Ok(opened.state)
    }

    /// With the mark by which it is known again.
    fn look(&self, binding: &Binding, sealed: &str) -> Result<(Opened, [u8; 32]), NotGood> {
        let sealed = BASE64.decode(sealed).map_err(|_| NotGood)?;
        let plain = self.replica.seal.open(&binding.with_purpose(), &sealed).ok_or(NotGood)?;
        Ok((Opened::read(&plain).ok_or(NotGood)?, sha256(&sealed)))
    }
}

// === impl Opened ===

impl Opened {
    fn read(plain: &[u8]) -> Option<Self> {
        let (length, rest) = plain.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (run, rest) = rest.split_first_chunk::<NUMBER>()?;
        let (age, state) = rest.split_first_chunk::<NUMBER>()?;
        Some(Self {
            replica: std::str::from_utf8(id).ok()?.into(),
            run: i64::from_be_bytes(*run),
            age: u64::from_be_bytes(*age),
            state: state.to_vec(),
        })
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
        let vault = StateVault::new(Replica::default());
        let binding = binding("g", &json!({"name":"x"}));
        let sealed = vault.seal(&binding, b"state").expect("sealed");
        assert_eq!(vault.open(&binding, &sealed).as_deref(), Ok(&b"state"[..]));
        assert_eq!(vault.open(&binding, &sealed), Err(NotGood));
    }

    #[tokio::test(start_paused = true)]
    async fn r06_a_state_is_good_for_its_grant_its_method_and_its_arguments_only() {
        let vault = StateVault::new(Replica::default());
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
        let vault = StateVault::new(Replica::default());
        let binding = binding("g", &json!({"name":"x"}));
        let sealed = vault.seal(&binding, b"state").expect("sealed");
        for bad in ["", "made up", "AAAA", &format!("{sealed}A"), &sealed[1..], &sealed.to_uppercase()] {
            assert_eq!(vault.open(&binding, bad), Err(NotGood));
        }
        assert_eq!(StateVault::new(Replica::default()).open(&binding, &sealed), Err(NotGood));
        tokio::time::advance(GOOD_FOR + Duration::from_millis(1)).await;
        assert_eq!(vault.open(&binding, &sealed), Err(NotGood));
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_names_the_replica_that_opens_it_and_an_earlier_life_of_that_is_gone() {
        let keys = Replica::default();
        let of = |id: &str, run| StateVault::new(Replica { id: id.into(), run, ..keys.clone() });
        let (one, other, later) = (of("one", 7), of("other", 7), of("one", 8));
        let binding = binding("g", &json!({"name":"x"}));
        let sealed = one.seal(&binding, b"state").expect("sealed");
        assert_eq!(one.origin(&binding, &sealed), Ok(Origin::Here));
        assert_eq!(other.origin(&binding, &sealed), Ok(Origin::Elsewhere("one".into())));
        assert_eq!(later.origin(&binding, &sealed), Err(NotGood));
        assert_eq!((other.open(&binding, &sealed), later.open(&binding, &sealed)), (Err(NotGood), Err(NotGood)));
        // Asking whose it is does not use it up.
        assert_eq!(one.open(&binding, &sealed).as_deref(), Ok(&b"state"[..]));
        assert_eq!(one.origin(&self::binding("h", &json!({"name":"x"})), &sealed), Err(NotGood));
    }
}
