//! Which keys hold what, and moving it all under the first one.
//!
//! A key is replaced while the broker runs: the new key goes to the front of the ring, the broker is restarted with it, and what
//! lies under older keys is sealed anew, batch by batch. Each value is swapped only if it is still the one that was read, so
//! a refresh that the broker stores meanwhile is never undone; and since a value under the first key is done, a run that was broken off
//! goes on where it ended. Rejected: a job in the server, which an operator could neither watch nor wait for.

use std::collections::BTreeMap;

use oauth::clock::Timestamp;
use sqlx::AssertSqlSafe;

use crate::database::{Row, query};
use crate::error::StoreError;
use crate::key_ring::{KeyId, OpenSealedError};
use crate::seal::row_aad;
use crate::store::Store;

/// A column whose values are sealed.
struct Place {
    table: &'static str,
    /// The primary key.
    key: &'static str,
    /// Whether the key is a hash, which stands in the associated data in hex.
    hashed: bool,
    column: &'static str,
}

/// All sealed columns.
const PLACES: &[Place] = &[
    Place { table: "users", key: "id", hashed: false, column: "access_token" },
    Place { table: "users", key: "id", hashed: false, column: "refresh_token" },
    Place { table: "sessions", key: "id_hash", hashed: true, column: "initialize" },
    Place { table: "authorizations", key: "state_hash", hashed: true, column: "sealed_request" },
    Place { table: "selections", key: "id", hashed: false, column: "sealed_request" },
];

/// What lies under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key; `None` for values that are not sealed at all.
    pub key: Option<KeyId>,
    /// Its place in the ring, the sealing one 0; `None` if the ring lacks it.
    pub position: Option<usize>,
    /// Sealed values by `table.column`.
    pub values: BTreeMap<String, u64>,
}

/// One step of sealing everything anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values that lie under the first key now.
    pub moved: u64,
    /// Values that stay where they are, since no key of the ring opens them.
    pub unreadable: u64,
    /// Values that somebody else wrote meanwhile; the next pass looks at them again.
    pub overtaken: u64,
}

/// Where a pass over all sealed values is. A new one begins at the beginning.
#[derive(Debug, Clone, Default)]
pub struct ResealCursor {
    column: usize,
    after: Option<RowKey>,
}

/// What was given up with a lost key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Users who have to log in again.
    pub users: u64,
    /// Sessions that their clients have to begin anew.
    pub sessions: u64,
    /// Logins that were under way.
    pub logins: u64,
}

#[derive(Debug, Clone)]
enum RowKey {
    Text(String),
    Hash(Vec<u8>),
}

/// Why a user whose tokens lie under a lost key has to log in again.
pub(crate) const LOST_KEY: &str = "the encryption key under which the login was stored is gone";

// === impl Store ===

impl Store {
    /// Every key of the ring and every further one that something is sealed under, the ring's first.
    pub async fn key_uses(&self) -> Result<Vec<KeyUse>, StoreError> {
        let mut uses: Vec<KeyUse> = self
            .keys()
            .ids()
            .enumerate()
            .map(|(position, id)| KeyUse { key: Some(id), position: Some(position), values: BTreeMap::new() })
            .collect();
        for Place { table, column, .. } in PLACES {
            let counts = format!(
                "SELECT substr({column}, 1, 5) AS head, count(*) AS number FROM {table} WHERE length({column}) > 0 \
                 GROUP BY substr({column}, 1, 5)"
            );
            for row in query(AssertSqlSafe(counts)).fetch_all(self.read()).await? {
                let (head, number): (&[u8], i64) = (row.try_get("head")?, row.try_get("number")?);
                let key = KeyId::of_sealed(head);
                let known = uses.iter().position(|known| known.key == key);
                let index = known.unwrap_or_else(|| {
                    uses.push(KeyUse { key, position: None, values: BTreeMap::new() });
                    uses.len() - 1
                });
                if let Some(known) = uses.get_mut(index) {
                    known.values.insert(format!("{table}.{column}"), number.unsigned_abs());
                }
            }
        }
        Ok(uses)
    }

    /// Seals up to `limit` values anew that do not lie under the ring's first key. `None` when the cursor has passed the last one.
    ///
    /// Values that are no sealed values at all, or whose key is missing, stay as they are.
    pub async fn reseal(&self, cursor: &mut ResealCursor, limit: u32) -> Result<Option<Resealed>, StoreError> {
        let Some(place) = PLACES.get(cursor.column) else {
            return Ok(None);
        };
        let rows = self.sealed_otherwise(place, cursor.after.as_ref(), limit).await?;
        let mut done = Resealed::default();
        for row in &rows {
            let key = place.key_of(row)?;
            let sealed: &[u8] = row.try_get(place.column)?;
            match self.seal_anew(place, &key, sealed)? {
                None => done.unreadable += 1,
                Some(anew) if self.swap(place, &key, sealed, &anew).await? => done.moved += 1,
                Some(_) => done.overtaken += 1,
            }
            cursor.after = Some(key);
        }
        if rows.len() < usize::try_from(limit).unwrap_or(usize::MAX) {
            *cursor = ResealCursor { column: cursor.column + 1, after: None };
        }
        Ok(Some(done))
    }

    /// Gives up what lies under a key that the ring lacks: those users have to log in again, their sessions begin anew. `None`, and
    /// nothing is given up, if the ring has the key.
    pub async fn forget_key(&self, key: KeyId) -> Result<Option<Forgotten>, StoreError> {
        if self.keys().ids().any(|known| known == key) {
            return Ok(None);
        }
        let head = key.head();
        let mut tx = self.begin().await?;
        let sessions = query("DELETE FROM sessions WHERE substr(initialize, 1, 5) = $1").bind(&head);
        let sessions = sessions.execute(&mut *tx).await?.rows_affected();
        let logins = query("DELETE FROM authorizations WHERE substr(sealed_request, 1, 5) = $1").bind(&head);
        let choices = query("DELETE FROM selections WHERE substr(sealed_request, 1, 5) = $1").bind(&head);
        let logins = logins.execute(&mut *tx).await?.rows_affected() + choices.execute(&mut *tx).await?.rows_affected();
        // The row stays, for it is what a user's connections hang on; its tokens become values that nobody has to open.
        let users = query(
            "UPDATE users SET access_token = $2, refresh_token = $2, dead_reason = $3, version = version + 1, \
             lease_owner = NULL, lease_until = NULL \
             WHERE substr(access_token, 1, 5) = $1 OR substr(refresh_token, 1, 5) = $1",
        )
        .bind(&head)
        .bind(Vec::<u8>::new())
        .bind(LOST_KEY);
        let users = users.execute(&mut *tx).await?.rows_affected();
        tx.commit().await?;
        Ok(Some(Forgotten { users, sessions, logins }))
    }

    /// Notes that a broker runs with this ring, so that a rotation knows that the sealing key is one which brokers have.
    pub async fn note_ring(&self, now: Timestamp) -> Result<(), StoreError> {
        for id in self.keys().ids() {
            query("INSERT INTO rings (key_head, seen_at) VALUES ($1, $2) ON CONFLICT (key_head) DO UPDATE SET seen_at = $2")
                .bind(id.head())
                .bind(now.0)
                .execute(self.write())
                .await?;
        }
        Ok(())
    }

    /// Whether a broker has ever run with the ring's first key.
    pub async fn first_key_is_in_use(&self) -> Result<bool, StoreError> {
        let Some(first) = self.keys().ids().next() else {
            return Ok(false);
        };
        let known = query("SELECT 1 FROM rings WHERE key_head = $1").bind(first.head()).fetch_optional(self.read());
        Ok(known.await?.is_some())
    }

    async fn sealed_otherwise(
        &self,
        Place { table, key, column, .. }: &Place,
        after: Option<&RowKey>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        let from = if after.is_some() { format!("AND {key} > $3") } else { String::new() };
        // An empty value is what a forgotten key leaves.
        let text = format!(
            "SELECT {key}, {column} FROM {table} WHERE substr({column}, 1, 5) <> $1 AND length({column}) > 0 {from} \
             ORDER BY {key} LIMIT $2"
        );
        let head = self.keys().ids().next().map(KeyId::head).unwrap_or_default();
        let query = query(AssertSqlSafe(text)).bind(head).bind(i64::from(limit));
        let query = match after {
            None => query,
            Some(RowKey::Text(text)) => query.bind(text.clone()),
            Some(RowKey::Hash(hash)) => query.bind(hash.clone()),
        };
        Ok(query.fetch_all(self.read()).await?)
    }

    /// `None` if no key of the ring opens it.
    fn seal_anew(&self, place: &Place, key: &RowKey, sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let aad = row_aad(place.table, place.column, &key.shown());
        match self.keys().open(sealed, &aad) {
            Ok(plain) => {
                self.keys().seal(&plain, &aad).map(Some).map_err(|_| StoreError::NotSealed { table: place.table })
            }
            Err(OpenSealedError::UnknownKey { .. } | OpenSealedError::Damaged) => Ok(None),
        }
    }

    async fn swap(
        &self,
        Place { table, key, column, .. }: &Place,
        row: &RowKey,
        before: &[u8],
        anew: &[u8],
    ) -> Result<bool, StoreError> {
        let text = format!("UPDATE {table} SET {column} = $1 WHERE {key} = $2 AND {column} = $3");
        let query = query(AssertSqlSafe(text)).bind(anew);
        let query = match row {
            RowKey::Text(text) => query.bind(text.clone()),
            RowKey::Hash(hash) => query.bind(hash.clone()),
        };
        Ok(query.bind(before).execute(self.write()).await?.rows_affected() == 1)
    }
}

// === impl KeyUse ===

impl KeyUse {
    /// All sealed values under the key.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.values.values().sum()
    }
}

// === impl Place ===

impl Place {
    fn key_of(&self, row: &Row) -> Result<RowKey, StoreError> {
        Ok(if self.hashed { RowKey::Hash(row.try_get(self.key)?) } else { RowKey::Text(row.try_get(self.key)?) })
    }
}

// === impl RowKey ===

impl RowKey {
    /// As it stands in the associated data.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Hash(hash) => hex::encode(hash),
        }
    }
}

#[cfg(test)]
mod tests;
