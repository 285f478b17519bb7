//! Clients.

use oauth::client::Client;
use oauth::clock::Timestamp;
use oauth::id::ClientId;

use super::Administration;
use crate::clients::read_client;
use crate::database::{Row, again, query};
use crate::error::StoreError;
use crate::grants::revoke_all;

/// A client, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedClient {
    /// As it is stored. The name is its own word.
    pub client: Client,
    /// Grants that stand.
    pub live_grants: i64,
}

const LIVE_GRANTS: &str = "SELECT id FROM grants WHERE client_id = $1 AND revoked_at IS NULL ORDER BY id";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.kind, c.metadata, c.created_at, c.last_used_at, c.authorized, \
             (SELECT count(*) FROM grants g WHERE g.client_id = c.id AND g.revoked_at IS NULL) AS live_grants \
             FROM clients c ",
            $rest
        )
    };
}

// === impl Administration ===

impl Administration {
    /// All clients, the most recently used first.
    pub async fn clients(&self) -> Result<Vec<ListedClient>, StoreError> {
        let rows = query(select!("ORDER BY c.last_used_at DESC, c.id")).fetch_all(&self.pool).await?;
        rows.iter().map(ListedClient::try_from).collect()
    }

    /// One client.
    pub async fn client(&self, id: &ClientId) -> Result<Option<ListedClient>, StoreError> {
        let row = query(select!("WHERE c.id = $1")).bind(id.as_str()).fetch_optional(&self.pool).await?;
        row.as_ref().map(ListedClient::try_from).transpose()
    }

    /// Ends all grants of a client; says how many there were. Users can connect it again.
    pub async fn revoke_client(&self, id: &ClientId, now: Timestamp) -> Result<usize, StoreError> {
        again!(self.try_to_revoke_client(id, now).await)
    }

    async fn try_to_revoke_client(&self, id: &ClientId, now: Timestamp) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let ended = revoke_all(&mut tx, LIVE_GRANTS, id.as_str(), now).await?.len();
        self.note(&mut tx, "admin.client_revoked", id.as_str(), &format!("{ended} grants"), now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Ends all grants of a client and forgets it; it has to register again. `false` if there is no such client.
    pub async fn purge_client(&self, id: &ClientId, now: Timestamp) -> Result<bool, StoreError> {
        again!(self.try_to_purge_client(id, now).await)
    }

    async fn try_to_purge_client(&self, id: &ClientId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // No grant to it comes into being from here on.
        query(tx.locking("SELECT id FROM clients WHERE id = $1")).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        revoke_all(&mut tx, LIVE_GRANTS, id.as_str(), now).await?;
        let gone = query("DELETE FROM clients WHERE id = $1").bind(id.as_str()).execute(&mut *tx).await?;
        let gone = gone.rows_affected() > 0;
        if gone {
            self.note(&mut tx, "admin.client_purged", id.as_str(), "ok", now).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }
}

// === impl ListedClient ===

impl TryFrom<&Row> for ListedClient {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { client: read_client(row)?, live_grants: row.try_get("live_grants")? })
    }
}
