//! SIGHUP: the configuration is read again, and what can change does.
//!
//! Requests go through one router; a reload makes another from the same store, sessions and workers, and puts it in the first one's place.
//! Sessions, workers, the gateway and whoever judges users live on and take their new terms where they are. Whatever can fail comes before
//! that, so that a broken configuration, or a key ring that does not open what is stored, changes nothing. Settings that are built into
//! sockets, processes, files or the connection to Forgejo keep their old values until a restart, and the log says so.

use std::sync::Arc;

use anyhow::Context as _;

use axum::Router;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::{App, build};
use crate::config::{Config, HttpConfig, Keys, Loaded, LogConfig, StoreConfig, changed_settings};
use crate::entry::{EntryLists, Terms};
use crate::middleware::TrustedProxies;
use crate::router::Entrance;
use crate::serve::{Replaceable, notify};
use crate::telemetry::Log;
use crate::{router, tools};

/// Settings that decide who may enter.
const ENTRY: [&str; 4] = ["allowed-users", "allowed-organizations", "allowed-teams", "entry-recheck"];
/// Settings that decide which tools there are.
const TOOLS: [&str; 5] = ["tools-allow", "tools-deny", "tools-read-only", "tools-trust-annotations", "open-doors"];

/// Reads the configuration as the start did: the same flags and variables, the files as they are now.
pub type ReadAgain = Arc<dyn Fn() -> Loaded + Send + Sync>;

/// What is needed to start, and to take another configuration later.
pub struct Steering {
    /// In effect.
    pub(crate) config: Arc<Config>,
    /// As it was written.
    pub(crate) loaded: Loaded,
    pub(crate) read_again: ReadAgain,
    pub(crate) log: Log,
    pub(crate) hangup: Signal,
}

/// Reloads.
pub(super) struct Reloader {
    steering: Steering,
    app: Arc<App>,
    entrance: Replaceable<Entrance>,
    /// What other replicas are served by.
    for_replicas: Replaceable<Router>,
}

// === impl Steering ===

impl Steering {
    /// `config` is what `loaded` came to.
    #[must_use]
    pub fn new(config: Config, loaded: Loaded, read_again: ReadAgain, log: Log, hangup: Signal) -> Self {
        Self { config: Arc::new(config), loaded, read_again, log, hangup }
    }
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(
        steering: Steering,
        app: Arc<App>,
        entrance: Replaceable<Entrance>,
        for_replicas: Replaceable<Router>,
    ) -> Self {
        Self { steering, app, entrance, for_replicas }
    }

    /// Reloads at each SIGHUP until `cancel`.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                signal = self.steering.hangup.recv() => if signal.is_none() { return },
            }
            notify::reloading();
            tracing::info!(signal = "SIGHUP", "reloading the configuration");
            let outcome = match self.reload().await {
                Ok(()) => "applied",
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the configuration was not reloaded; nothing has changed");
                    "refused"
                }
            };
            self.app.metrics.reloads.add([outcome]);
            notify::ready(&format!("serving {}, last reload {outcome}", self.app.site.issuer));
        }
    }

    async fn reload(&mut self) -> anyhow::Result<()> {
        let read_again = Arc::clone(&self.steering.read_again);
        let loaded = tokio::task::spawn_blocking(move || read_again()).await?;
        let wanted = match &loaded.outcome {
            Ok(config) => config.clone(),
            Err(problems) => return Err(problems.clone().into()),
        };
        let changed = changed_settings(&self.steering.loaded, &loaded);
        let is_changed = |name: &str| changed.iter().any(|setting| setting.name == name);
        let config = effective(&self.steering.config, wanted, &is_changed);
        let app = self.version_of(&config, is_changed("encryption-keys"))?;
        let entrance = router::build(Arc::clone(&app), &config.http)?;
        let for_replicas = router::build_for_replicas(Arc::clone(&app), &config.http)?;
        let gateway = build::gateway_config(&config)?;
        let profile = config.worker.to_profile()?;
        if is_changed("encryption-keys") {
            self.app.store.replace_keys(Arc::clone(&app.keys)).await?;
            if let Some(neighbours) = &app.neighbours {
                neighbours.take_keys(&app.keys)?;
            }
            if let Err(error) = self.app.store.note_ring(app.clock.now()).await {
                tracing::warn!(error = %error, "the new key ring could not be noted in the store");
            }
        }

        let entry_changed = ENTRY.into_iter().any(&is_changed);
        let lists = if entry_changed { Some(EntryLists::load(&app.store, &config.entry.allowed).await?) } else { None };
        app.gateway.replace_rules(gateway.open_doors, &gateway.storage_origins).context("storage-origins")?;

        // From here on nothing fails.
        self.for_replicas.replace(for_replicas);
        self.steering.log.set(&config.log);
        app.grants.set_rate(config.rates.grant);
        app.bridge.adjust(build::adjustment(&config));
        *app.retention.lock() = build::retention(&config);
        if let Some((lists, unlisted)) = lists {
            app.entry.replace(Terms { lists, recheck: config.entry.recheck, since: app.clock.now() });
            if let Err(error) = EntryLists::free(&app.store, &unlisted).await {
                tracing::warn!(error = %error, "names that are not listed any more stay bound until the next start");
            }
        }
        if TOOLS.into_iter().any(&is_changed) {
            app.bridge.replace_tool_rules(tools::rules(&config, &profile));
        }
        self.entrance.replace(entrance);
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let mut waiting = false;
        for setting in &changed {
            if setting.live {
                tracing::info!(setting.name = setting.name, "setting reloaded");
            } else {
                waiting = true;
                tracing::warn!(
                    setting.name = setting.name,
                    "the setting has changed, which needs a restart; the old value stays until then"
                );
            }
        }
        tracing::info!(settings.changed = changed.len(), restart.needed = waiting, "configuration reloaded");
        // What waits for a restart is compared with what is in effect the next time too.
        self.steering.loaded.take_live_from(loaded);
        self.steering.config = Arc::new(config);
        self.app = app;
        Ok(())
    }

    /// Another version of the app under this configuration.
    fn version_of(&self, config: &Config, new_keys: bool) -> anyhow::Result<Arc<App>> {
        let old = &self.app;
        let policy = build::policy(config);
        let parts = (old.store.clone(), Arc::clone(&old.clock), old.audit.clone());
        let clients = Arc::new(build::clients(config, &policy, parts)?);
        let keys = match (&config.store.keys, new_keys) {
            (Keys::Configured(_), true) => Arc::new(build::key_ring(&config.store.keys, old.random.as_ref())?),
            _ => Arc::clone(&old.keys),
        };
        let proxies = TrustedProxies::new(&config.http.trusted_proxies);
        Ok(Arc::new(App {
            examination: Arc::new(old.examination.renewed(Arc::clone(&keys), proxies)),
            site: Arc::new(build::site(config, &clients)),
            policy: Arc::new(policy),
            clients,
            keys,
            // Buckets stay what they are unless their rate has changed.
            limits: build::rate_limits_after(&self.steering.config.rates, &old.limits, &config.rates),
            ..App::clone(old)
        }))
    }
}

/// What is wanted, with the old values of all that a running process cannot change.
fn effective(old: &Config, wanted: Config, is_changed: &impl Fn(&str) -> bool) -> Config {
    let mut allowed_origins = wanted.http.allowed_origins;
    // The first one is that of the public URL.
    if let Some(own) = allowed_origins.first_mut() {
        old.http.public_url.origin().clone_into(own);
    }
    let allowed_hosts =
        if is_changed("allowed-hosts") { wanted.http.allowed_hosts } else { old.http.allowed_hosts.clone() };
    Config {
        http: HttpConfig {
            public_url: old.http.public_url.clone(),
            listen: old.http.listen,
            max_connections: old.http.max_connections,
            allowed_hosts,
            allowed_origins,
            ..wanted.http
        },
        forgejo: old.forgejo.clone(),
        worker: old.worker.clone(),
        gateway: wanted.gateway,
        tools: wanted.tools,
        entry: wanted.entry,
        replica: old.replica.clone(),
        store: StoreConfig {
            database: old.store.database.clone(),
            state_dir: old.store.state_dir.clone(),
            ..wanted.store
        },
        lifetimes: wanted.lifetimes,
        sessions: wanted.sessions,
        metrics: old.metrics,
        traces: old.traces.clone(),
        threads: old.threads,
        shutdown_grace: old.shutdown_grace,
        clients: wanted.clients,
        rates: wanted.rates,
        log: LogConfig { audit_file: old.log.audit_file.clone(), ..wanted.log },
        warnings: wanted.warnings,
    }
}
