//! The keys under which secrets lie in the database.
//!
//! AES-256-GCM with random nonces. A sealed value is `version(1) | key id(4) | nonce(12) | ciphertext | tag(16)`; the first five
//! bytes and the caller's associated data are authenticated with it. The key id lets a ring hold old keys beside the one that
//! seals, so that a key can be replaced while the broker runs. Rejected: an envelope of data keys per row, which protects
//! nothing more here, since whoever holds the ring holds all of them.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use oauth::random::{NoRandomness, Random};
use zeroize::{Zeroize, Zeroizing};

const VERSION: u8 = 1;
const ID_LEN: usize = 4;
const HEADER_LEN: usize = 1 + ID_LEN;
const KEY_LEN: usize = 32;
/// Parts what is derived from a key from its use as a key of its own.
const DERIVED_SALT: &[u8] = b"fjmcp-broker key ring";

/// Keys in order: the first seals, all open.
pub struct KeyRing {
    first: Key,
    others: Vec<Key>,
}

/// Names a key in sealed values, logs and error texts. Says nothing about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; ID_LEN]);

/// Why a text is no key ring. Never shows any part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing but blank lines and comments.
    #[error("no encryption key was given: make one with `fjmcp-broker keys generate`")]
    Empty,
    /// Not base64.
    #[error(
        "encryption key number {position} is not base64: expected 32 bytes as made by `fjmcp-broker keys generate`, \
         one key per line, optionally `name:key`"
    )]
    NotBase64 {
        /// Counted from 1.
        position: usize,
    },
    /// Not 256 bits.
    #[error("encryption key number {position} has {length} bytes, not 32: make one with `fjmcp-broker keys generate`")]
    Length {
        /// Counted from 1.
        position: usize,
        /// Bytes after decoding.
        length: usize,
    },
    /// A name that is empty or has characters beyond letters, digits, `-`, `_`, `.`.
    #[error("the name of encryption key number {position} may have only letters, digits, `-`, `_` and `.`")]
    Name {
        /// Counted from 1.
        position: usize,
    },
    /// Two keys with one id could not be told apart.
    #[error("encryption keys {first} and {second} have the same id {id}: remove or rename one of them")]
    Duplicate {
        /// Position of the first, counted from 1.
        first: usize,
        /// Position of the second, counted from 1.
        second: usize,
        /// The id they share.
        id: KeyId,
    },
}

/// A text that names no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key is eight hexadecimal digits, as `fjmcp-broker keys list` shows it")]
pub struct InvalidKeyId;

/// The cipher refused to seal; practically only for values beyond 64 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value could not be sealed")]
pub struct SealError;

/// Why a sealed value stays closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenSealedError {
    /// Sealed under a key that is not in the ring.
    #[error("it is sealed under encryption key {id}, which is not among the configured keys: add that key again")]
    UnknownKey {
        /// Which key it needs.
        id: KeyId,
    },
    /// Cut short, altered, moved from another row, or the key of that name is another one.
    #[error("it is damaged, belongs to another row, or the key of its name is not the one that sealed it")]
    Damaged,
}

struct Key {
    id: KeyId,
    cipher: RandomizedNonceKey,
    /// Other keys come of it.
    root: Prk,
}

// === impl KeyRing ===

impl KeyRing {
    /// Reads keys separated by line ends or commas: 32 bytes in base64 (either alphabet, padded or not), optionally `name:key`.
    /// Blank lines and lines that begin with `#` are skipped. The first key seals.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let entries = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let mut keys = Vec::<Key>::new();
        for (index, entry) in entries.enumerate() {
            let position = index + 1;
            let key = Key::parse(entry, position)?;
            if let Some(first) = keys.iter().position(|other| other.id == key.id) {
                return Err(KeyError::Duplicate { first: first + 1, second: position, id: key.id });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyError::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// A new key, as [`KeyRing::parse`] reads it.
    pub fn generate(random: &dyn Random) -> Result<Zeroizing<String>, NoRandomness> {
        let mut bytes = Zeroizing::new([0u8; KEY_LEN]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }

    /// The ids of all keys, the sealing one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys().map(|key| key.id)
    }

    /// Seals `plaintext` under the first key, bound to `aad`.
    pub fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut header = [VERSION; HEADER_LEN];
        header[1..].copy_from_slice(&self.first.id.0);
        seal_with(&self.first.cipher, &header, plaintext, aad)
    }

    /// Opens what [`KeyRing::seal`] made with the same `aad`.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
        let id = KeyId::of_sealed(sealed).ok_or(OpenSealedError::Damaged)?;
        let key = self.keys().find(|key| key.id == id).ok_or(OpenSealedError::UnknownKey { id })?;
        open_with(&key.cipher, HEADER_LEN, sealed, aad)
    }

    /// A secret for one purpose of each key, in the order of the keys (HKDF-SHA256, RFC 5869): whoever has the ring has the same ones.
    #[must_use]
    pub fn derived(&self, purpose: &[u8]) -> Vec<Zeroizing<[u8; 32]>> {
        let derive = |key: &Key| {
            let mut secret = Zeroizing::new([0u8; KEY_LEN]);
            let derived =
                key.root.expand(&[purpose], HKDF_SHA256).and_then(|output| output.fill(secret.as_mut_slice()));
            derived.ok().map(|()| secret)
        };
        self.keys().filter_map(derive).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids().map(|id| id.to_string())).finish()
    }
}

// === impl KeyId ===

impl KeyId {
    /// The key under which `sealed` was made; `None` if it is no sealed value.
    #[must_use]
    pub fn of_sealed(sealed: &[u8]) -> Option<Self> {
        let (&version, rest) = sealed.split_first()?;
        let id = rest.first_chunk::<ID_LEN>()?;
        (version == VERSION).then_some(Self(*id))
    }

    /// What every value begins with that was sealed under this key.
    pub(crate) fn head(self) -> Vec<u8> {
        let mut head = vec![VERSION];
        head.extend_from_slice(&self.0);
        head
    }

    fn of(named: &[u8]) -> Self {
        let mut id = [0u8; ID_LEN];
        id.copy_from_slice(&digest(&SHA256, named).as_ref()[..ID_LEN]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let mut id = [0u8; ID_LEN];
        hex::decode_to_slice(text, &mut id).map_err(|_| InvalidKeyId)?;
        Ok(Self(id))
    }
}

// === impl Key ===

impl Key {
    fn parse(entry: &str, position: usize) -> Result<Self, KeyError> {
        let (name, text) = match entry.split_once(':') {
            Some((name, text)) => (Some(name.trim()), text.trim()),
            None => (None, entry),
        };
        if name.is_some_and(|name| !is_name(name)) {
            return Err(KeyError::Name { position });
        }
        let bytes = decode(text).ok_or(KeyError::NotBase64 { position })?;
        let length = bytes.len();
        // AES-256-GCM refuses a key for its length only.
        let cipher =
            RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| KeyError::Length { position, length })?;
        let root = Salt::new(HKDF_SHA256, DERIVED_SALT).extract(&bytes);
        Ok(Self { id: KeyId::of(name.map_or(bytes.as_slice(), str::as_bytes)), cipher, root })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// `openssl rand -base64 32` pads and uses the standard alphabet, other tools do not: all are welcome.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok().map(Zeroizing::new)
}

/// `header | nonce | ciphertext | tag`, the header authenticated before `aad`.
pub(crate) fn seal_with(
    cipher: &RandomizedNonceKey,
    header: &[u8],
    plaintext: &[u8],
    aad: &[u8],
) -> Result<Vec<u8>, SealError> {
    let body = header.len() + NONCE_LEN;
    let mut sealed = Vec::with_capacity(body + plaintext.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(header);
    sealed.extend_from_slice(&[0u8; NONCE_LEN]);
    sealed.extend_from_slice(plaintext);
    let Ok((nonce, tag)) = cipher.seal_in_place_separate_tag(Aad::from([header, aad].concat()), &mut sealed[body..])
    else {
        sealed.zeroize();
        return Err(SealError);
    };
    sealed[header.len()..body].copy_from_slice(nonce.as_ref());
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal_with`] made with a header of `header_len` bytes.
pub(crate) fn open_with(
    cipher: &RandomizedNonceKey,
    header_len: usize,
    sealed: &[u8],
    aad: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
    let (header, rest) = sealed.split_at_checked(header_len).ok_or(OpenSealedError::Damaged)?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenSealedError::Damaged)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = cipher
        .open_in_place(Nonce::from(nonce), Aad::from([header, aad].concat()), &mut buffer)
        .map_err(|_| OpenSealedError::Damaged)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests;
