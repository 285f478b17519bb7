//! Forgejo users as the broker knows them. Their upstream credential is in `credentials`.

use oauth::clock::Timestamp;
use oauth::id::UserId;

use crate::database::{Row, query, time};
use crate::error::StoreError;
use crate::store::Store;

/// A Forgejo user who has logged in at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The broker's id.
    pub id: UserId,
    /// Which Forgejo.
    pub issuer: String,
    /// `sub` there; unique with the issuer and never reused.
    pub sub: String,
    /// Login name at the last login.
    pub login: String,
    /// Forgejo's numeric id.
    pub forgejo_id: i64,
    /// The scope that Forgejo granted, where it was asked.
    pub upstream_scope: Option<String>,
    /// Why his credential is dead, if it is.
    pub dead: Option<String>,
    /// First login.
    pub created_at: Timestamp,
    /// Last login.
    pub last_login_at: Timestamp,
}

// === impl Store ===

impl Store {
    /// A user by the broker's id.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let row = query(
            "SELECT id, issuer, sub, login, forgejo_id, upstream_scope, dead_reason, created_at, last_login_at \
             FROM users WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(self.read())
        .await?;
        row.as_ref().map(User::try_from).transpose()
    }
}

// === impl User ===

impl TryFrom<&Row> for User {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.try_get::<String, _>("id")?.into(),
            issuer: row.try_get("issuer")?,
            sub: row.try_get("sub")?,
            login: row.try_get("login")?,
            forgejo_id: row.try_get("forgejo_id")?,
            upstream_scope: row.try_get("upstream_scope")?,
            dead: row.try_get("dead_reason")?,
            created_at: time(row, "created_at")?,
            last_login_at: time(row, "last_login_at")?,
        })
    }
}
