//! Sealing by row and by token.

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::key_ring::{OpenSealedError, SealError, open_with, seal_with};

/// Tells apart what else might ever be derived from a refresh token.
const TOKEN_SALT: &[u8] = b"fjmcp-broker refresh successor";
const TOKEN_VERSION: u8 = 1;

/// Associated data that ties a sealed value to one column of one row, so that it opens nowhere else.
///
/// Tables and columns are names of ours without NUL, so the parts can't run into each other.
#[must_use]
pub fn row_aad(table: &str, column: &str, row: &str) -> Vec<u8> {
    [table, column, row].join("\0").into_bytes()
}

/// Seals `plaintext` so that only a holder of `token` opens it: neither the database nor the key ring helps a thief.
///
/// The key is HKDF-SHA256 (RFC 5869) with a fixed salt, the token as input keying material and `aad` as info. A token carries 256
/// random bits, so no slow hash is needed. Layout: `version(1) | nonce(12) | ciphertext | tag(16)`.
pub fn seal_under_token(token: &str, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
    let cipher = token_cipher(token, aad).ok_or(SealError)?;
    seal_with(&cipher, &[TOKEN_VERSION], plaintext, aad)
}

/// Opens what [`seal_under_token`] made with the same token and `aad`.
pub fn open_under_token(token: &str, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
    if sealed.first() != Some(&TOKEN_VERSION) {
        return Err(OpenSealedError::Damaged);
    }
    let cipher = token_cipher(token, aad).ok_or(OpenSealedError::Damaged)?;
    open_with(&cipher, 1, sealed, aad)
}

fn token_cipher(token: &str, info: &[u8]) -> Option<RandomizedNonceKey> {
    let mut key = Zeroizing::new([0u8; 32]);
    Salt::new(HKDF_SHA256, TOKEN_SALT)
        .extract(token.as_bytes())
        .expand(&[info], HKDF_SHA256)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_sealed_under_a_token_opens_with_that_token_only() {
        let sealed = seal_under_token("fjb_rt_one", b"the pair", b"grant 1").unwrap();
        let opened = open_under_token("fjb_rt_one", &sealed, b"grant 1").unwrap();
        assert_eq!(opened.as_slice(), b"the pair");
        let other_token = open_under_token("fjb_rt_two", &sealed, b"grant 1");
        assert_eq!(other_token, Err(OpenSealedError::Damaged));
        let other_place = open_under_token("fjb_rt_one", &sealed, b"grant 2");
        assert_eq!(other_place, Err(OpenSealedError::Damaged));
    }

    #[test]
    fn a_value_sealed_under_a_token_does_not_contain_its_text() {
        let sealed = seal_under_token("fjb_rt_one", b"the pair", b"").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"the pair"));
    }

    #[test]
    fn what_was_not_sealed_under_a_token_is_damaged() {
        for sealed in [&b""[..], b"\x01", b"\x01too short", b"\x02another version, long enough to be one"] {
            let opened = open_under_token("fjb_rt_one", sealed, b"");
            assert_eq!(opened, Err(OpenSealedError::Damaged));
        }
    }

    #[test]
    fn associated_data_of_different_rows_never_agrees() {
        assert_ne!(row_aad("users", "access_token", "1"), row_aad("users", "access_token1", ""));
        assert_ne!(row_aad("users", "access_token", "1"), row_aad("users", "refresh_token", "1"));
    }
}
