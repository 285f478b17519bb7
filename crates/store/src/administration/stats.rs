//! How much there is.

use sqlx::Row as _;

use super::Administration;
use crate::error::StoreError;
use crate::migrations;

/// Numbers of rows, and the size of it all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Newest step of the schema.
    pub schema: i64,
    /// Bytes of the database file, free pages included.
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
            rows.push((what, sqlx::query_scalar(query).fetch_one(&self.pool).await?));
        }
        let pragma = async |text: &'static str| -> Result<i64, StoreError> {
            Ok(sqlx::query(text).fetch_one(&self.pool).await?.try_get(0)?)
        };
        let page = pragma("PRAGMA page_size").await?;
        Ok(Statistics {
            schema: migrations::state(&self.pool).await?.found,
            bytes: page * pragma("PRAGMA page_count").await?,
            free_bytes: page * pragma("PRAGMA freelist_count").await?,
            rows,
        })
    }
}
