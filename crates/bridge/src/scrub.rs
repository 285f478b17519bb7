//! What a worker prints, before anybody reads it: the gateway's address becomes Forgejo's, the capability becomes `[redacted]`.
//!
//! Plain byte replacement (gateway.md §2), because a worker puts the address into texts of any shape. Both spellings of a
//! slash in JSON are known.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use crate::access::WorkerAccess;

/// The replacements for one worker.
pub(crate) struct Scrubber {
    rules: Vec<Rule>,
    /// Without any of these in it, no rule has anything to do in a line: what follows the last slash of the address is in both its spellings.
    signs: Vec<Finder<'static>>,
}

struct Rule {
    find: Finder<'static>,
    put: Box<[u8]>,
    /// An address that ends in a port must not match the beginning of a longer port.
    ends_in_digit: bool,
}

// === impl Scrubber ===

impl Scrubber {
    pub(crate) fn new(access: &dyn WorkerAccess) -> Self {
        let escaped = |text: &str| text.replace('/', "\\/");
        let mut rules = Vec::with_capacity(3);
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
        add(access.url(), access.public_url());
        add(&escaped(access.url()), &escaped(access.public_url()));
        add(access.token(), "[redacted]");
        let last_part = access.url().rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
        let signs = [last_part, access.token()].into_iter().filter(|sign| !sign.is_empty());
        Self { rules, signs: signs.map(|sign| Finder::new(sign.as_bytes()).into_owned()).collect() }
    }

    pub(crate) fn scrub(&self, line: Bytes) -> Bytes {
        if self.signs.iter().all(|sign| sign.find(&line).is_none()) {
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
        let mut out = BytesMut::with_capacity(line.len() + self.put.len());
        let mut position = 0;
        for at in found {
            out.extend_from_slice(&line[position..at]);
            out.extend_from_slice(&self.put);
            position = at + length;
        }
        out.extend_from_slice(&line[position..]);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Principal;

    struct Access;

    impl WorkerAccess for Access {
        fn url(&self) -> &'static str {
            "http://127.0.0.1:4001"
        }
        fn token(&self) -> &'static str {
            "capability-0123"
        }
        fn public_url(&self) -> &'static str {
            "https://forge.example/git"
        }
        fn only_under(&self, _: std::sync::Arc<dyn crate::replica::Lease>) {}
        fn revoke(&self) {}
        fn assign(&self, _: &Principal) {}
        fn ready(&self) {}
    }

    fn scrub(line: &'static str) -> String {
        let out = Scrubber::new(&Access).scrub(Bytes::from_static(line.as_bytes()));
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
}
