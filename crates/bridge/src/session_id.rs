//! Session ids: 256 random bits, visible ASCII (T51). Only their hash is a key anywhere.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SecureRandom;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The SHA-256 of a session id.
pub(crate) type SessionKey = [u8; 32];

/// A new id.
pub(crate) fn generate(random: &dyn SecureRandom) -> Option<String> {
    let mut bytes = [0_u8; 32];
    random.fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The key of an id.
pub(crate) fn key(id: &str) -> SessionKey {
    sha256(id.as_bytes())
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0_u8; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t51_ids_are_visible_ascii_of_at_least_192_bits() {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let (one, two) = (generate(&random).expect("random"), generate(&random).expect("random"));
        assert!(one.len() >= 32 && one.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
        assert_ne!(one, two);
    }
}
