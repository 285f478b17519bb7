//! What a broker has, beyond one that is alone, from its start to its end.

use std::sync::Arc;
use std::time::Duration;

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
use crate::serve::{Limits, Replaceable, Server, Stop};
use crate::storage::sessions::StoredSessions;
use axum::Router;

/// Connections of other replicas: each open stream takes one.
const MAX_CONNECTIONS: usize = 16_384;
/// How long what others have just asked may take when everything else has ended: they could not tell whether it was carried out.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// What the other rooms need of it.
pub(super) struct Arranged {
    pub(super) replica: Replica,
    pub(super) sessions: StoredSessions,
    pub(super) tenancy: Option<Arc<Tenancy>>,
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
    // Until others are heard of.
    metrics.replicas.set([], 1.0);
    let Some(ReplicaConfig { lease, link }) = &config.replica else {
        return Ok(Arranged { replica: alone, sessions: sessions(None), tenancy: None, neighbours: None });
    };
    let address = link.as_ref().map(|link| link.advertise.clone());
    let begun = Tenancy::begin(store.clone(), id.as_str().into(), address, *lease).await;
    let tenancy = begun.context("this broker gets no lease at the database")?;
    tracing::info!(
        replica.id = id,
        replica.address = link.as_ref().map(|link| link.advertise.as_str()),
        replica.lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
        "this broker may be one of several: it holds its sessions under a lease"
    );
    let lease: Arc<dyn Lease> = Arc::<Tenancy>::clone(&tenancy);
    let neighbours = link.as_ref().map(|_| Neighbours::new(&tenancy, keys, metrics.clone())).transpose()?;
    Ok(Arranged {
        replica: Replica { lease, shares: true, ..alone },
        sessions: sessions(Some(Arc::clone(&tenancy))),
        tenancy: Some(tenancy),
        neighbours: neighbours.map(Arc::new),
    })
}

/// Serves the other replicas until `cancel`.
pub(super) async fn serve(
    config: &Config,
    neighbours: Option<&Arc<Neighbours>>,
    router: Replaceable<Router>,
    (tasks, cancel): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<()> {
    let link = config.replica.as_ref().and_then(|replica| replica.link.as_ref());
    let (Some(link), Some(neighbours)) = (link, neighbours) else { return Ok(()) };
    let limits = Limits::new(MAX_CONNECTIONS, LAST_ANSWERS);
    let server = Server::bind(link.listen, limits).await.context("replica-listen")?;
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
    if let Some(tenancy) = &app.tenancy {
        let keep = Arc::clone(tenancy).keep(app.bridge.clone(), app.metrics.clone(), cancel);
        tasks.spawn(Box::pin(keep));
    }
}

/// Gives the lease back, so that others need not wait for its end.
pub(super) async fn retire(tenancy: Option<Arc<Tenancy>>) {
    if let Some(tenancy) = tenancy {
        tenancy.retire().await;
    }
}
