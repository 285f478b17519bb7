//! Hears what other processes end or change: replicas, and the operator's commands. All of it stands in the store's revocation sequence; what
//! this process wrote there itself is heard again, and changes nothing any more.
//!
//! The sequence is read once a second. PostgreSQL says besides when there is something new, so that it takes no second; but whoever relied on
//! that would miss what is said while his connection is lost, or what a pooler swallows.

use std::sync::Arc;
use std::time::Duration;

use oauth::id::GrantId;
use store::StoreError;
use store::listener::Listener;
use store::revocations::Revoked;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::App;

const EVERY: Duration = Duration::from_secs(1);
const AT_ONCE: u32 = 500;

/// Runs until `cancel`. `heard` is the last entry whose effect is already here.
pub(super) async fn run(app: Arc<App>, heard: i64, cancel: CancellationToken) {
    let news = Notify::new();
    let listener = app.store.listener();
    let listening = async {
        match listener {
            Some(listener) => listen(listener, &news).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = cancel.cancelled() => {}
        () = listening => {}
        () = read(&app, heard, &news) => {}
    }
}

/// Passes on that there is something new.
async fn listen(mut listener: Listener, news: &Notify) {
    let mut deaf = false;
    loop {
        match listener.heard().await {
            Ok(()) => deaf = false,
            Err(error) => {
                if !deaf {
                    tracing::warn!(error = %error, "notifications of the database cannot be heard; it is asked once a second instead");
                }
                deaf = true;
                tokio::time::sleep(EVERY).await;
            }
        }
        news.notify_one();
    }
}

async fn read(app: &App, mut heard: i64, news: &Notify) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = news.notified() => {}
        }
        let begun = Instant::now();
        match catch_up(app, &mut heard).await {
            Ok(()) => {
                silent = false;
                app.bearers.has_heard(begun);
            }
            Err(error) if !silent => {
                silent = true;
                tracing::warn!(error = %error, "what other processes end cannot be heard; trying again every second");
            }
            Err(_) => {}
        }
    }
}

/// Takes what is new. An entry counts as heard once its effect is here.
async fn catch_up(app: &App, heard: &mut i64) -> Result<(), StoreError> {
    loop {
        let entries = app.store.revocations_after(*heard, AT_ONCE).await?;
        let all = entries.len() < AT_ONCE as usize;
        for entry in entries {
            app.hear(&entry.subject).await?;
            *heard = entry.id;
        }
        if all {
            return Ok(());
        }
    }
}

// === impl App ===

impl App {
    async fn hear(&self, subject: &Revoked) -> Result<(), StoreError> {
        match subject {
            Revoked::Grant(grant) => {
                self.grants.end(grant);
                self.bridge.end_grant(grant.as_str()).await;
            }
            Revoked::GrantChanged(grant) => self.hear_of_change(grant).await?,
            Revoked::AccessToken(token) => self.bearers.forget(token),
            Revoked::Session(id_hash) => self.bridge.end_session(id_hash).await,
        }
        Ok(())
    }

    async fn hear_of_change(&self, id: &GrantId) -> Result<(), StoreError> {
        let changed = {
            let _turn = self.changing.lock().await;
            let Some(grant) = self.store.grant(id).await?.filter(oauth::grant::Grant::is_live) else {
                return Ok(());
            };
            let known = self.grants.get(id.as_str()).map(|live| live.access());
            let changed = known.is_none_or(|known| known.scope != grant.scope || known.limits != grant.limits);
            if changed {
                self.grants.change(id, grant.scope, grant.limits);
            }
            changed
        };
        if changed {
            self.bridge.grant_changed(id.as_str());
        }
        Ok(())
    }
}
