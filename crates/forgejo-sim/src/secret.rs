//! Random values in the forms that Forgejo gives them.

use parking_lot::Mutex;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// What a secret that the stand-in gave out is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// OAuth2 access token.
    AccessToken,
    /// OAuth2 refresh token.
    RefreshToken,
    /// `OpenID` Connect id token.
    IdToken,
    /// Authorization code.
    Code,
    /// Secret of an OAuth2 application.
    ClientSecret,
    /// Personal access token.
    PersonalToken,
    /// Cookie of a login session.
    SessionCookie,
    /// Registration token of an Actions runner.
    RunnerToken,
    /// A user's password.
    Password,
}

/// A secret that the stand-in gave out, kept so that tests can search for it where it must not be.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedSecret {
    /// What it is for.
    pub kind: SecretKind,
    /// The secret itself.
    pub value: String,
}

/// All secrets given out, oldest first.
#[derive(Default)]
pub(crate) struct Issued(Mutex<Vec<IssuedSecret>>);

// === impl IssuedSecret ===

impl std::fmt::Debug for IssuedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedSecret").field("kind", &self.kind).finish_non_exhaustive()
    }
}

// === impl Issued ===

impl Issued {
    pub(crate) fn note(&self, kind: SecretKind, value: &str) {
        let mut list = self.0.lock();
        if !list.iter().any(|known| known.kind == kind && known.value == value) {
            list.push(IssuedSecret { kind, value: value.to_owned() });
        }
    }

    pub(crate) fn list(&self) -> Vec<IssuedSecret> {
        self.0.lock().clone()
    }
}

#[expect(clippy::expect_used, reason = "a system without randomness can't run the stand-in at all")]
fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    SystemRandom::new().fill(&mut out).expect("the system's random source answers");
    out
}

/// `prefix` + 52 characters of `[a-z2-7]`: 32 random bytes in base32, the form of client secrets and codes.
pub(crate) fn base32(prefix: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::from(prefix);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for byte in bytes::<32>() {
        buffer = (buffer << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[((buffer >> bits) & 31) as usize]));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[((buffer << (5 - bits)) & 31) as usize]));
    }
    out
}

/// 40 hexadecimal digits, the form of personal access tokens and runner tokens.
pub(crate) fn hex40() -> String {
    hex::encode(bytes::<20>())
}

/// A random UUID as text.
pub(crate) fn uuid() -> String {
    uuid::Builder::from_random_bytes(bytes::<16>()).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_has_the_form_of_section_7_1() {
        let secret = base32("gto_");
        let tail = secret.strip_prefix("gto_").unwrap();
        assert_eq!(tail.len(), 52);
        assert!(tail.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)));
        assert_ne!(secret, base32("gto_"));
    }
}
