//! Authorization codes: read to be judged, then redeemed by one conditional update.

use oauth::clock::Timestamp;
use oauth::code::CodeRecord;
use oauth::pkce::CodeChallenge;
use oauth::token::TokenHash;

use crate::database::{Connection, Row, Work, optional_time, query, time};
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

/// A code that is to be spent for a pair of tokens.
struct Redemption {
    hash: TokenHash,
    now: Timestamp,
    tokens: NewTokens,
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
        self.transact(Redemption { hash: *hash, now, tokens: *tokens }).await
    }
}

// === impl Redemption ===

impl Work for Redemption {
    type Done = Redeemed;

    async fn run(&self, tx: &mut Connection) -> Result<Redeemed, StoreError> {
        hold_grant(tx, GRANT_OF_CODE, &self.hash).await?;
        let won = query(
            "UPDATE codes SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at >= $2 \
             AND EXISTS (SELECT 1 FROM grants g WHERE g.id = codes.grant_id AND g.revoked_at IS NULL) \
             RETURNING grant_id",
        )
        .bind(self.hash.as_bytes().as_slice())
        .bind(self.now.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(won) = won else {
            let row = query("SELECT used_at FROM codes WHERE hash = $1")
                .bind(self.hash.as_bytes().as_slice())
                .fetch_optional(tx)
                .await?;
            let used_at = row.map(|row| optional_time(&row, "used_at")).transpose()?.flatten();
            return Ok(used_at.map_or(Redeemed::Lapsed, |at| Redeemed::AlreadyUsed { at }));
        };
        let grant: String = won.try_get("grant_id")?;
        insert_tokens(tx, &grant, None, &self.tokens).await?;
        touch(tx, &grant, self.now).await?;
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
