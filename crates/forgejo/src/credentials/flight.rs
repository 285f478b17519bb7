//! A flight: from "this credential needs attention" to a row that may be used, or the reason why there is none.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use secrecy::SecretString;

use super::{
    CredentialEvent, Inner, RefreshOutcome,
    parked::Put,
    same,
    slot::{Flight, HOLD_OFF_S, HoldOff, Landing, Row, Slot, living},
};
use crate::{
    credential_store::{CredentialStoreUnavailable, IssuedPair},
    oauth_client::{IdentityError, RefreshError},
    token_source::CredentialError,
};

/// A lease covers at least this, and a refresh that takes its full time in any case.
const LEASE_MS: i64 = 30_000;

/// How often, and how long in total (10 s), the row is read while another process holds the lease.
const LEASE_POLL: Duration = Duration::from_millis(250);
const LEASE_POLLS: u32 = 40;

/// A row can move only so often under a death mark.
const BURY_TRIES: u32 = 5;

/// Waited after a failure that will not pass by itself.
const LONG_HOLD_OFF_S: u32 = 60;

/// Waited while another process refreshes and the token is still good.
const OTHERS_HOLD_OFF_S: u32 = 2;

/// Why there is a flight.
#[derive(Clone)]
pub(super) enum Purpose {
    /// A current token is wanted.
    Current,
    /// Forgejo refused this one.
    After401(SecretString),
}

/// What reading the row led to.
enum Claim {
    /// Nothing to refresh.
    Settled(Row),
    /// We hold the lease on this row.
    Leased(Row),
}

// === impl Inner ===

impl Inner {
    /// Joins the flight that is under way for this user, or starts one. The task runs to its end whether or not anybody waits.
    pub(super) fn fly(self: &Arc<Self>, user: &Arc<str>, slot: &mut Slot, purpose: Purpose) -> Flight {
        // A landing that can be peeked at is over; only a task that panicked leaves one behind.
        let under_way = slot.flight.take().filter(|flight| flight.landing.peek().is_none());
        let before = match under_way {
            Some(flight) if flight.generation == slot.generation => {
                slot.flight = Some(flight.clone());
                return flight;
            }
            other => other,
        };
        let generation = slot.generation;
        let about_401 = matches!(purpose, Purpose::After401(_));
        let (inner, user) = (Arc::clone(self), Arc::clone(user));
        let task = self.flights.spawn(async move {
            // One that a login has made void may still be refreshing: two at once would share one lease.
            if let Some(before) = before {
                let _void = before.await;
            }
            let landing = inner.settle(&user, &purpose).await;
            inner.learn(&user, generation, landing.clone());
            if let Some(slot) = inner.slots.lock().get_mut(&user)
                && slot.flight.as_ref().is_some_and(|flight| flight.generation == generation)
            {
                slot.flight = None;
            }
            landing
        });
        let landing = task.map(|joined| {
            joined.unwrap_or_else(|error| Err(unavailable(format!("the refresh ended early: {error}"), HOLD_OFF_S)))
        });
        let flight = Flight { generation, about_401, landing: landing.boxed().shared() };
        slot.flight = Some(flight.clone());
        flight
    }

    async fn settle(self: &Arc<Self>, user: &Arc<str>, purpose: &Purpose) -> Landing {
        let row = match self.claim(user, purpose).await? {
            Claim::Settled(row) => return Ok(row),
            Claim::Leased(row) => row,
        };
        let refreshed = self.client.refresh(&row.refresh_token).await;
        (self.events)(CredentialEvent::Refreshed(RefreshOutcome::of(&refreshed)));
        match refreshed {
            Ok(pair) => self.keep(user, &row, pair).await,
            Err(error) => {
                let landing = self.not_refreshed(user, row, error, purpose).await;
                // Whatever was written has cleared the lease already; then this changes nothing.
                if let Err(error) = self.store.release(Arc::clone(user), self.owner.clone()).await {
                    tracing::warn!(forgejo.user = %user, %error, "a refresh lease could not be given back; it runs out by itself");
                }
                landing
            }
        }
    }

    async fn claim(self: &Arc<Self>, user: &Arc<str>, purpose: &Purpose) -> Result<Claim, CredentialError> {
        for _ in 0..LEASE_POLLS {
            let row = self.read(user).await?;
            let now = self.now();
            match purpose {
                Purpose::Current if now < row.due_at() => return Ok(Claim::Settled(row)),
                Purpose::After401(failed) if !same(failed, &row.access_token) && now < row.expires_at => {
                    return Ok(Claim::Settled(row));
                }
                Purpose::After401(_) => {
                    let (forced, held) =
                        self.with_slot(user, |slot| (slot.forced_lately(now), slot.hold_off(now).is_some()));
                    // One that is due by the clock is no forced one.
                    let forced = forced && now < row.due_at();
                    if forced || held {
                        return self.alive(user, row, forced).await.map(Claim::Settled);
                    }
                }
                Purpose::Current => {}
            }
            if self.take_lease(user, &row, now).await? {
                if matches!(purpose, Purpose::After401(_)) {
                    self.with_slot(user, |slot| slot.forced_at = Some(now));
                }
                return Ok(Claim::Leased(row));
            }
            if matches!(purpose, Purpose::Current) && now < row.expires_at {
                self.hold_off(user, OTHERS_HOLD_OFF_S, "another process is refreshing this credential".to_owned());
                return Ok(Claim::Settled(row));
            }
            tokio::time::sleep(LEASE_POLL).await;
        }
        Err(unavailable(
            "another process is refreshing this credential and does not finish".to_owned(),
            OTHERS_HOLD_OFF_S,
        ))
    }

    /// The row, or what this process holds in memory if that is later.
    async fn read(self: &Arc<Self>, user: &Arc<str>) -> Landing {
        let row = match self.store.load(Arc::clone(user)).await? {
            Some(row) => Arc::new(row),
            None => return Err(CredentialError::Unknown),
        };
        if self.with_slot(user, |slot| slot.parked.is_some()) { self.unpark(user, row).await } else { living(row) }
    }

    async fn take_lease(&self, user: &Arc<str>, row: &Row, now: i64) -> Result<bool, CredentialStoreUnavailable> {
        let request = i64::try_from(self.client.request_timeout().as_millis()).unwrap_or(LEASE_MS);
        let until = now + LEASE_MS.max(request + 10_000);
        self.store.lease(Arc::clone(user), row.version, self.owner.clone(), now, until).await
    }

    /// Stores the new pair, then asks whether its user may use Forgejo: a refresh succeeds for a deactivated one too.
    async fn keep(self: &Arc<Self>, user: &Arc<str>, row: &Row, pair: IssuedPair) -> Landing {
        let row = match self.put_at_once(user, row, &pair).await {
            Ok(Put::Written(row)) => row,
            Ok(Put::Superseded(landing)) => return landing,
            Ok(Put::NoSuchUser) => return Err(CredentialError::Unknown),
            Err(error) => {
                tracing::error!(forgejo.user = %user, %error, "a new Forgejo credential could not be stored; it is used from memory while the write is repeated");
                let row = row.with(&pair);
                self.park(user, pair);
                row
            }
        };
        self.with_slot(user, |slot| slot.hold_off = None);
        match self.client.identity(&row.access_token).await {
            Ok(_) => {
                self.found_alive(user);
                Ok(row)
            }
            Err(IdentityError::Unreachable(error)) => {
                tracing::debug!(forgejo.user = %user, %error, "the user could not be checked after a refresh");
                Ok(row)
            }
            Err(error @ (IdentityError::TokenRejected(_) | IdentityError::Blocked(_))) => {
                self.bury(user, row, error.to_string()).await
            }
        }
    }

    async fn not_refreshed(
        self: &Arc<Self>,
        user: &Arc<str>,
        row: Row,
        error: RefreshError,
        purpose: &Purpose,
    ) -> Landing {
        let (reason, seconds) = match &error {
            RefreshError::Refused(_) => return self.refused(user, row, error.to_string()).await,
            RefreshError::ClientRejected(denial) => {
                tracing::error!(forgejo.user = %user, %error, hint = denial.hint(), "Forgejo does not accept this broker's OAuth application: no credential can be refreshed");
                (error.to_string(), LONG_HOLD_OFF_S)
            }
            RefreshError::Unreachable(unreachable) => {
                tracing::warn!(forgejo.user = %user, %error, "a Forgejo credential could not be refreshed");
                (error.to_string(), unreachable.retry_after.unwrap_or(HOLD_OFF_S))
            }
        };
        self.hold_off(user, seconds, reason.clone());
        let usable = match purpose {
            Purpose::Current => self.now() < row.expires_at,
            // It counts as no forced refresh, and only Forgejo's own word makes a token good that it has just refused.
            Purpose::After401(_) => {
                self.with_slot(user, |slot| slot.forced_at = None);
                let alive = self.client.identity(&row.access_token).await.is_ok();
                if alive {
                    self.found_alive(user);
                }
                alive
            }
        };
        if usable { Ok(row) } else { Err(unavailable(reason, seconds)) }
    }

    /// The refresh token is used up. Whether the credential is depends on what else there is.
    async fn refused(self: &Arc<Self>, user: &Arc<str>, row: Row, reason: String) -> Landing {
        let current = self.read(user).await?;
        if current.holds_another_pair_than(&row) {
            tracing::info!(forgejo.user = %user, "a refresh was refused because somebody else has made it; the stored credential is used");
            return Ok(current);
        }
        if self.now() >= current.expires_at {
            return self.bury(user, current, reason).await;
        }
        match self.client.identity(&current.access_token).await {
            Ok(_) => {
                tracing::warn!(forgejo.user = %user, reason, "the refresh token is used up; the access token serves to its end, then the user must log in");
                self.found_alive(user);
                self.hold_off(user, LONG_HOLD_OFF_S, reason);
                // There is no use in forcing another refresh: the next refusal of the access token is the end.
                let now = self.now();
                self.with_slot(user, |slot| slot.forced_at = Some(now));
                Ok(current)
            }
            Err(IdentityError::Blocked(blocked)) => self.bury(user, current, blocked.to_string()).await,
            Err(IdentityError::TokenRejected(_)) => self.bury(user, current, reason).await,
            Err(IdentityError::Unreachable(error)) => Err(self.pass(user, &error.to_string(), error.retry_after)),
        }
    }

    /// Asks Forgejo whether a token that one request was refused with is good elsewhere. `settled`: it was refreshed within the last
    /// minute, or for good could not be, so that a refusal here is the end.
    async fn alive(self: &Arc<Self>, user: &Arc<str>, row: Row, settled: bool) -> Landing {
        let now = self.now();
        if self.with_slot(user, |slot| slot.found_alive_lately(now)) {
            return Ok(row);
        }
        match self.client.identity(&row.access_token).await {
            Ok(_) => {
                self.found_alive(user);
                Ok(row)
            }
            Err(IdentityError::Unreachable(error)) => Err(self.pass(user, &error.to_string(), error.retry_after)),
            Err(error) if settled => self.bury(user, row, error.to_string()).await,
            Err(error) => Err(unavailable(error.to_string(), HOLD_OFF_S)),
        }
    }

    /// Writes that the user must log in, unless the row has got another credential meanwhile.
    pub(super) async fn bury(self: &Arc<Self>, user: &Arc<str>, mut row: Row, reason: String) -> Landing {
        for _ in 0..BURY_TRIES {
            if self.store.mark_dead(Arc::clone(user), row.version, reason.clone()).await? {
                tracing::warn!(forgejo.user = %user, reason, "a Forgejo credential has died; the user must log in again");
                self.with_slot(user, |slot| slot.parked = None);
                return Err(CredentialError::Dead(reason));
            }
            let current = self.read(user).await?;
            if current.holds_another_pair_than(&row) {
                return Ok(current);
            }
            row = current;
        }
        Err(unavailable("the row of this credential keeps moving".to_owned(), HOLD_OFF_S))
    }

    fn found_alive(&self, user: &Arc<str>) {
        let now = self.now();
        self.with_slot(user, |slot| slot.alive_at = Some(now));
    }

    fn pass(&self, user: &Arc<str>, reason: &str, retry_after: Option<u32>) -> CredentialError {
        let seconds = retry_after.unwrap_or(HOLD_OFF_S);
        self.hold_off(user, seconds, reason.to_owned());
        unavailable(reason.to_owned(), seconds)
    }

    fn hold_off(&self, user: &Arc<str>, seconds: u32, reason: String) {
        let until = self.now() + i64::from(seconds) * 1000;
        self.with_slot(user, |slot| slot.hold_off = Some(HoldOff { until, reason }));
    }

    pub(super) fn with_slot<T>(&self, user: &Arc<str>, look: impl FnOnce(&mut Slot) -> T) -> T {
        look(self.slots.lock().entry(Arc::clone(user)).or_default())
    }
}

// === impl RefreshOutcome ===

impl RefreshOutcome {
    fn of(refreshed: &Result<IssuedPair, RefreshError>) -> Self {
        match refreshed {
            Ok(_) => Self::Renewed,
            Err(RefreshError::Refused(_)) => Self::Refused,
            Err(RefreshError::ClientRejected(_)) => Self::ClientRejected,
            Err(RefreshError::Unreachable(_)) => Self::Unreachable,
        }
    }
}

fn unavailable(reason: String, retry_after: u32) -> CredentialError {
    CredentialError::Unavailable { reason, retry_after }
}
