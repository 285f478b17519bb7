//! Attachments by their UUIDs. Forgejo serves any of them that the user may read, whatever repository the address names, so only those may
//! be downloaded that an answer about a chosen repository has shown to the same grant.

use std::sync::Arc;

use quick_cache::sync::Cache;

/// Attachments that are remembered, of all grants together; the longest unused are forgotten first and have to be shown anew.
const REMEMBERED: usize = 50_000;

/// The attachments that grants have been shown.
pub(in crate::gateway) struct SeenAttachments(Cache<(Arc<str>, Uuid), i64>);

/// An attachment's name in addresses, folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::gateway) struct Uuid(u128);

// === impl SeenAttachments ===

impl SeenAttachments {
    pub(super) fn note(&self, grant: &Arc<str>, uuid: Uuid, repository: i64) {
        self.0.insert((Arc::clone(grant), uuid), repository);
    }

    /// The repository in whose answer the grant was shown the attachment.
    pub(super) fn repository_of(&self, grant: &Arc<str>, uuid: Uuid) -> Option<i64> {
        self.0.get(&(Arc::clone(grant), uuid))
    }
}

impl Default for SeenAttachments {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

// === impl Uuid ===

impl Uuid {
    /// Reads 32 hexadecimal digits with hyphens between them.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() != 36 || text.bytes().any(|byte| !byte.is_ascii_hexdigit() && byte != b'-') {
            return None;
        }
        let digits = text.replace('-', "");
        (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok().map(Self)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0b1e6e8c-3c53-4a2d-9a3e-0123456789ab";

    #[test]
    fn an_attachment_is_known_to_the_grant_that_saw_it_and_to_no_other() {
        let seen = SeenAttachments::default();
        let (mine, other): (Arc<str>, Arc<str>) = ("g".into(), "h".into());
        let uuid = Uuid::read(TEXT).unwrap();
        seen.note(&mine, uuid, 7);
        assert_eq!(seen.repository_of(&mine, Uuid::read(&TEXT.to_uppercase()).unwrap()), Some(7));
        assert_eq!(seen.repository_of(&other, uuid), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let seen = SeenAttachments::default();
        let grant: Arc<str> = "g".into();
        for number in 0..(2 * REMEMBERED as u128) {
            seen.note(&grant, Uuid(number), 1);
        }
        assert!(seen.0.len() <= REMEMBERED);
    }

    #[test]
    fn what_is_no_uuid_is_none() {
        for text in ["", "0b1e6e8c", &TEXT.replace('-', "+"), &"-".repeat(36), &format!("{TEXT}0")] {
            assert_eq!(Uuid::read(text), None, "{text}");
        }
    }
}
