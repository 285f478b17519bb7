//! Authorization codes: read to be judged, then redeemed by one conditional update.

use oauth::clock::Timestamp;
use oauth::code::CodeRecord;
use oauth::pkce::CodeChallenge;
use oauth::token::TokenHash;

use crate::database::{Row, again, optional_time, query, time};
use crate::error::StoreError;
use crate::grants::{grant_columns, hold_grant, read_grant, touch};
use crate::store::Store;
use crate::tokens::{NewTokens, insert_tokens};

/// What came of redeeming a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// This caller's tokens are now good.
    Issued,
    /// Another caller was first.
    AlreadyUsed {
        /// When.
        at: Timestamp,
    },
    /// The code has expired, its grant has ended, or there is no such code.
    Lapsed,
}

const GRANT_OF_CODE: &str = "SELECT id FROM grants WHERE id = (SELECT grant_id FROM codes WHERE hash = $1)";

// === impl Store ===

impl Store {
    /// A code with its grant.
    pub async fn code(&self, hash: &TokenHash) -> Result<Option<CodeRecord>, StoreError> {
        let row = query(concat!(
            "SELECT c.hash, c.code_challenge, c.redirect_uri, c.expires_at, c.used_at, ",
            grant_columns!(),
            " FROM codes c JOIN grants g ON g.id = c.grant_id WHERE c.hash = $1"
        ))
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(self.read())
        .await?;
        row.as_ref().map(read_code).transpose()
    }

    /// Spends a code for a pair of tokens. Of any number of callers exactly one gets [`Redeemed::Issued`].
    pub async fn redeem_code(
        &self,
        hash: &TokenHash,
        now: Timestamp,
        tokens: &NewTokens,
    ) -> Result<Redeemed, StoreError> {
        again!(self.try_to_redeem(hash, now, tokens).await)
    }

    async fn try_to_redeem(
        &self,
        hash: &TokenHash,
        now: Timestamp,
        tokens: &NewTokens,
    ) -> Result<Redeemed, StoreError> {
        let mut tx = self.begin().await?;
        hold_grant(&mut tx, GRANT_OF_CODE, hash).await?;
        let won = query(
            "UPDATE codes SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at >= $2 \
             AND EXISTS (SELECT 1 FROM grants g WHERE g.id = codes.grant_id AND g.revoked_at IS NULL) \
             RETURNING grant_id",
        )
        .bind(hash.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(won) = won else {
            let row = query("SELECT used_at FROM codes WHERE hash = $1")
                .bind(hash.as_bytes().as_slice())
                .fetch_optional(&mut *tx)
                .await?;
            let used_at = row.map(|row| optional_time(&row, "used_at")).transpose()?.flatten();
            return Ok(used_at.map_or(Redeemed::Lapsed, |at| Redeemed::AlreadyUsed { at }));
        };
        let grant: String = won.try_get("grant_id")?;
        insert_tokens(&mut tx, &grant, None, tokens).await?;
        touch(&mut tx, &grant, now).await?;
        tx.commit().await?;
        Ok(Redeemed::Issued)
    }
}

fn read_code(row: &Row) -> Result<CodeRecord, StoreError> {
    let hash: &[u8] = row.try_get("hash")?;
    let corrupt = |column| StoreError::Corrupt { table: "codes", column, row: hex::encode(hash) };
    Ok(CodeRecord {
        grant: read_grant(row)?,
        code_challenge: CodeChallenge::try_from(row.try_get::<String, _>("code_challenge")?)
            .map_err(|_| corrupt("code_challenge"))?,
        redirect_uri: row.try_get("redirect_uri")?,
        expires_at: time(row, "expires_at")?,
        used_at: optional_time(row, "used_at")?,
    })
}

#[cfg(test)]
mod tests;
