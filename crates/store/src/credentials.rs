//! Upstream credentials: one per Forgejo user, shared by all his clients, because Forgejo counts refreshes per user and application.
//!
//! Every write compares `version` and swaps. The lease says who is talking to Forgejo at the moment; no transaction is open meanwhile.

use std::fmt;

use oauth::clock::Timestamp;
use oauth::id::UserId;
use zeroize::Zeroizing;

use crate::database::{Row, optional_time, query, time};
use crate::error::StoreError;
use crate::key_ring::{KeyRing, OpenSealedError};
use crate::seal::row_aad;
use crate::sealed::LOST_KEY;
use crate::store::Store;

const TABLE: &str = "users";
pub(crate) const ACCESS_TOKEN: &str = "access_token";
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";

/// A token pair that Forgejo has just issued.
#[derive(Clone, Copy)]
pub struct NewCredential<'a> {
    /// Forgejo's access token.
    pub access_token: &'a str,
    /// Forgejo's refresh token.
    pub refresh_token: &'a str,
    /// When the access token expires.
    pub expires_at: Timestamp,
    /// When the pair was issued.
    pub refreshed_at: Timestamp,
    /// `gnt` of the JWT: Forgejo's grant.
    pub grant_id: Option<i64>,
    /// `cnt` of the refresh token's JWT: of two pairs of one grant the higher one is the later.
    pub counter: Option<i64>,
    /// The granted scope, where Forgejo was asked.
    pub scope: Option<&'a str>,
}

/// A stored credential.
pub struct CredentialRow {
    /// Raised by every write.
    pub version: i64,
    /// Forgejo's numeric id of the user.
    pub forgejo_id: i64,
    /// Login name at the last login.
    pub login: String,
    /// Forgejo's access token.
    pub access_token: Zeroizing<String>,
    /// Forgejo's refresh token.
    pub refresh_token: Zeroizing<String>,
    /// When the access token expires.
    pub expires_at: Timestamp,
    /// When the pair was issued.
    pub refreshed_at: Timestamp,
    /// `gnt` of the JWT.
    pub grant_id: Option<i64>,
    /// `cnt` of the refresh token's JWT.
    pub counter: Option<i64>,
    /// Why it is dead, if it is.
    pub dead: Option<String>,
    /// Why its tokens are not here although the row is not marked dead. It is to be treated as dead as long as that is so.
    pub unreadable: Option<OpenSealedError>,
    /// Who is refreshing it, and until when others keep away.
    pub lease: Option<(String, Timestamp)>,
}

/// Which credentials are due for a refresh.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// Those whose pair was issued before this, whether in use or not: Forgejo's refresh token lapses.
    pub refreshed_before: Timestamp,
    /// Those whose access token expires before this …
    pub expires_before: Timestamp,
    /// … if one of the user's grants was made or used since this.
    pub active_since: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// Both tokens of a pair, sealed for one user's row.
pub(crate) struct SealedPair {
    pub(crate) access_token: Vec<u8>,
    pub(crate) refresh_token: Vec<u8>,
}

// === impl Store ===

impl Store {
    /// A user's credential, dead or alive.
    pub async fn credential(&self, user: &UserId) -> Result<Option<CredentialRow>, StoreError> {
        let row = query(
            "SELECT id, version, forgejo_id, login, access_token, refresh_token, expires_at, refreshed_at, \
             upstream_grant, upstream_counter, dead_reason, lease_owner, lease_until FROM users WHERE id = $1",
        )
        .bind(user.as_str())
        .fetch_optional(self.read())
        .await?;
        row.map(|row| CredentialRow::read(&row, &self.keys())).transpose()
    }

    /// Takes the lease if the row still has `version` and no other owner's lease runs at `now`. The version stays.
    pub async fn take_lease(
        &self,
        user: &UserId,
        version: i64,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = query(
            "UPDATE users SET lease_owner = $3, lease_until = $5 WHERE id = $1 AND version = $2 \
             AND (lease_owner IS NULL OR lease_owner = $3 OR lease_until <= $4)",
        )
        .bind(user.as_str())
        .bind(version)
        .bind(owner)
        .bind(now.0)
        .bind(until.0)
        .execute(self.write())
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Gives the lease back without a result. Another owner's lease stays.
    pub async fn release_lease(&self, user: &UserId, owner: &str) -> Result<(), StoreError> {
        query("UPDATE users SET lease_owner = NULL, lease_until = NULL WHERE id = $1 AND lease_owner = $2")
            .bind(user.as_str())
            .bind(owner)
            .execute(self.write())
            .await?;
        Ok(())
    }

    /// Writes a new pair over `version`: the version rises, lease and death mark go. `false` if the row has moved on. What is `None`
    /// in `pair` keeps its stored value.
    pub async fn save_credential(
        &self,
        user: &UserId,
        version: i64,
        pair: &NewCredential<'_>,
    ) -> Result<bool, StoreError> {
        let sealed = SealedPair::seal(&self.keys(), user, pair)?;
        let saved = query(
            "UPDATE users SET access_token = $3, refresh_token = $4, expires_at = $5, refreshed_at = $6, \
             upstream_grant = COALESCE($7, upstream_grant), upstream_counter = COALESCE($8, upstream_counter), \
             upstream_scope = COALESCE($9, upstream_scope), \
             version = version + 1, dead_reason = NULL, lease_owner = NULL, lease_until = NULL \
             WHERE id = $1 AND version = $2",
        )
        .bind(user.as_str())
        .bind(version)
        .bind(sealed.access_token)
        .bind(sealed.refresh_token)
        .bind(pair.expires_at.0)
        .bind(pair.refreshed_at.0)
        .bind(pair.grant_id)
        .bind(pair.counter)
        .bind(pair.scope)
        .execute(self.write())
        .await?;
        Ok(saved.rows_affected() == 1)
    }

    /// Marks the credential dead over `version`: the version rises, the lease goes. `false` if the row has moved on.
    pub async fn mark_dead(&self, user: &UserId, version: i64, reason: &str) -> Result<bool, StoreError> {
        let marked = query(
            "UPDATE users SET dead_reason = $3, version = version + 1, lease_owner = NULL, lease_until = NULL \
             WHERE id = $1 AND version = $2",
        )
        .bind(user.as_str())
        .bind(version)
        .bind(reason)
        .execute(self.write())
        .await?;
        Ok(marked.rows_affected() == 1)
    }

    /// Users whose credential lives, who have at least one live grant, and who are due; the most urgent first.
    pub async fn due_credentials(&self, due: &Due) -> Result<Vec<UserId>, StoreError> {
        let rows = query(
            "SELECT u.id FROM users u WHERE u.dead_reason IS NULL \
             AND EXISTS (SELECT 1 FROM grants g WHERE g.user_id = u.id AND g.revoked_at IS NULL) \
             AND (u.refreshed_at < $1 OR (u.expires_at < $2 AND EXISTS (SELECT 1 FROM grants g \
                  WHERE g.user_id = u.id AND g.revoked_at IS NULL AND COALESCE(g.last_used_at, g.created_at) >= $3))) \
             ORDER BY u.expires_at, u.id LIMIT $4",
        )
        .bind(due.refreshed_before.0)
        .bind(due.expires_before.0)
        .bind(due.active_since.0)
        .bind(i64::from(due.limit))
        .fetch_all(self.read())
        .await?;
        rows.iter().map(|row| Ok(row.try_get::<String, _>("id")?.into())).collect()
    }
}

// === impl CredentialRow ===

impl CredentialRow {
    fn read(row: &Row, keys: &KeyRing) -> Result<Self, StoreError> {
        let id: String = row.try_get("id")?;
        let corrupt = |column| StoreError::Corrupt { table: TABLE, column, row: id.clone() };
        let mut dead: Option<String> = row.try_get("dead_reason")?;
        let mut unreadable = None;
        let mut token = |column: &'static str| -> Result<Zeroizing<String>, StoreError> {
            let opened = match open_column(keys, column, &id, row.try_get(column)?) {
                Ok(opened) => opened,
                Err(source) => {
                    // A mark says already that the user has to log in again.
                    if dead.is_none() {
                        unreadable = Some(source);
                    }
                    return Ok(Zeroizing::default());
                }
            };
            let text = std::str::from_utf8(&opened).map_err(|_| corrupt(column))?;
            Ok(Zeroizing::new(text.to_owned()))
        };
        let (access_token, refresh_token) = (token(ACCESS_TOKEN)?, token(REFRESH_TOKEN)?);
        match unreadable {
            Some(OpenSealedError::UnknownKey { .. }) => dead = Some(LOST_KEY.to_owned()),
            Some(OpenSealedError::Damaged) => dead = Some("the stored login is damaged".to_owned()),
            None => {}
        }
        let lease = match (row.try_get("lease_owner")?, optional_time(row, "lease_until")?) {
            (Some(owner), Some(until)) => Some((owner, until)),
            (None, None) => None,
            _ => return Err(corrupt("lease_owner")),
        };
        Ok(Self {
            version: row.try_get("version")?,
            forgejo_id: row.try_get("forgejo_id")?,
            login: row.try_get("login")?,
            access_token,
            refresh_token,
            expires_at: time(row, "expires_at")?,
            refreshed_at: time(row, "refreshed_at")?,
            grant_id: row.try_get("upstream_grant")?,
            counter: row.try_get("upstream_counter")?,
            dead,
            unreadable,
            lease,
        })
    }
}

impl fmt::Debug for CredentialRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRow")
            .field("version", &self.version)
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

// === impl NewCredential ===

impl fmt::Debug for NewCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCredential").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

// === impl SealedPair ===

impl SealedPair {
    pub(crate) fn seal(keys: &KeyRing, user: &UserId, pair: &NewCredential<'_>) -> Result<Self, StoreError> {
        let seal = |column, token: &str| {
            keys.seal(token.as_bytes(), &row_aad(TABLE, column, user.as_str()))
                .map_err(|_| StoreError::NotSealed { table: TABLE })
        };
        Ok(Self {
            access_token: seal(ACCESS_TOKEN, pair.access_token)?,
            refresh_token: seal(REFRESH_TOKEN, pair.refresh_token)?,
        })
    }
}

/// Opens a sealed column of a user's row.
pub(crate) fn open_column(
    keys: &KeyRing,
    column: &str,
    user: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenSealedError> {
    keys.open(sealed, &row_aad(TABLE, column, user))
}

#[cfg(test)]
mod tests;
