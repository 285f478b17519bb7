//! The operator's lists, and the ids that their names are bound to.

use forgejo::oauth_client::{Identity, Memberships, Named};
use oauth::clock::Timestamp;
use parking_lot::Mutex;
use store::entry_pins::{EntryPin, PinKind};
use store::{Store, StoreError};

/// Who may enter. Empty: everybody.
#[derive(Debug, Default)]
pub(crate) struct EntryLists(Vec<Listed>);

#[derive(Debug)]
struct Listed {
    kind: PinKind,
    /// In lower case.
    name: String,
    /// The id that the name is bound to, once it has matched.
    pinned: Mutex<Option<i64>>,
}

/// What the lists say of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    Admitted,
    NotListed,
    /// He matches a name, but the name meant another.
    NameReused {
        kind: PinKind,
        name: String,
    },
}

// === impl EntryLists ===

impl EntryLists {
    /// The configured names with what they were bound to before, and the names that are not listed any more, to be freed.
    pub(crate) async fn load(
        store: &Store,
        configured: &[(PinKind, String)],
    ) -> Result<(Self, Vec<EntryPin>), StoreError> {
        let listed = |(kind, name): &(PinKind, String)| Listed {
            kind: *kind,
            name: name.to_ascii_lowercase(),
            pinned: Mutex::default(),
        };
        let lists = Self(configured.iter().map(listed).collect());
        let mut unlisted = Vec::new();
        for pin in store.entry_pins().await? {
            match lists.0.iter().find(|listed| listed.kind == pin.kind && listed.name == pin.name) {
                Some(listed) => *listed.pinned.lock() = Some(pin.forgejo_id),
                None => unlisted.push(pin),
            }
        }
        Ok((lists, unlisted))
    }

    /// Frees names, so that they are bound anew if they are listed again.
    pub(crate) async fn free(store: &Store, names: &[EntryPin]) -> Result<(), StoreError> {
        for pin in names {
            store.unpin_entry(pin.kind, &pin.name).await?;
        }
        Ok(())
    }

    pub(super) fn are_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it matters what somebody belongs to.
    pub(super) fn need_memberships(&self) -> bool {
        self.0.iter().any(|listed| listed.kind != PinKind::User)
    }

    pub(super) async fn judge(
        &self,
        store: &Store,
        identity: &Identity,
        memberships: &Memberships,
        now: Timestamp,
    ) -> Result<Judgement, StoreError> {
        if self.are_empty() {
            return Ok(Judgement::Admitted);
        }
        let himself = [Named { id: identity.id, name: identity.login.clone() }];
        let mut judgement = Judgement::NotListed;
        for listed in &self.0 {
            let candidates = match listed.kind {
                PinKind::User => &himself[..],
                PinKind::Organization => &memberships.organizations,
                PinKind::Team => &memberships.teams,
            };
            for candidate in candidates {
                match listed.matches(store, candidate, now).await? {
                    Some(true) => return Ok(Judgement::Admitted),
                    Some(false) => judgement = Judgement::NameReused { kind: listed.kind, name: listed.name.clone() },
                    None => {}
                }
            }
        }
        Ok(judgement)
    }
}

// === impl Listed ===

impl Listed {
    /// `Some(false)` for one that has the name but is not meant. Only ASCII letters are folded, as in Forgejo's names: the Kelvin sign is
    /// no `k`.
    async fn matches(&self, store: &Store, candidate: &Named, now: Timestamp) -> Result<Option<bool>, StoreError> {
        let has_name = candidate.name.eq_ignore_ascii_case(&self.name);
        let pinned = *self.pinned.lock();
        let pinned = match pinned {
            Some(pinned) => pinned,
            None if !has_name => return Ok(None),
            None => {
                let pin = EntryPin { kind: self.kind, name: self.name.clone(), forgejo_id: candidate.id };
                let bound = store.pin_entry(&pin, now).await?;
                *self.pinned.lock() = Some(bound);
                bound
            }
        };
        Ok(if pinned == candidate.id { Some(true) } else { has_name.then_some(false) })
    }
}
