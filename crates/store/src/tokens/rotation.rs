//! One rotation, within a transaction.

use oauth::clock::Timestamp;
use oauth::token::TokenHash;

use super::{NewTokens, REFRESH_TOKEN, RefreshRow, Rotated, insert_tokens};
use crate::database::{Connection, Work, query};
use crate::error::StoreError;
use crate::grants::{hold_grant, touch};

/// A refresh token that is to be spent for a new pair.
pub(super) struct Rotation {
    pub(super) hash: TokenHash,
    pub(super) now: Timestamp,
    pub(super) tokens: NewTokens,
    pub(super) sealed_successor: Option<Vec<u8>>,
}

const GRANT_OF_REFRESH_TOKEN: &str =
    "SELECT id FROM grants WHERE id = (SELECT grant_id FROM refresh_tokens WHERE hash = $1)";

macro_rules! spend {
    () => {
        "UPDATE refresh_tokens SET used_at = $2, sealed_successor = $3 \
         WHERE hash = $1 AND used_at IS NULL AND expires_at >= $2 \
         AND EXISTS (SELECT 1 FROM grants g WHERE g.id = refresh_tokens.grant_id AND g.revoked_at IS NULL)"
    };
}

/// The whole of it for SQLite, which takes several statements with common values at once: each of them alone is a way to its thread and
/// back. If the first one changes nothing, the others find no successor and change nothing either. They say what [`Rotation::spend`] says.
const SPEND_AT_ONCE: &str = concat!(
    spend!(),
    "; INSERT INTO refresh_tokens (hash, grant_id, predecessor, expires_at) \
     SELECT $4, grant_id, hash, $5 FROM refresh_tokens WHERE hash = $1 AND changes() = 1; \
     INSERT INTO access_tokens (hash, grant_id, expires_at) \
     SELECT $6, grant_id, $7 FROM refresh_tokens WHERE hash = $4 AND predecessor = $1; \
     UPDATE refresh_tokens SET sealed_successor = NULL WHERE sealed_successor IS NOT NULL \
     AND hash = (SELECT old.predecessor FROM refresh_tokens old JOIN refresh_tokens new ON new.predecessor = old.hash \
     WHERE old.hash = $1 AND new.hash = $4); \
     UPDATE grants SET last_used_at = $2 WHERE (last_used_at IS NULL OR last_used_at < $2) \
     AND id = (SELECT grant_id FROM refresh_tokens WHERE hash = $4 AND predecessor = $1); \
     UPDATE clients SET last_used_at = $2 WHERE last_used_at < $2 AND id = (SELECT g.client_id FROM refresh_tokens r \
     JOIN grants g ON g.id = r.grant_id WHERE r.hash = $4 AND r.predecessor = $1)"
);

// === impl Rotation ===

impl Work for Rotation {
    type Done = Rotated;

    async fn run(&self, tx: &mut Connection) -> Result<Rotated, StoreError> {
        let won = if tx.is_shared() { self.spend(tx).await? } else { self.spend_at_once(tx).await? };
        if won {
            return Ok(Rotated::Won);
        }
        match query(REFRESH_TOKEN).bind(self.hash.as_bytes().as_slice()).fetch_optional(tx).await? {
            Some(row) => Ok(Rotated::Lost(RefreshRow::read(&row)?.try_into()?)),
            None => Ok(Rotated::Gone),
        }
    }
}

impl Rotation {
    async fn spend(&self, tx: &mut Connection) -> Result<bool, StoreError> {
        hold_grant(tx, GRANT_OF_REFRESH_TOKEN, &self.hash).await?;
        let won = query(concat!(spend!(), " RETURNING grant_id, predecessor"))
            .bind(self.hash.as_bytes().as_slice())
            .bind(self.now.0)
            .bind(self.sealed_successor.as_deref())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(won) = won else { return Ok(false) };
        let grant: String = won.try_get("grant_id")?;
        if let Some(predecessor) = won.try_get::<Option<&[u8]>, _>("predecessor")? {
            query("UPDATE refresh_tokens SET sealed_successor = NULL WHERE hash = $1")
                .bind(predecessor)
                .execute(&mut *tx)
                .await?;
        }
        insert_tokens(tx, &grant, Some(&self.hash), &self.tokens).await?;
        touch(tx, &grant, self.now).await?;
        Ok(true)
    }

    async fn spend_at_once(&self, tx: &mut Connection) -> Result<bool, StoreError> {
        let changed = query(SPEND_AT_ONCE)
            .bind(self.hash.as_bytes().as_slice())
            .bind(self.now.0)
            .bind(self.sealed_successor.as_deref())
            .bind(self.tokens.refresh_hash.as_bytes().as_slice())
            .bind(self.tokens.refresh_expires_at.0)
            .bind(self.tokens.access_hash.as_bytes().as_slice())
            .bind(self.tokens.access_expires_at.0)
            .execute(tx)
            .await?;
        Ok(changed.rows_affected() > 0)
    }
}
