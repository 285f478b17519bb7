//! The clock: credentials are refreshed before anybody has to wait for it.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    Credentials, Inner,
    flight::Purpose,
    slot::{OLDEST_PAIR_MS, Standing},
};

const TICK: Duration = Duration::from_mins(1);

/// Tokens that end within this time are looked at; each is refreshed when its own lead has come.
const HORIZON_MS: i64 = 6 * 60 * 1000;

/// Users without a request for this long are refreshed when they come again.
const ACTIVE_MS: i64 = 3600 * 1000;

/// At most this many per tick, and at once.
const PER_TICK: u32 = 500;
const AT_ONCE: usize = 8;

/// An expired token is kept in memory this long.
const REMEMBERED_MS: i64 = 3600 * 1000;

// === impl Credentials ===

impl Credentials {
    /// Refreshes by the clock until cancelled, then lets the flights under way land and tries once more to store what is only in
    /// memory. Takes at most the time of one request to Forgejo and five seconds to end.
    pub async fn run(&self, cancel: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let rounds = async {
            loop {
                tick.tick().await;
                self.inner.round().await;
            }
        };
        tokio::select! {
            () = cancel.cancelled() => {}
            () = rounds => {}
        }
        self.inner.land_all().await;
    }
}

// === impl Inner ===

impl Inner {
    pub(super) async fn round(self: &Arc<Self>) {
        let now = self.now();
        self.drop_expired(now);
        let due = self.store.due(now - OLDEST_PAIR_MS, now + HORIZON_MS, now - ACTIVE_MS, PER_TICK).await;
        let users = match due {
            Ok(users) => users,
            Err(error) => {
                tracing::warn!(%error, "credentials that are due could not be listed");
                return;
            }
        };
        stream::iter(users)
            .for_each_concurrent(AT_ONCE, async |user| {
                let flight = self.with_slot(&user, |slot| {
                    let held = slot.hold_off(now).is_some();
                    (!held).then(|| self.fly(&user, slot, Purpose::Current))
                });
                if let Some(flight) = flight {
                    // The flight has logged what there is to say.
                    let _landing = flight.await;
                }
            })
            .await;
    }

    /// Drops tokens that nobody has asked for since they expired.
    fn drop_expired(&self, now: i64) {
        self.slots.lock().retain(|_, slot| {
            let needed = match &slot.standing {
                Standing::Live(row) => now < row.expires_at + REMEMBERED_MS,
                Standing::Unread => slot.hold_off(now).is_some(),
                // Holds no secret, and tells a login that it is a revival.
                Standing::Dead { .. } => true,
            };
            needed || slot.flight.is_some() || slot.parked.is_some()
        });
    }

    async fn land_all(self: &Arc<Self>) {
        self.flights.close();
        let longest = self.client.request_timeout() + Duration::from_secs(5);
        if tokio::time::timeout(longest, self.flights.wait()).await.is_err() {
            tracing::warn!("a refresh is still under way at the end");
        }
        let parked: Vec<Arc<str>> = {
            let slots = self.slots.lock();
            slots.iter().filter(|(_, slot)| slot.parked.is_some()).map(|(user, _)| Arc::clone(user)).collect()
        };
        for user in parked {
            if !self.write_parked(&user).await {
                tracing::error!(forgejo.user = %user, "a Forgejo credential could not be stored before the end; the user will have to log in again");
            }
        }
    }
}
