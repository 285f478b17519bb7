//! OAuth clients.
//!
//! Dynamic ones register without being asked who they are, so they are deduplicated by the digest of what they say, capped, and those
//! that no user ever authorized give way first. A client that is in use never does: many replay a forgotten `client_id` for ever.

use oauth::client::{Client, ClientKind, ClientMetadata};
use oauth::clock::Timestamp;
use oauth::id::ClientId;

use crate::database::{Connection, Row, Turn, again, query, query_scalar, time};
use crate::error::StoreError;
use crate::store::Store;

/// The client behind a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// As it is stored now.
    pub client: Client,
    /// Whether it was there before, because it had said the same of itself.
    pub existing: bool,
}

macro_rules! client_columns {
    () => {
        "id, kind, metadata, created_at, last_used_at, authorized"
    };
}

// === impl Store ===

impl Store {
    /// Registers a dynamic client, or finds and renews the one with the same digest. Where `cap` dynamic clients exist, the one that
    /// was unused for longest among those never authorized goes.
    ///
    /// # Errors
    /// [`StoreError::ClientsFull`] if all of them have been authorized.
    pub async fn register_dynamic(
        &self,
        metadata: &ClientMetadata,
        digest: [u8; 32],
        fresh_id: ClientId,
        now: Timestamp,
        cap: u32,
    ) -> Result<Registered, StoreError> {
        again!(self.try_to_register(metadata, digest, &fresh_id, now, cap).await)
    }

    async fn try_to_register(
        &self,
        metadata: &ClientMetadata,
        digest: [u8; 32],
        fresh_id: &ClientId,
        now: Timestamp,
        cap: u32,
    ) -> Result<Registered, StoreError> {
        let mut tx = self.begin().await?;
        let renewed =
            query(concat!("UPDATE clients SET last_used_at = $2 WHERE digest = $1 RETURNING ", client_columns!()))
                .bind(digest.as_slice())
                .bind(now.0)
                .fetch_optional(&mut *tx)
                .await?;
        if let Some(row) = renewed {
            let client = read_client(&row)?;
            tx.commit().await?;
            return Ok(Registered { client, existing: true });
        }
        // Who counts first registers first.
        tx.take_turn(Turn::RegisterClient).await?;
        make_room(&mut tx, cap).await?;
        let row = query(concat!(
            "INSERT INTO clients (id, kind, metadata, digest, created_at, last_used_at, authorized) \
             VALUES ($1, $2, $3, $4, $5, $5, $6) RETURNING ",
            client_columns!()
        ))
        .bind(fresh_id.as_str())
        .bind(column(ClientKind::Dynamic))
        .bind(to_json(metadata)?)
        .bind(digest.as_slice())
        .bind(now.0)
        .bind(false)
        .fetch_one(&mut *tx)
        .await?;
        let client = read_client(&row)?;
        tx.commit().await?;
        Ok(Registered { client, existing: false })
    }

    /// Writes a client that did not register by itself (configured, or known by its metadata document), over what was stored of it.
    /// Its grants stay.
    pub async fn save_client(
        &self,
        id: &ClientId,
        kind: KnownClientKind,
        metadata: &ClientMetadata,
        now: Timestamp,
    ) -> Result<Client, StoreError> {
        let mut tx = self.begin().await?;
        let row = query(concat!(
            "INSERT INTO clients (id, kind, metadata, created_at, last_used_at, authorized) VALUES ($1, $2, $3, $4, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, metadata = excluded.metadata, digest = NULL, \
             last_used_at = excluded.last_used_at RETURNING ",
            client_columns!()
        ))
        .bind(id.as_str())
        .bind(column(kind.into()))
        .bind(to_json(metadata)?)
        .bind(now.0)
        .bind(false)
        .fetch_one(&mut *tx)
        .await?;
        let client = read_client(&row)?;
        tx.commit().await?;
        Ok(client)
    }

    /// A client by its `client_id`.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let row = query(concat!("SELECT ", client_columns!(), " FROM clients WHERE id = $1"))
            .bind(id.as_str())
            .fetch_optional(self.read())
            .await?;
        row.as_ref().map(read_client).transpose()
    }
}

/// Kinds of clients that do not register by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownClientKind {
    /// From the operator's configuration.
    Static,
    /// From the document at its `client_id`.
    MetadataDocument,
}

// === impl KnownClientKind ===

impl From<KnownClientKind> for ClientKind {
    fn from(kind: KnownClientKind) -> Self {
        match kind {
            KnownClientKind::Static => Self::Static,
            KnownClientKind::MetadataDocument => Self::MetadataDocument,
        }
    }
}

async fn make_room(tx: &mut Connection, cap: u32) -> Result<(), StoreError> {
    let dynamic: i64 = query_scalar("SELECT count(*) FROM clients WHERE kind = 'dynamic'").fetch_one(&mut *tx).await?;
    let too_many = dynamic - i64::from(cap) + 1;
    if too_many <= 0 {
        return Ok(());
    }
    let removed = query(
        "DELETE FROM clients WHERE id IN (SELECT id FROM clients WHERE kind = 'dynamic' AND NOT authorized \
         ORDER BY last_used_at, id LIMIT $1) AND NOT authorized",
    )
    .bind(too_many)
    .execute(tx)
    .await?
    .rows_affected();
    // The caller's transaction ends with the error, so nothing is removed for nothing.
    if i64::try_from(removed).is_ok_and(|removed| removed >= too_many) {
        Ok(())
    } else {
        Err(StoreError::ClientsFull { cap })
    }
}

pub(crate) fn read_client(row: &Row) -> Result<Client, StoreError> {
    let id: String = row.try_get("id")?;
    let corrupt = |column| StoreError::Corrupt { table: "clients", column, row: id.clone() };
    let kind: &str = row.try_get("kind")?;
    let metadata: &str = row.try_get("metadata")?;
    Ok(Client {
        kind: kind_of_column(kind).ok_or_else(|| corrupt("kind"))?,
        metadata: metadata_of_column(metadata).ok_or_else(|| corrupt("metadata"))?,
        created_at: time(row, "created_at")?,
        last_used_at: time(row, "last_used_at")?,
        authorized: row.try_get("authorized")?,
        id: id.into(),
    })
}

fn to_json(metadata: &ClientMetadata) -> Result<String, StoreError> {
    serde_json::to_string(metadata).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

fn column(kind: ClientKind) -> &'static str {
    match kind {
        ClientKind::Static => "static",
        ClientKind::MetadataDocument => "metadata_document",
        ClientKind::Dynamic => "dynamic",
    }
}

/// Reads the `metadata` column.
pub(crate) fn metadata_of_column(text: &str) -> Option<ClientMetadata> {
    serde_json::from_str(text).ok()
}

/// Reads the `kind` column.
pub(crate) fn kind_of_column(text: &str) -> Option<ClientKind> {
    [ClientKind::Static, ClientKind::MetadataDocument, ClientKind::Dynamic]
        .into_iter()
        .find(|&kind| column(kind) == text)
}

#[cfg(test)]
mod tests;
