//! Hears on PostgreSQL that the sequence of revocations has grown. A notification is only a hint to read it: what one says, or whether all of
//! them came, nobody relies on.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::database::{Database, Server, limited};
use crate::error::StoreError;
use crate::revocations::CHANNEL;
use crate::store::Store;

/// A connection of its own that listens. [`Store::listener`] makes it.
#[derive(Debug)]
pub struct Listener {
    server: Server,
    listening: Option<PgListener>,
}

/// A connection that says nothing is asked after this time whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);
/// How long an answer to that is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Store ===

impl Store {
    /// What hears of new entries; `None` on a database that can't tell.
    #[must_use]
    pub fn listener(&self) -> Option<Listener> {
        match self.database() {
            Database::Sqlite(_) => None,
            Database::Postgres(server) => Some(Listener { server: (**server).clone(), listening: None }),
        }
    }
}

// === impl Listener ===

impl Listener {
    /// Waits until there is reason to read the sequence: somebody added to it, or nobody was listening for a while. May be dropped and
    /// called again; then nothing is missed.
    ///
    /// # Errors
    /// The connection is gone and there is no new one. The next call tries again.
    pub async fn heard(&mut self) -> Result<(), StoreError> {
        let Some(listening) = &mut self.listening else {
            self.listening = Some(limited(PATIENCE, connect(&self.server)).await?);
            return Ok(());
        };
        loop {
            match tokio::time::timeout(SILENCE, listening.try_recv()).await {
                Ok(Ok(Some(_))) => return Ok(()),
                Ok(Ok(None) | Err(_)) => break,
                Err(_) => {
                    if limited(PATIENCE, sqlx::Executor::execute(&mut *listening, "SELECT 1")).await.is_err() {
                        break;
                    }
                }
            }
        }
        self.listening = None;
        Ok(())
    }
}

async fn connect(server: &Server) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(server.listen_options());
    let mut listening = PgListener::connect_with(&pool).await?;
    listening.ignore_pool_close_event(true);
    listening.eager_reconnect(false);
    listening.listen(CHANNEL).await?;
    Ok(listening)
}

#[cfg(test)]
mod tests {
    use oauth::clock::Timestamp;

    use crate::testing::{Kind, Login, Scratch, logged_in};

    const LONG: std::time::Duration = std::time::Duration::from_mins(1);

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_listens_hears_of_a_revocation_and_after_a_lost_connection_reads_at_once() {
        let at = Scratch::of_its_own();
        let store = at.store().await;
        logged_in(&store).await;
        Login::of("g2").write(&store).await.unwrap();
        let mut listener = store.listener().unwrap();
        listener.heard().await.unwrap();

        store.revoke_grant(&"g".into(), Timestamp(1)).await.unwrap();
        tokio::time::timeout(LONG, listener.heard()).await.expect("a notification comes").unwrap();
        assert_eq!(store.last_revocation().await.unwrap(), 1);

        let listening = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        assert_eq!(at.run(listening), "1");
        tokio::time::timeout(LONG, listener.heard()).await.expect("the loss is noticed").unwrap();
        tokio::time::timeout(LONG, listener.heard()).await.expect("there is a new connection").unwrap();
        store.revoke_grant(&"g2".into(), Timestamp(2)).await.unwrap();
        tokio::time::timeout(LONG, listener.heard()).await.expect("which hears").unwrap();
    }

    #[tokio::test]
    async fn on_sqlite_nobody_can_listen() {
        assert!(Scratch::new(Kind::Sqlite).store().await.listener().is_none());
    }
}
