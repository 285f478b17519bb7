//! JSON-RPC ids as raw JSON: `"1"` is not `1`, and 2^60 stays 2^60 (mcp.md, trap 2; M01).

use std::hash::Hash;
use std::ops::Range;

use bytes::Bytes;

/// Longest id that is accepted, in bytes of JSON.
const MAX_LENGTH: usize = 1024;
/// A message of so many bytes may stay in memory as long as its id is needed.
const SHORT_MESSAGE: usize = 4096;

/// An id as its sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawId(Bytes);

/// An id by its value, whatever escapes it was written with: two equal keys are the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct IdKey(Bytes);

/// Whether this is the JSON of an id.
pub(super) fn check(raw: &[u8]) -> Result<(), &'static str> {
    if raw.len() > MAX_LENGTH {
        return Err("\"id\" is longer than 1024 bytes");
    }
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    let integer = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if raw.starts_with(b"\"") || integer { Ok(()) } else { Err("\"id\" has to be a string or an integer") }
}

// === impl RawId ===

impl RawId {
    /// Takes a string or an integer; the error says what else it was.
    pub(crate) fn read(raw: &str) -> Result<Self, &'static str> {
        check(raw.as_bytes())?;
        Ok(Self(Bytes::copy_from_slice(raw.as_bytes())))
    }

    /// The same as a part of the message it stands in, unless that is so long that an id should not keep it in memory.
    pub(super) fn within(message: &Bytes, range: Range<usize>) -> Result<Self, &'static str> {
        let raw = message.get(range.clone()).unwrap_or_default();
        check(raw)?;
        Ok(Self(if message.len() > SHORT_MESSAGE { Bytes::copy_from_slice(raw) } else { message.slice(range) }))
    }

    /// A copy that keeps no message in memory.
    pub(crate) fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value, if it is an integer that fits.
    pub(crate) fn as_number(&self) -> Option<u64> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }

    pub(crate) fn key(&self) -> IdKey {
        if memchr::memchr(b'\\', &self.0).is_some()
            && let Ok(value) = serde_json::from_slice::<String>(&self.0)
            && let Ok(canonical) = serde_json::to_vec(&value)
        {
            return IdKey(Bytes::from(canonical));
        }
        IdKey(self.0.clone())
    }
}
