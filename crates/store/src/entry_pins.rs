//! Names on the lists of who may enter, bound to Forgejo ids at their first match (design §5).
//!
//! A name can change hands at Forgejo, an id can't. The first match decides, in one statement, so that of two accounts that come at the
//! same moment one wins.

use oauth::clock::Timestamp;

use crate::database::query;
use crate::error::StoreError;
use crate::store::Store;

/// What a listed name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinKind {
    /// A user, by login name.
    User,
    /// An organisation.
    Organization,
    /// A team, as `organisation/team`.
    Team,
}

/// A name with the id that it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPin {
    /// What it names.
    pub kind: PinKind,
    /// In lower case.
    pub name: String,
    /// Forgejo's numeric id.
    pub forgejo_id: i64,
}

// === impl Store ===

impl Store {
    /// All bound names.
    pub async fn entry_pins(&self) -> Result<Vec<EntryPin>, StoreError> {
        let rows = query("SELECT kind, name, forgejo_id FROM entry_pins").fetch_all(self.read()).await?;
        let read = |row: &crate::database::Row| {
            let name: String = row.try_get("name")?;
            let kind = PinKind::read(row.try_get("kind")?);
            let kind =
                kind.ok_or_else(|| StoreError::Corrupt { table: "entry_pins", column: "kind", row: name.clone() })?;
            Ok(EntryPin { kind, name, forgejo_id: row.try_get("forgejo_id")? })
        };
        rows.iter().map(read).collect()
    }

    /// Binds a name unless it is bound already. Gives the id that it is bound to now.
    pub async fn pin_entry(&self, pin: &EntryPin, now: Timestamp) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        query(
            "INSERT INTO entry_pins (kind, name, forgejo_id, pinned_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, name) DO NOTHING",
        )
        .bind(pin.kind.as_str())
        .bind(&pin.name)
        .bind(pin.forgejo_id)
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        let row = query("SELECT forgejo_id FROM entry_pins WHERE kind = $1 AND name = $2")
            .bind(pin.kind.as_str())
            .bind(&pin.name)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(row.try_get("forgejo_id")?)
    }

    /// Frees a name that is not listed any more, so that it is bound anew when it is listed again.
    pub async fn unpin_entry(&self, kind: PinKind, name: &str) -> Result<(), StoreError> {
        query("DELETE FROM entry_pins WHERE kind = $1 AND name = $2")
            .bind(kind.as_str())
            .bind(name)
            .execute(self.write())
            .await?;
        Ok(())
    }
}

// === impl PinKind ===

impl PinKind {
    /// As stored, and as told to operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
            Self::Team => "team",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::User, Self::Organization, Self::Team].into_iter().find(|kind| kind.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, on_each};

    fn pin(name: &str, forgejo_id: i64) -> EntryPin {
        EntryPin { kind: PinKind::User, name: name.to_owned(), forgejo_id }
    }

    on_each!(the_first_match_of_a_name_decides_whom_it_means);
    async fn the_first_match_of_a_name_decides_whom_it_means(at: Scratch) {
        let store = at.store().await;
        assert_eq!(store.pin_entry(&pin("alice", 1), Timestamp(1)).await.unwrap(), 1);
        assert_eq!(store.pin_entry(&pin("alice", 2), Timestamp(2)).await.unwrap(), 1, "somebody took the name later");
        let team = EntryPin { kind: PinKind::Team, ..pin("alice", 9) };
        assert_eq!(store.pin_entry(&team, Timestamp(3)).await.unwrap(), 9, "another kind of name");
        assert_eq!(store.entry_pins().await.unwrap().len(), 2);
    }

    on_each!(of_many_first_matches_at_once_exactly_one_decides);
    async fn of_many_first_matches_at_once_exactly_one_decides(at: Scratch) {
        let store = at.store().await;
        let mut tries = tokio::task::JoinSet::new();
        for id in 1..=8 {
            let store = store.clone();
            tries.spawn(async move { store.pin_entry(&pin("org", id), Timestamp(1)).await.unwrap() });
        }
        let ids = tries.join_all().await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    on_each!(a_name_that_left_the_lists_is_bound_anew);
    async fn a_name_that_left_the_lists_is_bound_anew(at: Scratch) {
        let store = at.store().await;
        store.pin_entry(&pin("alice", 1), Timestamp(1)).await.unwrap();
        store.unpin_entry(PinKind::User, "alice").await.unwrap();
        assert_eq!(store.pin_entry(&pin("alice", 2), Timestamp(2)).await.unwrap(), 2);
    }
}
