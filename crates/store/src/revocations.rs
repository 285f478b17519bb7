//! What ended before its time or was narrowed, in order, so that caches (of this process and of others) can forget it.

use oauth::clock::Timestamp;
use oauth::id::GrantId;
use oauth::token::TokenHash;

use crate::database::{Connection, Row, Turn, query, query_scalar, time};
use crate::error::StoreError;
use crate::store::Store;

/// An entry of the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Rises with every entry; never used twice.
    pub id: i64,
    /// What ended or changed.
    pub subject: Revoked,
    /// When.
    pub at: Timestamp,
}

/// What ended or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// A grant with everything below it.
    Grant(GrantId),
    /// A grant's scope and limits are not what they were; the grant lives on.
    GrantChanged(GrantId),
    /// A single access token.
    AccessToken(TokenHash),
    /// A single MCP session, by the hash of its id.
    Session([u8; 32]),
}

/// On which PostgreSQL says that there is a new entry.
pub(crate) const CHANNEL: &str = "fjmcp_revocations";

/// The `kind` column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RevocationKind {
    Grant,
    GrantChanged,
    AccessToken,
    Session,
}

// === impl Store ===

impl Store {
    /// Up to `limit` entries after the one with id `after`, oldest first.
    pub async fn revocations_after(&self, after: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        let rows = query("SELECT id, kind, subject, at FROM revocations WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.read())
            .await?;
        rows.iter().map(Revocation::try_from).collect()
    }

    /// The newest entry's id, 0 if there is none: where a process begins to follow.
    pub async fn last_revocation(&self) -> Result<i64, StoreError> {
        Ok(query_scalar("SELECT COALESCE(max(id), 0) FROM revocations").fetch_one(self.read()).await?)
    }
}

// === impl Revocation ===

impl TryFrom<&Row> for Revocation {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        let id: i64 = row.try_get("id")?;
        let subject: String = row.try_get("subject")?;
        let corrupt = |column| StoreError::Corrupt { table: "revocations", column, row: id.to_string() };
        let subject = match row.try_get("kind")? {
            "grant" => Revoked::Grant(subject.into()),
            "grant_changed" => Revoked::GrantChanged(subject.into()),
            "access_token" => {
                Revoked::AccessToken(TokenHash::from_bytes(hash(&subject).ok_or_else(|| corrupt("subject"))?))
            }
            "session" => Revoked::Session(hash(&subject).ok_or_else(|| corrupt("subject"))?),
            _ => return Err(corrupt("kind")),
        };
        Ok(Self { id, subject, at: time(row, "at")? })
    }
}

fn hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0u8; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

// === impl RevocationKind ===

impl RevocationKind {
    fn column(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::GrantChanged => "grant_changed",
            Self::AccessToken => "access_token",
            Self::Session => "session",
        }
    }
}

/// Adds an entry within the caller's transaction, which must not wait for any row after it.
pub(crate) async fn record(
    tx: &mut Connection,
    kind: RevocationKind,
    subject: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.take_turn(Turn::Revoke).await?;
    query("INSERT INTO revocations (kind, subject, at) VALUES ($1, $2, $3)")
        .bind(kind.column())
        .bind(subject)
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
    tx.notify(CHANNEL).await?;
    Ok(())
}
