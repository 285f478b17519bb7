//! One look at the bytes before they are parsed: how deep, and where lines break.

use bytes::{Bytes, BytesMut};

/// What the look has shown. Of bytes that are not JSON it says nothing reliable, but it never fails.
pub(super) struct Scan {
    /// The deepest nesting of objects and arrays.
    pub(super) depth: usize,
    /// Whether there is a CR or LF outside strings.
    pub(super) breaks: bool,
    /// Whether there is one inside a string, where JSON forbids it.
    pub(super) break_in_string: bool,
}

pub(super) fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan { depth: 0, breaks: false, break_in_string: false };
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match (in_string, byte) {
            (true, b'\\') => {
                found.break_in_string |= matches!(rest.next(), Some(b'\r' | b'\n'));
            }
            (_, b'"') => in_string = !in_string,
            (true, b'\r' | b'\n') => found.break_in_string = true,
            (false, b'\r' | b'\n') => found.breaks = true,
            (false, b'{' | b'[') => {
                depth += 1;
                found.depth = found.depth.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    found
}

/// A copy without CR and LF. Two tokens that only a line break parted are no JSON either way.
pub(super) fn without_breaks(bytes: &[u8]) -> Bytes {
    let mut kept = BytesMut::with_capacity(bytes.len());
    let mut start = 0;
    for end in memchr::memchr2_iter(b'\r', b'\n', bytes) {
        kept.extend_from_slice(&bytes[start..end]);
        // `1<LF>2` must not become `12`.
        kept.extend_from_slice(parting(bytes, end));
        start = end + 1;
    }
    kept.extend_from_slice(&bytes[start..]);
    kept.freeze()
}

/// A blank, where the break stood between two bytes that could be of one token.
fn parting(bytes: &[u8], at: usize) -> &'static [u8] {
    let part_of_token =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if part_of_token(at.checked_sub(1).and_then(|before| bytes.get(before))) && part_of_token(bytes.get(at + 1)) {
        b" "
    } else {
        b""
    }
}
