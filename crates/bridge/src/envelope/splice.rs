//! Replacing parts of a message without touching the rest.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// `bytes` with each range replaced. Ranges must not overlap; their order does not matter.
pub(crate) fn splice(bytes: &[u8], mut edits: Vec<(Range<usize>, &[u8])>) -> Bytes {
    edits.sort_unstable_by_key(|(range, _)| range.start);
    let added: usize = edits.iter().map(|(_, with)| with.len()).sum();
    let mut out = BytesMut::with_capacity(bytes.len() + added);
    let mut position = 0;
    for (range, with) in edits {
        out.extend_from_slice(&bytes[position..range.start]);
        out.extend_from_slice(with);
        position = range.end;
    }
    out.extend_from_slice(&bytes[position..]);
    out.freeze()
}

/// The same with one range.
pub(super) fn splice_one(bytes: &[u8], range: &Range<usize>, with: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + with.len() - range.len());
    out.extend_from_slice(&bytes[..range.start]);
    out.extend_from_slice(with);
    out.extend_from_slice(&bytes[range.end..]);
    out.into()
}
