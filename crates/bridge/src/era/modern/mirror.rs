//! Header values that repeat a part of the body (H01 to H04).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::refusal::{HEADER_MISMATCH, Refusal};

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// The value that a header stands for. `None` if it says Base64 and is none, or not of text (H04).
pub(super) fn decode(header: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = header.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
        return Some(Cow::Borrowed(header));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// H08.
pub(super) fn mismatch(message: impl Into<String>) -> Refusal {
    Refusal::new(400, HEADER_MISMATCH, "header_mismatch", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h04_only_what_has_both_markers_in_lower_case_is_base64() {
        for (header, value) in [
            ("plain", Some("plain")),
            ("=?base64?SGVsbG8=?=", Some("Hello")),
            ("=?base64?w7bwn5iA?=", Some("ö😀")),
            ("=?base64??=", Some("")),
            ("=?base64?SGVsbG8=", Some("=?base64?SGVsbG8=")),
            ("=?BASE64?SGVsbG8=?=", Some("=?BASE64?SGVsbG8=?=")),
            ("=?base64?SGVsbG8?=", None),
            ("=?base64?SGVs!!!bG8=?=", None),
            ("=?base64?/w==?=", None),
        ] {
            assert_eq!(decode(header).as_deref(), value, "{header}");
        }
    }
}
