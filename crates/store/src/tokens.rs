//! Access and refresh tokens. A grant is the token family; a rotation is one conditional update and two inserts.

use oauth::clock::Timestamp;
use oauth::grant::Grant;
use oauth::refresh::{RefreshRecord, RefreshState, SealedSuccessor};
use oauth::token::{AccessRecord, TokenHash};

use crate::database::{Connection, Row, again, optional_time, query, time};
use crate::error::StoreError;
use crate::grants::{grant_columns, read_grant};
use crate::revocations::{RevocationKind, record};
use crate::store::Store;

mod rotation;

use self::rotation::Rotation;

/// A pair that is about to be issued.
#[derive(Debug, Clone, Copy)]
pub struct NewTokens {
    /// Of the access token.
    pub access_hash: TokenHash,
    /// After this the access token is refused.
    pub access_expires_at: Timestamp,
    /// Of the refresh token.
    pub refresh_hash: TokenHash,
    /// After this the refresh token is refused.
    pub refresh_expires_at: Timestamp,
}

/// What an access token stands for.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Expiry and grant.
    pub record: AccessRecord,
    /// Login name of the grant's user.
    pub login: String,
    /// Forgejo's numeric id of the grant's user.
    pub forgejo_id: i64,
    /// Why the user's upstream credential is dead, if it is: then the request is a 401, whatever the token.
    pub dead: Option<String>,
}

/// What came of a rotation.
#[derive(Debug, Clone)]
pub enum Rotated {
    /// This caller's tokens are now good.
    Won,
    /// Another caller was first, the token expired or its grant ended meanwhile: judge it again as it is now.
    Lost(RefreshRecord),
    /// There is no such token (any more).
    Gone,
}

struct RefreshRow {
    hash: Vec<u8>,
    grant: Grant,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
    sealed_successor: Option<Vec<u8>>,
}

const REFRESH_TOKEN: &str = concat!(
    "SELECT r.hash, r.expires_at, r.used_at, r.sealed_successor, ",
    grant_columns!(),
    " FROM refresh_tokens r JOIN grants g ON g.id = r.grant_id WHERE r.hash = $1"
);

// === impl Store ===

impl Store {
    /// An access token with its grant and user. Whether it has expired is for the caller to judge.
    pub async fn access_token(&self, hash: &TokenHash) -> Result<Option<Bearer>, StoreError> {
        let row = query(concat!(
            "SELECT a.expires_at, u.login, u.forgejo_id, u.dead_reason, ",
            grant_columns!(),
            " FROM access_tokens a JOIN grants g ON g.id = a.grant_id JOIN users u ON u.id = g.user_id WHERE a.hash = $1"
        ))
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(self.read())
        .await?;
        row.as_ref().map(Bearer::try_from).transpose()
    }

    /// A refresh token with its grant, spent ones included.
    pub async fn refresh_token(&self, hash: &TokenHash) -> Result<Option<RefreshRecord>, StoreError> {
        let row = query(REFRESH_TOKEN).bind(hash.as_bytes().as_slice()).fetch_optional(self.read()).await?;
        row.map(|row| RefreshRow::read(&row)?.try_into()).transpose()
    }

    /// Spends a refresh token for a new pair. Of any number of callers exactly one gets [`Rotated::Won`].
    ///
    /// `sealed_successor` is the new pair, sealed under the presented token, where a replay window is open. What the token's own
    /// predecessor kept of this kind is erased: its successor has now been used.
    pub async fn rotate(
        &self,
        hash: &TokenHash,
        now: Timestamp,
        tokens: &NewTokens,
        sealed_successor: Option<&[u8]>,
    ) -> Result<Rotated, StoreError> {
        let sealed_successor = sealed_successor.map(<[u8]>::to_vec);
        self.transact(Rotation { hash: *hash, now, tokens: *tokens, sealed_successor }).await
    }

    /// Ends one access token. `false` if there is none. Its grant goes on.
    pub async fn revoke_access_token(&self, hash: &TokenHash, now: Timestamp) -> Result<bool, StoreError> {
        again!(self.try_to_revoke_access_token(hash, now).await)
    }

    async fn try_to_revoke_access_token(&self, hash: &TokenHash, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let ended = query("DELETE FROM access_tokens WHERE hash = $1")
            .bind(hash.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if ended == 0 {
            return Ok(false);
        }
        record(&mut tx, RevocationKind::AccessToken, &hex::encode(hash.as_bytes()), now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

// === impl Bearer ===

impl TryFrom<&Row> for Bearer {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            record: AccessRecord { grant: read_grant(row)?, expires_at: time(row, "expires_at")? },
            login: row.try_get("login")?,
            forgejo_id: row.try_get("forgejo_id")?,
            dead: row.try_get("dead_reason")?,
        })
    }
}

// === impl RefreshRow ===

impl RefreshRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            hash: row.try_get("hash")?,
            grant: read_grant(row)?,
            expires_at: time(row, "expires_at")?,
            used_at: optional_time(row, "used_at")?,
            sealed_successor: row.try_get("sealed_successor")?,
        })
    }
}

impl TryFrom<RefreshRow> for RefreshRecord {
    type Error = StoreError;

    fn try_from(row: RefreshRow) -> Result<Self, StoreError> {
        let state = match (row.grant.revoked_at, row.used_at, row.sealed_successor) {
            (_, None, Some(_)) | (Some(_), _, Some(_)) => {
                return Err(StoreError::Corrupt {
                    table: "refresh_tokens",
                    column: "sealed_successor",
                    row: hex::encode(row.hash),
                });
            }
            (Some(at), _, None) => RefreshState::Revoked { at },
            (None, Some(at), successor) => RefreshState::Consumed { at, successor: successor.map(SealedSuccessor) },
            (None, None, None) => RefreshState::Valid,
        };
        Ok(Self { grant: row.grant, expires_at: row.expires_at, state })
    }
}

/// Writes a pair within the caller's transaction.
pub(crate) async fn insert_tokens(
    tx: &mut Connection,
    grant: &str,
    predecessor: Option<&TokenHash>,
    tokens: &NewTokens,
) -> Result<(), StoreError> {
    query("INSERT INTO access_tokens (hash, grant_id, expires_at) VALUES ($1, $2, $3)")
        .bind(tokens.access_hash.as_bytes().as_slice())
        .bind(grant)
        .bind(tokens.access_expires_at.0)
        .execute(&mut *tx)
        .await?;
    query("INSERT INTO refresh_tokens (hash, grant_id, predecessor, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(tokens.refresh_hash.as_bytes().as_slice())
        .bind(grant)
        .bind(predecessor.map(|hash| hash.as_bytes().as_slice()))
        .bind(tokens.refresh_expires_at.0)
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
