//! What a worker prints, before anybody reads it: the gateway's address becomes Forgejo's, the capability becomes `[redacted]`.
//!
//! Plain byte replacement (gateway.md §2), because a worker puts the address into texts of any shape. Both spellings of a
//! slash in JSON are known.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem::{self, Finder};
use parking_lot::Mutex;

use crate::access::WorkerAccess;

/// From this length on, preparing a fast search costs less than a plain one.
const LONG_LINE: usize = 4 * 1024;
/// Stands where a capability stood.
const REDACTED: &[u8] = b"[redacted]";

/// Makes scrubbers. What is the same for all workers, which is nearly all, is there once.
#[derive(Default)]
pub(crate) struct Scrubbing(Mutex<Option<Arc<Addresses>>>);

/// The replacements for one worker.
pub(crate) struct Scrubber {
    addresses: Arc<Addresses>,
    access: Arc<dyn WorkerAccess>,
    /// The bytes that the capability is made of.
    alphabet: Alphabet,
}

/// The gateway's address, and Forgejo's.
struct Addresses {
    inner: Box<str>,
    public: Box<str>,
    /// Without this in a line, no rule has anything to do there: what follows the last slash of the address is in both its spellings.
    sign: Option<Finder<'static>>,
    rules: Vec<Rule>,
}

struct Rule {
    find: Finder<'static>,
    put: Box<[u8]>,
    /// An address that ends in a port must not match the beginning of a longer port.
    ends_in_digit: bool,
}

#[derive(Default)]
struct Alphabet([u64; 4]);

// === impl Scrubbing ===

impl Scrubbing {
    pub(crate) fn of(&self, access: &Arc<dyn WorkerAccess>) -> Scrubber {
        let known = self.0.lock().clone();
        let addresses = known.filter(|known| known.are(&**access)).unwrap_or_else(|| {
            let new = Arc::new(Addresses::new(access.url(), access.public_url()));
            *self.0.lock() = Some(new.clone());
            new
        });
        let alphabet = Alphabet::of(access.token().as_bytes());
        Scrubber { addresses, access: access.clone(), alphabet }
    }
}

// === impl Scrubber ===

impl Scrubber {
    pub(crate) fn scrub(&self, line: Bytes) -> Bytes {
        let line = self.addresses.scrub(line);
        let token = self.access.token().as_bytes();
        match self.find(&line, token, 0) {
            None => line,
            Some(first) => {
                let found = std::iter::successors(Some(first), |at| self.find(&line, token, at + token.len()));
                replaced(&line, found, token.len(), REDACTED)
            }
        }
    }

    /// Where the token is, not before `from`. Whatever is as long as it covers one of the places that are looked at, and with a short
    /// line that is cheaper than to prepare a search; a prepared one would be kept for every worker.
    fn find(&self, line: &[u8], token: &[u8], from: usize) -> Option<usize> {
        let length = token.len();
        if length == 0 {
            return None;
        }
        if line.len() >= LONG_LINE {
            return memmem::find(line.get(from..)?, token).map(|at| from + at);
        }
        let mut at = from + length - 1;
        while let Some(byte) = line.get(at) {
            if !self.alphabet.has(*byte) {
                at += length;
                continue;
            }
            let begin =
                line[from..at].iter().rposition(|byte| !self.alphabet.has(*byte)).map_or(from, |gap| from + gap + 1);
            let end = line[at..].iter().position(|byte| !self.alphabet.has(*byte)).map_or(line.len(), |gap| at + gap);
            if end - begin >= length
                && let Some(found) = memmem::find(&line[begin..end], token)
            {
                return Some(begin + found);
            }
            at = end + length;
        }
        None
    }
}

/// The line with something else at these places, each of this length.
fn replaced(line: &Bytes, at: impl Iterator<Item = usize>, length: usize, put: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(line.len() + put.len());
    let mut position = 0;
    for at in at {
        out.extend_from_slice(&line[position..at]);
        out.extend_from_slice(put);
        position = at + length;
    }
    out.extend_from_slice(&line[position..]);
    out.freeze()
}

// === impl Addresses ===

impl Addresses {
    fn new(inner: &str, public: &str) -> Self {
        let escaped = |text: &str| text.replace('/', "\\/");
        let mut rules = Vec::with_capacity(2);
        let mut add = |find: &str, put: &str| {
            if !find.is_empty() && find != put {
                let find_bytes = find.as_bytes();
                rules.push(Rule {
                    find: Finder::new(find_bytes).into_owned(),
                    put: put.as_bytes().into(),
                    ends_in_digit: find_bytes.last().is_some_and(u8::is_ascii_digit),
                });
            }
        };
        add(inner, public);
        add(&escaped(inner), &escaped(public));
        let sign = inner.rsplit('/').find(|part| !part.is_empty());
        let sign = sign.map(|sign| Finder::new(sign.as_bytes()).into_owned());
        Self { inner: inner.into(), public: public.into(), sign, rules }
    }

    fn are(&self, access: &dyn WorkerAccess) -> bool {
        *self.inner == *access.url() && *self.public == *access.public_url()
    }

    fn scrub(&self, line: Bytes) -> Bytes {
        if self.sign.as_ref().is_none_or(|sign| sign.find(&line).is_none()) {
            return line;
        }
        self.rules.iter().fold(line, |line, rule| rule.apply(line))
    }
}

// === impl Rule ===

impl Rule {
    fn apply(&self, line: Bytes) -> Bytes {
        let length = self.find.needle().len();
        let is_whole = |at: &usize| !self.ends_in_digit || !line.get(at + length).is_some_and(u8::is_ascii_digit);
        let mut found = self.find.find_iter(&line).filter(is_whole).peekable();
        if found.peek().is_none() {
            return line;
        }
        replaced(&line, found, length, &self.put)
    }
}

// === impl Alphabet ===

impl Alphabet {
    fn of(text: &[u8]) -> Self {
        let mut alphabet = Self::default();
        for byte in text {
            alphabet.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
        alphabet
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reply::Principal;

    /// With a gateway at this address.
    struct Access(&'static str);

    const HERE: Access = Access("http://127.0.0.1:4001");

    impl WorkerAccess for Access {
        fn url(&self) -> &'static str {
            self.0
        }
        fn token(&self) -> &'static str {
            "capability-0123"
        }
        fn public_url(&self) -> &'static str {
            "https://forge.example/git"
        }
        fn only_under(&self, _: Arc<dyn crate::replica::Lease>) {}
        fn revoke(&self) {}
        fn assign(&self, _: &Principal) {}
        fn ready(&self) {}
    }

    fn scrub(line: &'static str) -> String {
        let access: Arc<dyn WorkerAccess> = Arc::new(HERE);
        let out = Scrubbing::default().of(&access).scrub(Bytes::from_static(line.as_bytes()));
        String::from_utf8(out.to_vec()).expect("text")
    }

    #[test]
    fn the_gateways_address_becomes_forgejos_in_both_spellings() {
        assert_eq!(
            scrub(r#"{"a":"http://127.0.0.1:4001/alice","b":"http:\/\/127.0.0.1:4001\/bob"}"#),
            r#"{"a":"https://forge.example/git/alice","b":"https:\/\/forge.example\/git\/bob"}"#
        );
    }

    #[test]
    fn another_port_that_begins_alike_is_left_alone() {
        assert_eq!(scrub(r#""http://127.0.0.1:40012/x""#), r#""http://127.0.0.1:40012/x""#);
    }

    #[test]
    fn trap_32_the_capability_never_leaves() {
        assert_eq!(scrub(r#""[sha: capability-0123] and capability-0123""#), r#""[sha: [redacted]] and [redacted]""#);
    }

    #[test]
    fn two_workers_with_the_same_address_share_what_is_searched_for_and_with_others_do_not() {
        let scrubbing = Scrubbing::default();
        let (here, elsewhere): (Arc<dyn WorkerAccess>, Arc<dyn WorkerAccess>) =
            (Arc::new(HERE), Arc::new(Access("http://127.0.0.1:5005")));
        let (one, two, other) = (scrubbing.of(&here), scrubbing.of(&here), scrubbing.of(&elsewhere));
        assert!(Arc::ptr_eq(&one.addresses, &two.addresses));
        let line = Bytes::from_static(b"http://127.0.0.1:4001 http://127.0.0.1:5005");
        assert_eq!(one.scrub(line.clone()), "https://forge.example/git http://127.0.0.1:5005");
        assert_eq!(other.scrub(line), "http://127.0.0.1:4001 https://forge.example/git");
    }

    proptest! {
        /// Trap 32. Around the length from which another search is used, too.
        #[test]
        fn wherever_the_capability_is_it_is_replaced_and_nothing_else_is(
            parts in proptest::collection::vec("capability-0123|capability-012|pability|3|0123|[ a-z\"]{0,30}", 0..30), padding in 0_usize..2,
        ) {
            let text = format!("{}{}", "-ab ".repeat(padding * LONG_LINE / 4), parts.concat());
            let access: Arc<dyn WorkerAccess> = Arc::new(HERE);
            let scrubbed = Scrubbing::default().of(&access).scrub(Bytes::copy_from_slice(text.as_bytes()));
            prop_assert_eq!(String::from_utf8(scrubbed.to_vec()).expect("text"), text.replace("capability-0123", "[redacted]"));
        }
    }
}
