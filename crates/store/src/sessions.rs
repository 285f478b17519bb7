//! MCP sessions. User and client are those of the session's grant; a session can't belong to another.

use std::fmt;

use oauth::clock::Timestamp;
use oauth::id::{ClientId, GrantId, UserId};
use sqlx::AssertSqlSafe;

use crate::database::{Connection, Row, Work, hash, query, query_scalar, time};
use crate::error::StoreError;
use crate::key_ring::KeyRing;
use crate::replicas::{Holder, Owner};
use crate::seal::row_aad;
use crate::store::Store;

const TABLE: &str = "sessions";
const INITIALIZE: &str = "initialize";

/// A stored session (MCP 2025-11-25, basic/transports, Session Management).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of the session id.
    pub id_hash: [u8; 32],
    /// The user it belongs to.
    pub user: UserId,
    /// The client that opened it.
    pub client: ClientId,
    /// The grant under which it runs now.
    pub grant: GrantId,
    /// The version that the worker answered.
    pub protocol_version: String,
    /// `params` of the `initialize` request, byte for byte. Sealed at rest.
    pub initialize: Vec<u8>,
    /// Whether `notifications/initialized` has come.
    pub initialized: bool,
    /// The level of the last `logging/setLevel`.
    pub log_level: Option<String>,
    /// URIs subscribed by `resources/subscribe`.
    pub subscriptions: Vec<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
    /// How often it has been taken over.
    pub epoch: i64,
}

/// A session as it is to be stored.
struct Written {
    session: SessionRow,
    /// Sealed.
    initialize: Vec<u8>,
    /// As JSON.
    subscriptions: String,
}

/// A new session, and who holds it.
struct Insertion {
    written: Written,
    owner: Option<Owner>,
}

/// What has become of a session.
struct Change(Written);

// === impl Store ===

impl Store {
    /// Writes a new session, which `owner` holds. `false`, and nothing is written, if its grant has ended or is not of that user and client.
    pub async fn insert_session(&self, session: &SessionRow, owner: Option<&Owner>) -> Result<bool, StoreError> {
        self.transact(Insertion { written: Written::new(&self.keys(), session)?, owner: owner.cloned() }).await
    }

    /// A session by the hash of its id.
    pub async fn session(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, StoreError> {
        Ok(self.session_with_holder(id_hash).await?.map(|(session, _)| session))
    }

    /// The same, with who has it.
    pub(crate) async fn session_with_holder(
        &self,
        id_hash: &[u8; 32],
    ) -> Result<Option<(SessionRow, Option<Holder>)>, StoreError> {
        let now = self.clock_sql();
        let text = format!(
            "SELECT s.id_hash, g.user_id, g.client_id, s.grant_id, s.protocol_version, s.initialize, s.initialized, \
             s.log_level, s.subscriptions, s.created_at, s.last_seen, s.epoch, s.owner, s.owner_life, r.address, \
             (r.life = s.owner_life AND r.lease_until > {now}) AS lives \
             FROM sessions s JOIN grants g ON g.id = s.grant_id LEFT JOIN replicas r ON r.id = s.owner WHERE s.id_hash = $1"
        );
        let row = query(AssertSqlSafe(text)).bind(id_hash.as_slice()).fetch_optional(self.read()).await?;
        let Some(row) = row else { return Ok(None) };
        let owner: (Option<String>, Option<i64>) = (row.try_get("owner")?, row.try_get("owner_life")?);
        let holder = match owner {
            (Some(id), Some(life)) => Some(Holder {
                owner: Owner { id, life },
                address: row.try_get("address")?,
                lives: row.try_get::<Option<bool>, _>("lives")?.unwrap_or(false),
            }),
            _ => None,
        };
        Ok(Some((SessionRow::read(&row, &self.keys())?, holder)))
    }

    /// Replaces what can change, and seals what the client said at the start under the first key: grant (by a live one of the same user and client), initialized, log level, subscriptions, last seen.
    /// `false`, and nothing is written, if the session is gone, has another epoch, or the grant is no such one.
    pub async fn update_session(&self, session: &SessionRow) -> Result<bool, StoreError> {
        self.transact(Change(Written::new(&self.keys(), session)?)).await
    }

    /// Forgets a session; one that is given only if it has this epoch.
    pub async fn delete_session(&self, id_hash: &[u8; 32], epoch: Option<i64>) -> Result<(), StoreError> {
        let text = "DELETE FROM sessions WHERE id_hash = $1 AND epoch = COALESCE($2, epoch)";
        query(text).bind(id_hash.as_slice()).bind(epoch).execute(self.write()).await?;
        Ok(())
    }

    /// Forgets all sessions of a grant; says how many there were.
    pub async fn delete_sessions_of_grant(&self, grant: &GrantId) -> Result<u64, StoreError> {
        let gone = query("DELETE FROM sessions WHERE grant_id = $1").bind(grant.as_str()).execute(self.write());
        Ok(gone.await?.rows_affected())
    }

    /// Forgets the sessions of a grant beyond `of_grant` and of a user beyond `of_user`, those used last the longest ago first, but none
    /// in `spare`, and none that another living replica than `me` holds; says which.
    pub async fn trim_sessions(
        &self,
        user: &UserId,
        grant: &GrantId,
        of_user: usize,
        of_grant: usize,
        spare: &[[u8; 32]],
        me: &str,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let now = self.clock_sql();
        // What another replica holds may be in use there.
        let theirs = format!(
            "EXISTS (SELECT 1 FROM replicas r WHERE r.id = s.owner AND r.id <> $2 AND r.life = s.owner_life AND r.lease_until > {now})"
        );
        let of_a_grant = "sessions s WHERE s.grant_id = $1";
        let of_a_user = "sessions s JOIN grants g ON g.id = s.grant_id WHERE g.user_id = $1";
        // Nearly always there are not too many: then none is read.
        let counts = query(
            "SELECT count(*) AS of_user, count(CASE WHEN s.grant_id = $2 THEN 1 END) AS of_grant \
             FROM sessions s JOIN grants g ON g.id = s.grant_id WHERE g.user_id = $1",
        );
        let counts = counts.bind(user.as_str()).bind(grant.as_str()).fetch_one(self.read()).await?;
        let there =
            |column| Ok::<_, StoreError>(usize::try_from(counts.try_get::<i64, _>(column)?).unwrap_or_default());
        let mut forgotten = Vec::new();
        for (sessions, owner, there, kept) in [
            (of_a_grant, grant.as_str(), there("of_grant")?, of_grant),
            (of_a_user, user.as_str(), there("of_user")?, of_user),
        ] {
            let surplus = there.saturating_sub(forgotten.len()).saturating_sub(kept);
            if surplus == 0 {
                continue;
            }
            let oldest_first = format!(
                "SELECT s.id_hash FROM {sessions} AND NOT {theirs} ORDER BY s.last_seen, s.created_at LIMIT $3"
            );
            let most = i64::try_from(surplus.saturating_add(spare.len())).unwrap_or(i64::MAX);
            let rows =
                query(AssertSqlSafe(oldest_first)).bind(owner).bind(me).bind(most).fetch_all(self.read()).await?;
            let mut gone = 0;
            for row in &rows {
                let id_hash = hash(row, TABLE, "id_hash")?;
                if !spare.contains(&id_hash) {
                    self.delete_session(&id_hash, None).await?;
                    forgotten.push(id_hash);
                    gone += 1;
                }
                if gone == surplus {
                    break;
                }
            }
        }
        Ok(forgotten)
    }

    /// How many sessions are stored.
    pub async fn session_count(&self) -> Result<u64, StoreError> {
        let count: i64 = query_scalar("SELECT count(*) FROM sessions").fetch_one(self.read()).await?;
        Ok(count.unsigned_abs())
    }

    /// Forgets sessions last used before `last_seen_before`; says how many there were.
    pub async fn purge_sessions(&self, last_seen_before: Timestamp) -> Result<u64, StoreError> {
        let gone = query("DELETE FROM sessions WHERE last_seen < $1").bind(last_seen_before.0);
        Ok(gone.execute(self.write()).await?.rows_affected())
    }
}

// === impl Written ===

impl Written {
    fn new(keys: &KeyRing, session: &SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            initialize: seal_initialize(keys, session)?,
            subscriptions: to_json(&session.subscriptions)?,
            session: SessionRow { initialize: Vec::new(), ..session.clone() },
        })
    }
}

// === impl Insertion ===

impl Work for Insertion {
    type Done = bool;

    async fn run(&self, tx: &mut Connection) -> Result<bool, StoreError> {
        let Written { session, initialize, subscriptions } = &self.written;
        let written = query(tx.locking(
            "INSERT INTO sessions (id_hash, grant_id, protocol_version, initialize, initialized, log_level, subscriptions, \
             created_at, last_seen, owner, owner_life, epoch) SELECT $1, g.id, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM grants g \
             WHERE g.id = $2 AND g.user_id = $3 AND g.client_id = $4 AND g.revoked_at IS NULL",
        ))
        .bind(session.id_hash.as_slice())
        .bind(session.grant.as_str())
        .bind(session.user.as_str())
        .bind(session.client.as_str())
        .bind(&session.protocol_version)
        .bind(initialize)
        .bind(session.initialized)
        .bind(&session.log_level)
        .bind(subscriptions)
        .bind(session.created_at.0)
        .bind(session.last_seen.0)
        .bind(self.owner.as_ref().map(|owner| owner.id.as_str()))
        .bind(self.owner.as_ref().map(|owner| owner.life))
        .bind(session.epoch)
        .execute(tx)
        .await?;
        Ok(written.rows_affected() == 1)
    }
}

// === impl Change ===

impl Work for Change {
    type Done = bool;

    async fn run(&self, tx: &mut Connection) -> Result<bool, StoreError> {
        let Written { session, initialize, subscriptions } = &self.0;
        if tx.is_shared() {
            let grant = query(tx.locking("SELECT id FROM grants WHERE id = $1")).bind(session.grant.as_str());
            grant.fetch_optional(&mut *tx).await?;
        }
        let written = query(
            "UPDATE sessions SET grant_id = $2, initialized = $3, log_level = $4, subscriptions = $5, last_seen = $6, \
             initialize = CASE WHEN substr(initialize, 1, 5) = substr($7, 1, 5) THEN initialize ELSE $7 END \
             WHERE id_hash = $1 AND epoch = $8 AND EXISTS (SELECT 1 FROM grants new JOIN grants old \
             ON old.user_id = new.user_id AND old.client_id = new.client_id \
             WHERE new.id = $2 AND new.revoked_at IS NULL AND old.id = sessions.grant_id)",
        )
        .bind(session.id_hash.as_slice())
        .bind(session.grant.as_str())
        .bind(session.initialized)
        .bind(&session.log_level)
        .bind(subscriptions)
        .bind(session.last_seen.0)
        .bind(initialize)
        .bind(session.epoch)
        .execute(tx)
        .await?;
        Ok(written.rows_affected() == 1)
    }
}

// === impl SessionRow ===

impl SessionRow {
    fn read(row: &Row, keys: &KeyRing) -> Result<Self, StoreError> {
        let id_hash = hash(row, TABLE, "id_hash")?;
        let id = hex::encode(id_hash);
        let initialize = keys
            .open(row.try_get(INITIALIZE)?, &row_aad(TABLE, INITIALIZE, &id))
            .map_err(|source| StoreError::Sealed { table: TABLE, column: INITIALIZE, row: id.clone(), source })?;
        let subscriptions: &str = row.try_get("subscriptions")?;
        Ok(Self {
            id_hash,
            user: row.try_get::<String, _>("user_id")?.into(),
            client: row.try_get::<String, _>("client_id")?.into(),
            grant: row.try_get::<String, _>("grant_id")?.into(),
            protocol_version: row.try_get("protocol_version")?,
            initialize: initialize.to_vec(),
            initialized: row.try_get("initialized")?,
            log_level: row.try_get("log_level")?,
            subscriptions: serde_json::from_str(subscriptions).map_err(|_| StoreError::Corrupt {
                table: TABLE,
                column: "subscriptions",
                row: id,
            })?,
            created_at: time(row, "created_at")?,
            last_seen: time(row, "last_seen")?,
            epoch: row.try_get("epoch")?,
        })
    }
}

impl fmt::Debug for SessionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRow")
            .field("grant", &self.grant)
            .field("protocol_version", &self.protocol_version)
            .field("last_seen", &self.last_seen)
            .finish_non_exhaustive()
    }
}

fn seal_initialize(keys: &KeyRing, session: &SessionRow) -> Result<Vec<u8>, StoreError> {
    keys.seal(&session.initialize, &row_aad(TABLE, INITIALIZE, &hex::encode(session.id_hash)))
        .map_err(|_| StoreError::NotSealed { table: TABLE })
}

fn to_json(subscriptions: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(subscriptions).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

#[cfg(test)]
mod tests;
