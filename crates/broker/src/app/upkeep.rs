//! What is done beside the requests: uses written down, the expired swept, dead credentials made known.

use std::sync::Arc;
use std::time::Duration;

use oauth::id::GrantId;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::App;

const WRITE_USES_EVERY: Duration = Duration::from_secs(5);
/// Also how long the window between two generations of tombstones is; no request takes that long from reading a grant to entering it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Runs until `cancel`, then writes down what is left.
pub(super) async fn run(app: Arc<App>, cancel: CancellationToken) {
    let mut uses = tokio::time::interval(WRITE_USES_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    uses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            _ = uses.tick() => write_uses(&app).await,
            _ = sweep.tick() => sweep_store(&app).await,
        }
    }
    write_uses(&app).await;
}

async fn write_uses(app: &App) {
    let uses = std::mem::take(&mut *app.uses.lock());
    if uses.is_empty() {
        return;
    }
    let now = app.clock.now();
    let rows: Vec<(GrantId, _)> = uses.iter().map(|live| (live.grant.id.clone(), now)).collect();
    if let Err(error) = app.store.touch_grants(&rows).await {
        tracing::warn!(error = %error, "the last use of some grants could not be written down");
    }
}

async fn sweep_store(app: &App) {
    let retention = *app.retention.lock();
    app.grants.prune();
    app.bearers.prune();
    if app.tenancy.is_some()
        && let Err(error) = app.store.forget_replicas().await
    {
        tracing::warn!(error = %error, "brokers that are not there any more are still listed");
    }
    match app.store.sweep(app.clock.now(), &retention).await {
        Ok(swept) => {
            for grant in &swept.lapsed_grants {
                app.grants.end(grant);
                app.bridge.end_grant(grant.as_str()).await;
            }
            tracing::debug!(?swept, "swept the store");
        }
        Err(error) => {
            tracing::warn!(error = %error, "the sweep of the store failed; it is tried again in a minute");
        }
    }
}
