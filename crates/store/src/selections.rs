//! Choices of repositories under way: between the login and the code, or from the account page. Nothing is granted by one.
//!
//! A selection belongs to one browser: whoever does not show its cookie neither sees it nor spoils it.

use oauth::clock::Timestamp;
use oauth::id::{GrantId, UserId};
use oauth::token::TokenHash;

use crate::database::{Connection, Row, query, time};
use crate::error::StoreError;
use crate::logins::{NewCode, NewGrant, authorize};
use crate::store::Store;

/// What is being chosen for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionPurpose {
    /// An authorization whose login is done: the client's request, sealed by the caller.
    Authorize(Vec<u8>),
    /// A grant that stands.
    Change(GrantId),
}

/// A repository that is chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Chosen {
    /// Forgejo's id.
    pub id: i64,
    /// Its full name when it was chosen, to be shown.
    pub name: String,
}

/// A choice under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Its id, which is no secret.
    pub id: String,
    /// Who chooses.
    pub user: UserId,
    /// What for.
    pub purpose: SelectionPurpose,
    /// So far.
    pub chosen: Vec<Chosen>,
    /// When it began.
    pub created_at: Timestamp,
    /// After this it can't be completed.
    pub expires_at: Timestamp,
}

// === impl Store ===

impl Store {
    /// Writes a choice that begins, for the browser whose cookie has this hash.
    pub async fn begin_selection(&self, selection: &Selection, browser_hash: &TokenHash) -> Result<(), StoreError> {
        let (request, grant) = match &selection.purpose {
            SelectionPurpose::Authorize(sealed) => (Some(sealed.as_slice()), None),
            SelectionPurpose::Change(grant) => (None, Some(grant.as_str())),
        };
        query(
            "INSERT INTO selections (id, browser_hash, user_id, sealed_request, grant_id, chosen, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&selection.id)
        .bind(browser_hash.as_bytes().as_slice())
        .bind(selection.user.as_str())
        .bind(request)
        .bind(grant)
        .bind(to_json(&selection.chosen)?)
        .bind(selection.created_at.0)
        .bind(selection.expires_at.0)
        .execute(self.write())
        .await?;
        Ok(())
    }

    /// A choice of this browser, if there is one and it has not expired.
    pub async fn selection(
        &self,
        id: &str,
        browser_hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<Selection>, StoreError> {
        let row = query(
            "SELECT id, user_id, sealed_request, grant_id, chosen, created_at, expires_at FROM selections \
             WHERE id = $1 AND browser_hash = $2 AND expires_at >= $3",
        )
        .bind(id)
        .bind(browser_hash.as_bytes().as_slice())
        .bind(now.0)
        .fetch_optional(self.read())
        .await?;
        row.as_ref().map(Selection::try_from).transpose()
    }

    /// Replaces what is chosen so far. `false` if this browser has no such choice under way.
    pub async fn choose(&self, id: &str, browser_hash: &TokenHash, chosen: &[Chosen]) -> Result<bool, StoreError> {
        let written = query("UPDATE selections SET chosen = $3 WHERE id = $1 AND browser_hash = $2")
            .bind(id)
            .bind(browser_hash.as_bytes().as_slice())
            .bind(to_json(chosen)?)
            .execute(self.write())
            .await?;
        Ok(written.rows_affected() == 1)
    }

    /// Ends a choice. `false` if this browser had no such one: of several callers one gets `true`.
    pub async fn end_selection(&self, id: &str, browser_hash: &TokenHash) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let ended = take(&mut tx, id, browser_hash).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Ends a choice and writes the grant and the code that it leads to, together or not at all. `false`, and nothing is written, if this
    /// browser has no such choice under way (any more).
    ///
    /// # Errors
    /// [`StoreError::ClientGone`] if the client's registration was removed meanwhile; the choice stays then.
    pub async fn complete_selection(
        &self,
        selection: &Selection,
        browser_hash: &TokenHash,
        grant: &NewGrant<'_>,
        code: &NewCode<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !take(&mut tx, &selection.id, browser_hash).await? {
            return Ok(false);
        }
        authorize(&mut tx, &selection.user, grant, code, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn take(tx: &mut Connection, id: &str, browser_hash: &TokenHash) -> Result<bool, StoreError> {
    let gone = query("DELETE FROM selections WHERE id = $1 AND browser_hash = $2")
        .bind(id)
        .bind(browser_hash.as_bytes().as_slice())
        .execute(tx)
        .await?;
    Ok(gone.rows_affected() == 1)
}

fn to_json(chosen: &[Chosen]) -> Result<String, StoreError> {
    serde_json::to_string(chosen).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

// === impl Selection ===

impl TryFrom<&Row> for Selection {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        let id: String = row.try_get("id")?;
        let corrupt = |column| StoreError::Corrupt { table: "selections", column, row: id.clone() };
        let request: Option<Vec<u8>> = row.try_get("sealed_request")?;
        let grant: Option<String> = row.try_get("grant_id")?;
        let chosen: &str = row.try_get("chosen")?;
        Ok(Self {
            purpose: match (request, grant) {
                (Some(sealed), None) => SelectionPurpose::Authorize(sealed),
                (None, Some(grant)) => SelectionPurpose::Change(grant.into()),
                _ => return Err(corrupt("sealed_request")),
            },
            chosen: serde_json::from_str(chosen).map_err(|_| corrupt("chosen"))?,
            user: row.try_get::<String, _>("user_id")?.into(),
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
            id,
        })
    }
}

#[cfg(test)]
mod tests;
