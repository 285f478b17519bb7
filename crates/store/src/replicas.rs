//! Brokers that share the database, and which of them holds which session.
//!
//! Leases are judged by the database's clock alone: the replicas' may disagree. A replica renews one row, whatever it holds; a session is
//! held if its owner's lease, in the life in which it took the session, is good. Taking one over is a comparison of its epoch and a swap.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::database::{Pool, Row, query};
use crate::error::StoreError;
use crate::examine::Neighbourhood;
use crate::sessions::SessionRow;
use crate::store::Store;

/// How often a session that others take or release at the same moment is looked at again.
const TRIES: usize = 8;
/// How long the row of a replica that is not there any more is kept.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// A replica in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub id: String,
    /// Grows with each lease that is not a renewal.
    pub life: i64,
}

/// A replica whose lease is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveReplica {
    /// Who it is.
    pub owner: Owner,
    /// Where other replicas reach it.
    pub address: Option<String>,
    /// What each user has open there, as it said itself (JSON).
    pub usage: String,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The asker's. `from` is the one who had it until now and whose lease has run out.
    Mine {
        /// The session, under its present epoch.
        session: SessionRow,
        /// Whom it was taken from.
        from: Option<String>,
    },
    /// A living replica's.
    Theirs {
        /// Whose.
        owner: Owner,
        /// Where that is reached.
        address: Option<String>,
        /// The session's epoch.
        epoch: i64,
    },
    /// There is none.
    Absent,
    /// The asker has no lease, so it can take nothing.
    NoLease,
}

// === impl Store ===

impl Store {
    /// Begins a new life of a replica; says which. What it held in earlier ones is nobody's from here on.
    pub async fn register_replica(&self, id: &str, address: Option<&str>, lease: Duration) -> Result<i64, StoreError> {
        let now = self.clock_sql();
        let text = format!(
            "INSERT INTO replicas (id, life, address, usage, lease_until) VALUES ($1, {now}, $2, '{{}}', {now} + $3) \
             ON CONFLICT (id) DO UPDATE SET address = excluded.address, usage = excluded.usage, lease_until = excluded.lease_until, \
             life = CASE WHEN excluded.life > replicas.life THEN excluded.life ELSE replicas.life + 1 END RETURNING life"
        );
        let row = query(AssertSqlSafe(text)).bind(id).bind(address).bind(millis(lease)).fetch_one(self.write()).await?;
        Ok(row.try_get("life")?)
    }

    /// Renews a lease that is good. `false` if it is not, or the replica has begun another life.
    pub async fn renew_replica(&self, owner: &Owner, lease: Duration, usage: &str) -> Result<bool, StoreError> {
        let now = self.clock_sql();
        let text = format!(
            "UPDATE replicas SET lease_until = {now} + $3, usage = $4 WHERE id = $1 AND life = $2 AND lease_until > {now}"
        );
        let renewed = query(AssertSqlSafe(text)).bind(&owner.id).bind(owner.life).bind(millis(lease)).bind(usage);
        Ok(renewed.execute(self.write()).await?.rows_affected() == 1)
    }

    /// Ends a lease before its time: whatever the replica held is nobody's at once.
    pub async fn retire_replica(&self, owner: &Owner) -> Result<(), StoreError> {
        let ended = query("UPDATE replicas SET lease_until = 0, usage = '{}' WHERE id = $1 AND life = $2");
        ended.bind(&owner.id).bind(owner.life).execute(self.write()).await?;
        Ok(())
    }

    /// All replicas whose leases are good.
    pub async fn live_replicas(&self) -> Result<Vec<LiveReplica>, StoreError> {
        let now = self.clock_sql();
        let text = format!("SELECT id, life, address, usage FROM replicas WHERE lease_until > {now} ORDER BY id");
        let rows = query(AssertSqlSafe(text)).fetch_all(self.read()).await?;
        Ok(rows.iter().map(LiveReplica::read).collect::<Result<_, _>>()?)
    }

    /// The replica of this name, if its lease is good.
    pub async fn live_replica(&self, id: &str) -> Result<Option<LiveReplica>, StoreError> {
        let now = self.clock_sql();
        let text = format!("SELECT id, life, address, usage FROM replicas WHERE id = $1 AND lease_until > {now}");
        let row = query(AssertSqlSafe(text)).bind(id).fetch_optional(self.read()).await?;
        Ok(row.as_ref().map(LiveReplica::read).transpose()?)
    }

    /// Forgets replicas that have not been there for a week; says how many.
    pub async fn forget_replicas(&self) -> Result<u64, StoreError> {
        let now = self.clock_sql();
        // One that has retired has no time of its end; its life tells about when it began.
        let text = format!("DELETE FROM replicas WHERE lease_until < {now} - $1 AND life < {now} - $1");
        let gone = query(AssertSqlSafe(text)).bind(millis(KEPT)).execute(self.write()).await?;
        Ok(gone.rows_affected())
    }

    /// The database's clock, in milliseconds since the Unix epoch.
    pub async fn database_clock(&self) -> Result<i64, StoreError> {
        let text = format!("SELECT {} AS now", self.clock_sql());
        Ok(query(AssertSqlSafe(text)).fetch_one(self.read()).await?.try_get("now")?)
    }

    /// A session by the hash of its id, taken for `me` if no living replica holds it.
    pub async fn take_session(&self, id_hash: &[u8; 32], me: &Owner) -> Result<Taken, StoreError> {
        let now = self.clock_sql();
        let held = format!(
            "EXISTS (SELECT 1 FROM replicas r WHERE r.id = sessions.owner AND r.life = sessions.owner_life AND r.lease_until > {now})"
        );
        let take = format!(
            "UPDATE sessions SET owner = $2, owner_life = $3, epoch = epoch + 1 WHERE id_hash = $1 AND epoch = $4 AND NOT {held} \
             AND EXISTS (SELECT 1 FROM replicas me WHERE me.id = $2 AND me.life = $3 AND me.lease_until > {now})"
        );
        for _ in 0..TRIES {
            let Some((session, holder)) = self.session_with_holder(id_hash).await? else { return Ok(Taken::Absent) };
            let from = match holder {
                Some(holder) if holder.owner == *me => return Ok(Taken::Mine { session, from: None }),
                Some(Holder { owner, address, lives: true }) => {
                    return Ok(Taken::Theirs { owner, address, epoch: session.epoch });
                }
                Some(holder) => Some(holder.owner.id),
                None => None,
            };
            let taken = query(AssertSqlSafe(take.clone()))
                .bind(id_hash.as_slice())
                .bind(&me.id)
                .bind(me.life)
                .bind(session.epoch)
                .execute(self.write())
                .await?;
            if taken.rows_affected() == 1 {
                let session = SessionRow { epoch: session.epoch + 1, ..session };
                return Ok(Taken::Mine { session, from });
            }
            if self.live_replica(&me.id).await?.is_none_or(|live| live.owner != *me) {
                return Ok(Taken::NoLease);
            }
        }
        // Others take it from each other again and again; whoever asks comes back.
        Ok(Taken::NoLease)
    }

    /// Makes a session nobody's, if it is `owner`'s and has this epoch. Whether it was.
    pub async fn release_session(&self, id_hash: &[u8; 32], owner: &Owner, epoch: i64) -> Result<bool, StoreError> {
        let released = query(
            "UPDATE sessions SET owner = NULL, owner_life = NULL \
             WHERE id_hash = $1 AND owner = $2 AND owner_life = $3 AND epoch = $4",
        )
        .bind(id_hash.as_slice())
        .bind(&owner.id)
        .bind(owner.life)
        .bind(epoch)
        .execute(self.write())
        .await?;
        Ok(released.rows_affected() == 1)
    }
}

/// All replicas whose leases are good, and the clock that says so.
pub(crate) async fn look(pool: &Pool) -> Result<Neighbourhood, sqlx::Error> {
    let now = pool.clock_sql();
    let live = format!("SELECT id, life, address, usage FROM replicas WHERE lease_until > {now} ORDER BY id");
    let rows = query(AssertSqlSafe(live)).fetch_all(pool).await?;
    let row = query(AssertSqlSafe(format!("SELECT {now} AS now"))).fetch_one(pool).await?;
    Ok(Neighbourhood {
        live: rows.iter().map(LiveReplica::read).collect::<Result<_, _>>()?,
        clock: row.try_get("now")?,
    })
}

/// Who has a session, rightly or not.
pub(crate) struct Holder {
    pub(crate) owner: Owner,
    pub(crate) address: Option<String>,
    pub(crate) lives: bool,
}

// === impl LiveReplica ===

impl LiveReplica {
    fn read(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            owner: Owner { id: row.try_get("id")?, life: row.try_get("life")? },
            address: row.try_get("address")?,
            usage: row.try_get("usage")?,
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
