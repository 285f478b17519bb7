//! MCP sessions.

use oauth::clock::Timestamp;
use oauth::id::{ClientId, GrantId, UserId};

use super::Administration;
use crate::database::{Row, hash, query, query_scalar, time};
use crate::error::StoreError;
use crate::revocations::{RevocationKind, record};

/// A session, as an operator sees it: without what its client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// SHA-256 of the session id, by which it is named here. The id itself is not stored.
    pub id_hash: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// Login name of the user.
    pub login: String,
    /// The client that opened it.
    pub client: ClientId,
    /// The grant under which it runs now.
    pub grant: GrantId,
    /// The protocol version that was agreed upon.
    pub protocol_version: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id_hash, g.user_id, u.login, g.client_id, s.grant_id, s.protocol_version, s.created_at, s.last_seen \
             FROM sessions s JOIN grants g ON g.id = s.grant_id JOIN users u ON u.id = g.user_id ",
            $rest
        )
    };
}

// === impl Administration ===

impl Administration {
    /// All sessions, or those of one user (by id or login name), the most recently used first.
    pub async fn sessions(&self, user: Option<&str>) -> Result<Vec<ListedSession>, StoreError> {
        let rows = query(select!("WHERE $1 IS NULL OR u.id = $1 OR u.login = $1 ORDER BY s.last_seen DESC, s.id_hash"))
            .bind(user)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(ListedSession::try_from).collect()
    }

    /// Ends one session. `false` if there is none.
    pub async fn revoke_session(&self, id_hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let gone = query("DELETE FROM sessions WHERE id_hash = $1").bind(id_hash.as_slice());
        let gone = gone.execute(&mut *tx).await?.rows_affected() > 0;
        if gone {
            let name = hex::encode(id_hash);
            record(&mut tx, RevocationKind::Session, &name, now).await?;
            self.note(&mut tx, "admin.session_revoked", &name, "ok", now).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// Ends sessions last used before `last_seen_before`; says how many there were.
    pub async fn purge_sessions(&self, last_seen_before: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let gone: Vec<Vec<u8>> = query_scalar("DELETE FROM sessions WHERE last_seen < $1 RETURNING id_hash")
            .bind(last_seen_before.0)
            .fetch_all(&mut *tx)
            .await?;
        for id_hash in &gone {
            record(&mut tx, RevocationKind::Session, &hex::encode(id_hash), now).await?;
        }
        self.note(&mut tx, "admin.sessions_purged", "idle", &format!("{} sessions", gone.len()), now).await?;
        tx.commit().await?;
        Ok(gone.len())
    }
}

// === impl ListedSession ===

impl TryFrom<&Row> for ListedSession {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id_hash: hash(row, "sessions", "id_hash")?,
            user: row.try_get::<String, _>("user_id")?.into(),
            login: row.try_get("login")?,
            client: row.try_get::<String, _>("client_id")?.into(),
            grant: row.try_get::<String, _>("grant_id")?.into(),
            protocol_version: row.try_get("protocol_version")?,
            created_at: time(row, "created_at")?,
            last_seen: time(row, "last_seen")?,
        })
    }
}
