//! How much there is.

use super::Administration;
use crate::database::{Pool, query_scalar};
use crate::error::StoreError;
use crate::migrations;

/// Numbers of rows, and the size of it all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Newest step of the schema.
    pub schema: i64,
    /// Bytes of the database, free pages included.
    pub bytes: i64,
    /// Bytes of those pages that hold nothing.
    pub free_bytes: i64,
    /// Rows by what they are, in the order in which they are shown.
    pub rows: Vec<(&'static str, i64)>,
}

const COUNTS: [(&str, &str); 13] = [
    ("users", "SELECT count(*) FROM users"),
    ("users who have to log in again", "SELECT count(*) FROM users WHERE dead_reason IS NOT NULL"),
    ("clients", "SELECT count(*) FROM clients"),
    ("clients that were authorized", "SELECT count(*) FROM clients WHERE authorized"),
    ("live grants", "SELECT count(*) FROM grants WHERE revoked_at IS NULL"),
    ("ended grants", "SELECT count(*) FROM grants WHERE revoked_at IS NOT NULL"),
    ("sessions", "SELECT count(*) FROM sessions"),
    ("access tokens", "SELECT count(*) FROM access_tokens"),
    ("refresh tokens", "SELECT count(*) FROM refresh_tokens"),
    ("unused refresh tokens", "SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL"),
    ("logins under way", "SELECT count(*) FROM authorizations"),
    ("revocations kept", "SELECT count(*) FROM revocations"),
    ("audit events", "SELECT count(*) FROM audit_events"),
];

// === impl Administration ===

impl Administration {
    /// Counts everything.
    pub async fn statistics(&self) -> Result<Statistics, StoreError> {
        let mut rows = Vec::with_capacity(COUNTS.len());
        for (what, query) in COUNTS {
            rows.push((what, query_scalar(query).fetch_one(&self.pool).await?));
        }
        let (bytes, free_bytes) = match &self.pool {
            Pool::Sqlite(_) => {
                let pragma = async |text: &'static str| query_scalar::<i64>(text).fetch_one(&self.pool).await;
                let page = pragma("PRAGMA page_size").await?;
                (page * pragma("PRAGMA page_count").await?, page * pragma("PRAGMA freelist_count").await?)
            }
            // What is free in its files, the server alone knows.
            Pool::Postgres(_) => {
                (query_scalar("SELECT pg_database_size(current_database())").fetch_one(&self.pool).await?, 0)
            }
        };
        Ok(Statistics { schema: migrations::state(&self.pool).await?.found, bytes, free_bytes, rows })
    }
}
