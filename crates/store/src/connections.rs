//! What a user sees of his grants: each with its client and how many sessions it has.

use oauth::client::ClientKind;
use oauth::grant::Grant;
use oauth::id::UserId;
use oauth::scope::ScopeSet;

use crate::clients::{kind_of_column, metadata_of_column};
use crate::database::{Row, query};
use crate::error::StoreError;
use crate::grants::{grant_columns, read_grant};
use crate::store::Store;

/// A live grant as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// What was granted.
    pub grant: Grant,
    /// What the client had asked for: the most that the user can give it.
    pub asked: ScopeSet,
    /// How the client came to be known.
    pub client_kind: ClientKind,
    /// What the client calls itself.
    pub client_name: Option<String>,
    /// MCP sessions that are open under it.
    pub sessions: u64,
}

// === impl Store ===

impl Store {
    /// A user's live grants, the newest first.
    pub async fn connections_of(&self, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        let rows = query(concat!(
            "SELECT ",
            grant_columns!(),
            ", g.asked, c.kind, c.metadata, (SELECT count(*) FROM sessions s WHERE s.grant_id = g.id) AS sessions \
             FROM grants g JOIN clients c ON c.id = g.client_id \
             WHERE g.user_id = $1 AND g.revoked_at IS NULL ORDER BY g.created_at DESC, g.id"
        ))
        .bind(user.as_str())
        .fetch_all(self.read())
        .await?;
        rows.iter().map(Connection::try_from).collect()
    }
}

// === impl Connection ===

impl TryFrom<&Row> for Connection {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        let grant = read_grant(row)?;
        let corrupt = |table, column, id: &str| StoreError::Corrupt { table, column, row: id.to_owned() };
        let asked: Option<&str> = row.try_get("asked")?;
        let client = grant.client.as_str();
        Ok(Self {
            asked: match asked {
                Some(text) => text.parse().map_err(|_| corrupt("grants", "asked", grant.id.as_str()))?,
                None => grant.scope,
            },
            client_kind: kind_of_column(row.try_get("kind")?).ok_or_else(|| corrupt("clients", "kind", client))?,
            client_name: metadata_of_column(row.try_get("metadata")?)
                .ok_or_else(|| corrupt("clients", "metadata", client))?
                .client_name,
            sessions: row.try_get::<i64, _>("sessions")?.unsigned_abs(),
            grant,
        })
    }
}

#[cfg(test)]
mod tests {
    use oauth::clock::Timestamp;

    use super::*;
    use crate::sessions::SessionRow;
    use crate::testing::{Login, Scratch, client, logged_in, on_each};

    on_each!(a_user_sees_his_live_grants_with_client_and_sessions_and_nobody_elses);
    async fn a_user_sees_his_live_grants_with_client_and_sessions_and_nobody_elses(at: Scratch) {
        let store = at.store().await;
        let user = logged_in(&store).await;
        client(&store, "other").await;
        Login { client: "other", now: 5, ..Login::of("g2") }.write(&store).await.unwrap();
        Login { sub: "2", ..Login::of("bobs") }.write(&store).await.unwrap();
        let session = SessionRow {
            id_hash: [1; 32],
            user: user.clone(),
            client: "c".into(),
            grant: "g".into(),
            protocol_version: "2025-06-18".into(),
            initialize: b"{}".to_vec(),
            initialized: true,
            log_level: None,
            subscriptions: Vec::new(),
            created_at: Timestamp(1),
            last_seen: Timestamp(1),
            epoch: 1,
        };
        assert!(store.insert_session(&session, None).await.unwrap());
        let seen = store.connections_of(&user).await.unwrap();
        let shown: Vec<_> =
            seen.iter().map(|one| (one.grant.id.as_str(), one.client_name.as_deref(), one.sessions)).collect();
        assert_eq!(shown, [("g2", Some("test"), 0), ("g", Some("test"), 1)]);
        assert_eq!((seen[0].client_kind, seen[0].asked), (ClientKind::Static, seen[0].grant.scope));
        store.revoke_grant(&"g2".into(), Timestamp(9)).await.unwrap();
        assert_eq!(store.connections_of(&user).await.unwrap().len(), 1);
    }

    on_each!(a_grant_from_before_the_column_was_there_asked_for_what_it_has);
    async fn a_grant_from_before_the_column_was_there_asked_for_what_it_has(at: Scratch) {
        let store = at.store().await;
        let user = logged_in(&store).await;
        query("UPDATE grants SET asked = NULL, scope = 'read'").execute(store.write()).await.unwrap();
        assert_eq!(store.connections_of(&user).await.unwrap()[0].asked, ScopeSet::READ);
    }
}
