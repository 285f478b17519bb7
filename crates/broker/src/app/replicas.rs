//! What a broker has, beyond one that is alone, from its start to its end.

use std::sync::Arc;

use anyhow::Context as _;
use bridge::replica::{Lease, Replica};
use oauth::clock::Clock;
use store::{KeyRing, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::App;
use crate::config::{Config, ReplicaConfig};
use crate::metrics::Metrics;
use crate::replica::{Neighbours, RingSeal, Tenancy};
use crate::serve::{Limits, Server, SharedRouter, Stop};
use crate::storage::sessions::StoredSessions;

/// Connections of other replicas: each open stream takes one.
const MAX_CONNECTIONS: usize = 16_384;

/// What the other rooms need of it.
pub(super) struct Arranged {
    pub(super) replica: Replica,
    pub(super) sessions: StoredSessions,
    pub(super) lease: Option<Arc<dyn Lease>>,
    pub(super) neighbours: Option<Arc<Neighbours>>,
}

/// Takes a lease for this instance, if there may be other replicas.
pub(super) async fn arrange(
    config: &Config,
    id: String,
    (store, keys): (&Store, &KeyRing),
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> anyhow::Result<Arranged> {
    let seal = Arc::new(RingSeal(store.clone()));
    // No other life of this instance has begun in the same millisecond.
    let alone = Replica { id: id.as_str().into(), run: clock.now().0, seal, ..Replica::default() };
    let sessions =
        |tenancy| StoredSessions { store: store.clone(), clock: Arc::clone(clock), tenancy, metrics: metrics.clone() };
    let Some(ReplicaConfig { advertise, lease, .. }) = &config.replica else {
        return Ok(Arranged { replica: alone, sessions: sessions(None), lease: None, neighbours: None });
    };
    let begun = Tenancy::begin(store.clone(), id.as_str().into(), Some(advertise.clone()), *lease).await;
    let tenancy = begun.context("this replica gets no lease at the database")?;
    tracing::info!(
        replica.id = id,
        replica.address = advertise,
        replica.lease_seconds = lease.as_secs_f64(),
        "this broker is one of several"
    );
    let lease: Arc<dyn Lease> = Arc::<Tenancy>::clone(&tenancy);
    let neighbours = Neighbours::new(Arc::clone(&tenancy), keys, metrics.clone())?;
    Ok(Arranged {
        replica: Replica { lease: Arc::clone(&lease), shares: true, ..alone },
        sessions: sessions(Some(tenancy)),
        lease: Some(lease),
        neighbours: Some(Arc::new(neighbours)),
    })
}

/// Serves the other replicas until `cancel`.
pub(super) async fn serve(
    config: &Config,
    neighbours: Option<&Arc<Neighbours>>,
    router: SharedRouter,
    (tasks, cancel): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<()> {
    let (Some(replica), Some(neighbours)) = (&config.replica, neighbours) else { return Ok(()) };
    let limits = Limits::new(MAX_CONNECTIONS, std::time::Duration::ZERO);
    let server = Server::bind(replica.listen, limits).await.context("replica-listen")?;
    let server = server.named("listening for other replicas").with_tls(neighbours.server());
    let stop = Stop::at(cancel);
    tasks.spawn(async move {
        if let Err(error) = server.run(router, stop, async {}).await {
            tracing::error!(error = %error, "other replicas are not served any more");
        }
    });
    Ok(())
}

/// Holds the lease until `cancel`.
pub(super) fn keep_lease(app: &App, tasks: &TaskTracker, cancel: CancellationToken) {
    if let Some(neighbours) = &app.neighbours {
        let tenancy = Arc::clone(neighbours.tenancy());
        let keep = tenancy.keep(app.bridge.clone(), app.metrics.clone(), cancel);
        tasks.spawn(Box::pin(keep));
    }
}

/// Gives the lease back, so that others need not wait for its end.
pub(super) async fn retire(neighbours: Option<Arc<Neighbours>>) {
    if let Some(neighbours) = neighbours {
        neighbours.tenancy().retire().await;
    }
}
