//! Rewrites one member of JSON answers as they stream by: `browser_download_url` of the same Forgejo is turned inwards.
//!
//! forgejo-mcp sends its token to whatever address that member has, and can't reach Forgejo but through us. All other
//! bytes stay as they are; only the member's value is ever held back. Rejected: parsing the whole answer, which would
//! cost memory by its size and re-type numbers.

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

const MEMBER: &[u8] = b"browser_download_url";

/// A value longer than this is no address and stays as it is, in bytes.
const LONGEST_VALUE: usize = 8 * 1024;

/// The reader's state; `R` turns an address inwards or leaves it.
pub(super) struct Rewriter<R> {
    rewrite: R,
    state: State,
    /// The text of the string that is being read, as far as it could be the member's name.
    name: Vec<u8>,
    /// The value that is held back, opening quote included.
    value: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between strings.
    Between,
    /// In a string that may be the member's name.
    Name { escaped: bool },
    /// Behind a string that is the member's name, if a colon follows.
    Colon,
    /// Behind the colon.
    ValueStart,
    /// In the value.
    Value { escaped: bool },
}

// === impl Rewriter ===

impl<R: Fn(&str) -> Option<String>> Rewriter<R> {
    pub(super) fn new(rewrite: R) -> Self {
        Self { rewrite, state: State::Between, name: Vec::new(), value: Vec::new() }
    }

    /// Takes the next piece and gives what may be passed on.
    pub(super) fn push(&mut self, piece: &[u8]) -> Bytes {
        let mut passed = BytesMut::with_capacity(piece.len());
        let mut rest = piece;
        while let Some(first) = rest.first().copied() {
            let taken = match self.state {
                State::Between => self.between(rest),
                State::Name { escaped } => self.name(rest, escaped),
                State::Colon | State::ValueStart => self.around_colon(first),
                State::Value { escaped } => {
                    self.value(first, escaped, &mut passed);
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
            };
            let (now, later) = rest.split_at(taken);
            if matches!(self.state, State::Value { .. }) {
                // The opening quote of the value is held with it.
                self.value.extend_from_slice(now);
            } else {
                passed.extend_from_slice(now);
            }
            rest = later;
        }
        passed.freeze()
    }

    /// The answer has ended: gives what was held back.
    pub(super) fn finish(self) -> Bytes {
        Bytes::from(self.value)
    }

    fn between(&mut self, rest: &[u8]) -> usize {
        memchr(b'"', rest).map_or(rest.len(), |at| {
            self.name.clear();
            self.state = State::Name { escaped: false };
            at + 1
        })
    }

    fn name(&mut self, rest: &[u8], escaped: bool) -> usize {
        if escaped {
            self.state = State::Name { escaped: false };
            return 1;
        }
        let Some(at) = memchr2(b'"', b'\\', rest) else {
            self.keep_name(rest);
            return rest.len();
        };
        self.keep_name(rest.get(..at).unwrap_or_default());
        if rest.get(at) == Some(&b'\\') {
            self.keep_name(b"\\");
            self.state = State::Name { escaped: true };
        } else {
            self.state = if self.name == MEMBER { State::Colon } else { State::Between };
        }
        at + 1
    }

    /// One byte more than the member's name is enough to know that it is another.
    fn keep_name(&mut self, text: &[u8]) {
        let room = (MEMBER.len() + 1).saturating_sub(self.name.len());
        self.name.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
    }

    fn around_colon(&mut self, byte: u8) -> usize {
        match (self.state, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n') => 1,
            (State::Colon, b':') => {
                self.state = State::ValueStart;
                1
            }
            (State::ValueStart, b'"') => {
                self.state = State::Value { escaped: false };
                1
            }
            _ => {
                self.state = State::Between;
                0
            }
        }
    }

    fn value(&mut self, byte: u8, escaped: bool, passed: &mut BytesMut) {
        self.value.push(byte);
        if byte == b'"' && !escaped {
            let rewritten = serde_json::from_slice::<String>(&self.value)
                .ok()
                .and_then(|address| (self.rewrite)(&address))
                .and_then(|address| serde_json::to_vec(&address).ok());
            passed.extend_from_slice(rewritten.as_ref().unwrap_or(&self.value));
            self.value.clear();
            self.state = State::Between;
        } else if self.value.len() > LONGEST_VALUE {
            passed.extend_from_slice(&self.value);
            self.value.clear();
            // Read on as a string that is no member's name.
            self.name.clear();
            self.keep_name(&[b'\\'; MEMBER.len() + 1]);
            self.state = State::Name { escaped: byte == b'\\' && !escaped };
        } else {
            self.state = State::Value { escaped: byte == b'\\' && !escaped };
        }
    }
}

#[cfg(test)]
mod tests;
