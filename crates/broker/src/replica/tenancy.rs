//! This replica's lease at the database, and with it the right to serve the sessions that are its own.
//!
//! The database's clock decides when a lease is over; the replica measures its own from before it asked for it, on a clock that goes on while
//! the machine sleeps, and stops serving a margin before that. So whatever its clock says, and however late an answer of the database comes, it
//! has stopped before anybody else may begin. A lease that was lost is not renewed: the replica begins another life, and takes its sessions
//! again one by one as their clients come back, or finds that others have.

use std::sync::Arc;
use std::time::Duration;

use bridge::bridge::Bridge;
use bridge::replica::Lease;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use store::replicas::Owner;
use store::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::usage;
use crate::metrics::Metrics;

/// A lease is renewed so often while it lasts, and the last of these parts is the margin.
const PARTS: u32 = 5;
/// Why a lease is lost, for the log.
const NOT_IN_TIME: &str = "it was not renewed in time";
/// Between two looks at a lease that is lost.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Between attempts to begin another life.
const PAUSE: Duration = Duration::from_millis(500);

/// A replica's place among the others.
pub(crate) struct Tenancy {
    store: Store,
    id: Arc<str>,
    address: Option<String>,
    lease: Duration,
    term: Mutex<Term>,
    /// Given back for good.
    retired: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct Term {
    life: i64,
    /// When it has to stop serving, in milliseconds of [`uptime`].
    until: i64,
    /// Whether it has stopped.
    lost: bool,
}

/// What became of an attempt to renew.
enum Renewal {
    Renewed,
    Refused,
    Failed(StoreError),
    /// There was no answer in time.
    Late,
}

// === impl Tenancy ===

impl Tenancy {
    /// Begins a life. Other replicas reach this one at `address`.
    pub(crate) async fn begin(
        store: Store,
        id: Arc<str>,
        address: Option<String>,
        lease: Duration,
    ) -> Result<Arc<Self>, StoreError> {
        let tenancy = Self {
            store,
            id,
            address,
            lease,
            term: Mutex::new(Term { life: 0, until: 0, lost: true }),
            retired: CancellationToken::new(),
        };
        tenancy.register().await?;
        Ok(Arc::new(tenancy))
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// How long the database holds a lease that is not renewed.
    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    /// Who this is, while the lease is held.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let term = *self.term.lock();
        (uptime() < term.until).then(|| Owner { id: self.id.to_string(), life: term.life })
    }

    /// Renews the lease until `cancel` or until it is given back, and ends all sessions when that fails for too long.
    pub(crate) async fn keep(self: Arc<Self>, bridge: Bridge, metrics: Metrics, cancel: CancellationToken) {
        let keep = async {
            tokio::join!(self.renew_on_and_on(&bridge, &metrics), self.stop_in_time(&bridge, &metrics));
        };
        Box::pin(cancel.run_until_cancelled(self.retired.run_until_cancelled(keep))).await;
    }

    async fn renew_on_and_on(&self, bridge: &Bridge, metrics: &Metrics) {
        let mut silent = false;
        loop {
            sleep(self.left().min(self.lease / PARTS)).await;
            let Some(owner) = self.owner() else {
                // Before another life begins, whichever of the two sees it first.
                self.lose(bridge, metrics, NOT_IN_TIME);
                self.begin_again().await;
                continue;
            };
            match self.renew(&owner, &usage::to_json(&bridge.usage())).await {
                Renewal::Renewed => silent = false,
                Renewal::Refused => {
                    self.lose(
                        bridge,
                        metrics,
                        "the database says that it is over, or somebody else has this instance's name",
                    );
                }
                // It is looked at again at once: the rest of the lease is for further attempts.
                Renewal::Failed(error) if !silent => {
                    silent = true;
                    tracing::warn!(error = %error, "this replica's lease was not renewed; trying again");
                }
                Renewal::Failed(_) | Renewal::Late => {}
            }
            self.hear_of_others(bridge, metrics).await;
        }
    }

    /// Gives the lease back: whatever this replica holds is anybody's at once.
    pub(crate) async fn retire(&self) {
        self.retired.cancel();
        let owner = Owner { id: self.id.to_string(), life: self.term.lock().life };
        self.term.lock().until = 0;
        if let Err(error) = self.store.retire_replica(&owner).await {
            tracing::warn!(error = %error, "this replica's lease could not be given back; others wait until it is over");
        }
    }

    async fn renew(&self, owner: &Owner, usage: &str) -> Renewal {
        let before = uptime();
        // An answer that comes later is worth nothing: somebody may have seen the lease end meanwhile.
        match timeout(self.left(), self.store.renew_replica(owner, self.lease, usage)).await {
            Ok(Ok(true)) => {
                let mut term = self.term.lock();
                if uptime() >= term.until {
                    return Renewal::Late;
                }
                term.until = self.end_of_lease(before);
                Renewal::Renewed
            }
            Ok(Ok(false)) => Renewal::Refused,
            Ok(Err(error)) => Renewal::Failed(error),
            Err(_) => Renewal::Late,
        }
    }

    /// Whatever else waits for the database: when the lease is over, it is over.
    async fn stop_in_time(&self, bridge: &Bridge, metrics: &Metrics) {
        loop {
            let left = self.left();
            if left.is_zero() {
                self.lose(bridge, metrics, NOT_IN_TIME);
            }
            sleep(left.max(LOOK_AGAIN)).await;
        }
    }

    fn lose(&self, bridge: &Bridge, metrics: &Metrics, why: &str) {
        {
            let mut term = self.term.lock();
            if std::mem::replace(&mut term.lost, true) {
                return;
            }
            term.until = 0;
        }
        metrics.leases_lost.add([]);
        tracing::error!(
            replica.id = %self.id,
            reason = why,
            "this replica has lost its lease at the database: its sessions end here, and others may take them"
        );
        bridge.lose_sessions();
    }

    async fn begin_again(&self) {
        let mut silent = false;
        loop {
            match timeout(self.lease, self.register()).await {
                Ok(Ok(())) => {
                    tracing::info!(replica.id = %self.id, "this replica has a lease again and serves sessions");
                    return;
                }
                Ok(Err(error)) if !silent => {
                    silent = true;
                    tracing::warn!(error = %error, "this replica gets no lease at the database; trying again");
                }
                _ => {}
            }
            sleep(PAUSE).await;
        }
    }

    async fn register(&self) -> Result<(), StoreError> {
        let before = uptime();
        let life = self.store.register_replica(&self.id, self.address.as_deref(), self.lease).await?;
        *self.term.lock() = Term { life, until: self.end_of_lease(before), lost: false };
        Ok(())
    }

    /// How long it may still serve. Nothing that waits for the database waits for longer: the end must not be late.
    fn left(&self) -> Duration {
        let left = self.term.lock().until - uptime();
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    fn end_of_lease(&self, since: i64) -> i64 {
        let serves = self.lease * (PARTS - 1) / PARTS;
        since + i64::try_from(serves.as_millis()).unwrap_or(0)
    }

    /// What the others have open counts against the limits of users.
    async fn hear_of_others(&self, bridge: &Bridge, metrics: &Metrics) {
        // If the database does not answer, the last figures stand.
        let Ok(Ok(live)) = timeout(self.left(), self.store.live_replicas()).await else { return };
        #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
        metrics.replicas.set([], live.len() as f64);
        let others = live.iter().filter(|replica| *replica.owner.id != *self.id);
        bridge.set_usage_elsewhere(usage::sum(others.map(|replica| replica.usage.as_str())));
    }
}

impl Lease for Tenancy {
    fn is_held(&self) -> bool {
        uptime() < self.term.lock().until
    }
}

/// Milliseconds since the machine was started, those included in which it slept.
fn uptime() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
