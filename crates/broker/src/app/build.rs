//! From the configuration to a running broker, and its orderly end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bridge::bridge::Bridge;
use bridge::cage;
use bridge::config::{Adjustment, BridgeConfig};
use bridge::observer::Observer;
use bridge::orphans::{OrphanReaper, become_subreaper};
use bridge::spawn::{SpawnConfig, Spawner};
use forgejo::credentials::{CredentialEvent, CredentialEvents, Credentials};
use forgejo::gateway::{DoorGroups, Gateway, GatewayConfig, GatewayLimits, GatewayTimeouts};
use forgejo::oauth_client::{ForgejoConfig, OAuthClient, Outbound, OutboundConfig};
use forgejo::repositories::Repositories;
use forgejo::token_source::Now;
use governor::clock::MonotonicClock;
use ipnet::IpNet;
use oauth::clock::{Clock, SystemClock, Timestamp};
use oauth::random::{OsRandom, Random};
use oauth::redirect_uri::AllowList;
use oauth::token::Lifetimes;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use store::sweep::Retention;
use store::{KeyRing, OpenError, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::reload::{Reloader, Steering};
use super::replicas::Arranged;
use super::{App, Policy, RateLimits, Site, follow, replicas, upkeep};
use crate::audit::Audit;
use crate::bearer::Bearers;
use crate::browser::Cookies;
use crate::build_info::BUILD;
use crate::clients::{Clients, ClientsParts};
use crate::config::{Bound, CageMode, Config, ConfiguredClient, Keys, RateConfig, SessionConfig};
use crate::documents::Documents;
use crate::entry::{Entry, EntryLists, EntryParts, Terms};
use crate::examination::Examination;
use crate::fetch::{Fetcher, Lookup, Reach, SystemLookup};
use crate::gateway_events::GatewayEvents;
use crate::instance;
use crate::live_grants::LiveGrants;
use crate::metrics::{self, BridgeEvents, Metrics, Scrape};
use crate::middleware::TrustedProxies;
use crate::rate_limit::{AddressLimit, Rate};
use crate::readiness::Readiness;
use crate::router;
use crate::serve::{Limits, Replaceable, Server, Sockets, Stop, notify};
use crate::shelf::Shelf;
use crate::static_client::StaticClient;
use crate::storage::credentials::StoredCredentials;
use crate::tools;
use crate::worker_access::{GatewayAccessIssuer, WorkerListeners};

const DAY: Duration = Duration::from_hours(24);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Names of repositories kept for the pages that show them.
const REPOSITORY_NAMES: usize = 4096;
const FORGEJO_TIMEOUT: Duration = Duration::from_secs(30);
/// The end of the grace period, kept for stopping workers and writing down what is still in memory.
const LAST_STEPS: Duration = Duration::from_secs(2);
/// Scrapers that may be connected at once.
const METRICS_CONNECTIONS: usize = 16;
const LISTENING_FOR_METRICS: &str = "listening for metrics";

/// Runs the broker until it is told to stop, then ends streams, workers and background tasks within the grace period.
///
/// # Errors
/// Whatever keeps it from starting, each with what to do about it.
pub async fn run(steering: Steering, sockets: Sockets, stop: Stop) -> anyhow::Result<()> {
    let config = Arc::clone(&steering.config);
    cage::harden_self().context("cannot shield the process from its workers")?;
    become_subreaper().context("cannot inherit what workers leave behind")?;
    let metrics = Metrics::new();
    let observer: Arc<dyn Observer> = Arc::new(BridgeEvents(metrics.clone()));
    let _reaper = OrphanReaper::start(Arc::clone(&observer)).context("cannot watch for orphaned processes")?;
    let limits = Limits::new(config.http.max_connections, config.shutdown_grace);
    let server = match sockets.main {
        Some(listener) => Server::of(listener, limits)?,
        None => Server::bind(config.http.listen, limits).await?,
    };
    let background = Background::default();
    let measured = bind_metrics(&config, sockets.metrics).await?;
    let (app, spawner) = build(&config, &background, metrics, observer).await?;
    let router = Replaceable::new(router::build(Arc::clone(&app), &config.http)?);
    let for_replicas = Replaceable::new(router::build_for_replicas(Arc::clone(&app), &config.http)?);
    let beside = (&background.tasks, &background.cancel);
    replicas::serve(&config, app.neighbours.as_ref(), for_replicas.clone(), beside).await?;
    if let Some(measured) = measured {
        let scrape = Scrape {
            metrics: app.metrics.clone(),
            bridge: app.bridge.clone(),
            store: app.store.clone(),
            readiness: Arc::clone(&app.readiness),
            cage_rung: spawner.rung().number(),
        };
        let stop = Stop::at(&background.cancel);
        background.tasks.spawn(async move {
            if let Err(error) = measured.run(Replaceable::new(metrics::routes(scrape)), stop, async {}).await {
                tracing::error!(error = %error, "metrics are not served any more");
            }
        });
    }

    let reloader = Reloader::new(steering, Arc::clone(&app), router.clone(), for_replicas);
    background.tasks.spawn(reloader.run(background.cancel.clone()));
    background.tasks.spawn(notify::watchdog(background.cancel.clone()));
    notify::ready(&format!("serving {}", config.http.public_url.origin()));

    let grace = config.shutdown_grace;
    let (bridge, workers, tenancy) = (app.bridge.clone(), spawner.clone(), app.tenancy.clone());
    let deadline = Arc::new(OnceLock::new());
    let begun = Arc::clone(&deadline);
    let outcome = server
        .run(router, stop, async move {
            begun.get_or_init(|| Instant::now() + grace);
            notify::stopping();
            bridge.drain(grace.saturating_sub(LAST_STEPS)).await;
            Box::pin(replicas::retire(tenancy)).await;
            workers.shutdown(LAST_STEPS / 2).await;
        })
        .await;
    let left = deadline.get().map_or(LAST_STEPS, |end| end.saturating_duration_since(Instant::now()));
    background.end(left.max(LAST_STEPS)).await;
    app.store.close().await;
    outcome
}

/// The listener for metrics. The default address may belong to another broker already; one that the operator chose must be free.
async fn bind_metrics(config: &Config, inherited: Option<std::net::TcpListener>) -> anyhow::Result<Option<Server>> {
    let limits = Limits::new(METRICS_CONNECTIONS, Duration::ZERO);
    if let Some(listener) = inherited {
        return Ok(Some(Server::of(listener, limits)?.named(LISTENING_FOR_METRICS)));
    }
    let Some(address) = config.metrics.listen else {
        return Ok(None);
    };
    match Server::bind(address, limits).await {
        Ok(server) => Ok(Some(server.named(LISTENING_FOR_METRICS))),
        Err(error) if config.metrics.is_default => {
            tracing::warn!(error = %format!("{error:#}"), "metrics are not served: set metrics-listen to a free address, or to off");
            Ok(None)
        }
        Err(error) => Err(error.context("metrics-listen")),
    }
}

/// Tasks beside the requests, and the sign for them to end.
#[derive(Default)]
struct Background {
    tasks: TaskTracker,
    cancel: CancellationToken,
}

// === impl Background ===

impl Background {
    async fn end(&self, within: Duration) {
        self.cancel.cancel();
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks.running = self.tasks.len(), "some background tasks did not end in time");
        }
    }
}

async fn open_store(config: &Config, keys: Arc<KeyRing>) -> Result<Store, OpenError> {
    match &config.store.keys {
        Keys::Configured(_) => Store::at(&config.store.database, keys).await,
        // What earlier runs stored is lost with their keys, as was asked for.
        Keys::Ephemeral => Store::at_lacking_keys(&config.store.database, keys).await,
    }
}

async fn build(
    config: &Config,
    background: &Background,
    metrics: Metrics,
    observer: Arc<dyn Observer>,
) -> anyhow::Result<(Arc<App>, Spawner)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(OsRandom::default());
    let keys = Arc::new(key_ring(&config.store.keys, random.as_ref())?);
    let store = open_store(config, Arc::clone(&keys)).await?;
    store.note_ring(clock.now()).await?;
    // Before anything of it is remembered: what ends from here on is heard of.
    let heard = store.last_revocation().await?;
    let issuer = config.http.public_url.origin();
    let audit_file = config.log.audit_file.clone();
    let (tasks, cancel) = (&background.tasks, background.cancel.clone());
    let audit = Audit::start(store.clone(), audit_file, Arc::clone(&clock), metrics.clone(), tasks, cancel);

    let now: Now = {
        let clock = Arc::clone(&clock);
        Arc::new(move || clock.now().0)
    };
    let outbound = outbound(config)?;
    let upstream = upstream(config, &outbound, Arc::clone(&now))?;
    // The bridge is made after the credentials and told of their deaths: the cell closes the circle.
    let bridge_cell: Arc<Mutex<Option<Bridge>>> = Arc::default();
    let owner = instance::name(&config.store.state_dir, random.as_ref())?;
    let events = credential_events(Arc::clone(&bridge_cell), metrics.clone());
    let credentials =
        Credentials::new(upstream.clone(), Arc::new(StoredCredentials(store.clone())), now, owner.clone(), events);

    let grants = LiveGrants::new(config.rates.grant);
    let gateway =
        bind_gateway(config, &outbound, &credentials, &grants, GatewayEvents(audit.clone(), metrics.clone())).await?;
    let issue = GatewayAccessIssuer {
        forgejo_url: gateway.public_url().into(),
        gateway: gateway.clone(),
        grants: grants.clone(),
    };
    let profile = config.worker.to_profile()?;
    let tools = tools::of(config, &profile, &grants, &audit);
    let cages = SpawnConfig { observer: Arc::clone(&observer), ..spawn_config(config, &gateway) };
    let spawner = Spawner::start(profile, cages)?;
    say_limits(&config.sessions);
    let Arranged { replica, sessions, tenancy, neighbours } =
        replicas::arrange(config, owner, (&store, &keys), &clock, &metrics).await?;
    let bridge = Bridge::start(
        BridgeConfig { tools, replica, ..bridge_config(config) },
        spawner.clone(),
        Arc::new(issue),
        Arc::new(sessions),
        observer,
    );
    *bridge_cell.lock() = Some(bridge.clone());

    let policy = policy(config);
    let parts = (store.clone(), Arc::clone(&clock), audit.clone());
    let clients = Arc::new(clients(config, &policy, parts)?);
    let readiness = Readiness::new(store.clone(), upstream.clone(), spawner.program().to_owned(), tenancy.clone());
    let (lists, unlisted) = EntryLists::load(&store, &config.entry.allowed).await?;
    EntryLists::free(&store, &unlisted).await?;
    let entry = Entry::new(EntryParts {
        terms: Terms { lists, recheck: config.entry.recheck, since: Timestamp(0) },
        upstream: upstream.clone(),
        credentials: credentials.clone(),
        store: store.clone(),
        clock: Arc::clone(&clock),
        audit: audit.clone(),
        grants: grants.clone(),
        bridge: bridge.clone(),
    });
    let proxies = TrustedProxies::new(&config.http.trusted_proxies);
    let examination = Examination::new(Arc::clone(&keys), Arc::clone(&clock), random.as_ref(), issuer, proxies)?;
    let app = Arc::new(App {
        examination: Arc::new(examination),
        site: Arc::new(site(config, &clients)),
        policy: Arc::new(policy),
        clients,
        limits: rate_limits(&config.rates),
        cookies: Cookies::of_issuer(issuer),
        bearers: Bearers::new(store.clone(), grants.clone(), Arc::clone(&clock), issuer),
        store,
        keys,
        repository_names: Arc::new(Shelf::new(REPOSITORY_NAMES, Arc::clone(&clock))),
        clock,
        random,
        repositories: Repositories::new(upstream.clone(), Arc::new(credentials.clone())),
        upstream,
        credentials,
        bridge,
        grants,
        audit,
        metrics,
        readiness: Arc::new(readiness),
        entry: Arc::new(entry),
        tenancy,
        neighbours,
        gateway,
        retention: Arc::new(Mutex::new(retention(config))),
        changing: Arc::default(),
        account_changes: Arc::default(),
        uses: Arc::default(),
    });
    look_after(&app, background);
    background.tasks.spawn(follow::run(Arc::clone(&app), heard, background.cancel.clone()));
    Ok((app, spawner))
}

/// What runs beside the requests.
fn look_after(app: &Arc<App>, background: &Background) {
    let cancel = &background.cancel;
    replicas::keep_lease(app, &background.tasks, cancel.clone());
    background.tasks.spawn(app.gateway.serve(cancel.clone()));
    background.tasks.spawn({
        let (credentials, cancel) = (app.credentials.clone(), cancel.clone());
        async move { credentials.run(cancel).await }
    });
    background.tasks.spawn({
        let (app, cancel) = (Arc::clone(app), cancel.clone());
        async move { app.entry.run(cancel).await }
    });
    background.tasks.spawn(upkeep::run(Arc::clone(app), cancel.clone()));
}

/// The clients that are served under this configuration.
pub(super) fn clients(
    config: &Config,
    policy: &Policy,
    (store, clock, audit): (Store, Arc<dyn Clock>, Audit),
) -> anyhow::Result<Clients> {
    Ok(Clients::new(ClientsParts {
        documents: documents(config, policy, &clock)?,
        store,
        clock,
        audit,
        configured: config
            .clients
            .configured
            .iter()
            .map(|client| configured_client(client, config.rates.client))
            .collect(),
        issuer: config.http.public_url.origin().to_owned(),
    }))
}

pub(super) fn site(config: &Config, clients: &Clients) -> Site {
    Site::new(&config.http.public_url, &config.forgejo.url, &forgejo_host(config), clients.kinds())
}

/// Nothing where documents are switched off.
fn documents(config: &Config, policy: &Policy, clock: &Arc<dyn Clock>) -> anyhow::Result<Option<Documents>> {
    if !config.clients.metadata_documents {
        return Ok(None);
    }
    let reach = if config.http.public_url.is_loopback() { Reach::PublicAndLoopback } else { Reach::Public };
    let user_agent = format!("fjmcp-broker/{}", BUILD.version);
    let extra_ca_file = config.forgejo.extra_ca_file.as_deref();
    let fetcher = Fetcher::new(extra_ca_file, &user_agent, reach, &(Arc::new(SystemLookup) as Arc<dyn Lookup>))?;
    let hosts = config.clients.document_hosts.clone();
    Ok(Some(Documents::new(Box::new(fetcher), policy.redirect_uris.clone(), hosts, clock)))
}

pub(super) fn rate_limits(rates: &RateConfig) -> RateLimits {
    let shared: Arc<[IpNet]> = rates.shared_egress.clone().into();
    let limit = |rate: Option<Rate>| {
        rate.and_then(|rate| AddressLimit::new(rate, Arc::clone(&shared), &MonotonicClock)).map(Arc::new)
    };
    RateLimits {
        register: limit(rates.register),
        authorize: limit(rates.authorize),
        token: limit(rates.token),
        strangers: limit(rates.unauthenticated),
    }
}

/// The limits of `wanted`; one that is as before is kept, with what was counted in it.
pub(super) fn rate_limits_after(old: &RateConfig, limits: &RateLimits, wanted: &RateConfig) -> RateLimits {
    let fresh = rate_limits(wanted);
    if old.shared_egress != wanted.shared_egress {
        return fresh;
    }
    let keep = |same: bool, old: &Option<Arc<AddressLimit>>, fresh| if same { old.clone() } else { fresh };
    RateLimits {
        register: keep(old.register == wanted.register, &limits.register, fresh.register),
        authorize: keep(old.authorize == wanted.authorize, &limits.authorize, fresh.authorize),
        token: keep(old.token == wanted.token, &limits.token, fresh.token),
        strangers: keep(old.unauthenticated == wanted.unauthenticated, &limits.strangers, fresh.strangers),
    }
}

fn configured_client(client: &ConfiguredClient, rate: Option<Rate>) -> StaticClient {
    let secret = client.secret.as_ref().map(SecretString::expose_secret);
    StaticClient::new(client.id.as_str().into(), client.name.clone(), client.redirect_uris.clone(), secret)
        .limited(rate)
}

/// The ring that the configuration names, or a new one.
pub(crate) fn key_ring(keys: &Keys, random: &dyn Random) -> anyhow::Result<KeyRing> {
    match keys {
        Keys::Configured(text) => KeyRing::parse(text.expose_secret()).context("encryption-keys"),
        Keys::Ephemeral => {
            let key = KeyRing::generate(random)?;
            KeyRing::parse(&key).context("cannot make a key for this run")
        }
    }
}

/// The client towards Forgejo.
pub(crate) fn outbound(config: &Config) -> anyhow::Result<Outbound> {
    let settings = OutboundConfig {
        extra_ca_pem: config.forgejo.extra_ca_file.clone(),
        proxy: config.forgejo.egress_proxy.as_ref().map(|url| url.expose().clone()),
        connect_timeout: CONNECT_TIMEOUT,
        total_timeout: FORGEJO_TIMEOUT,
    };
    settings.build().context("outgoing connections")
}

/// Forgejo as OAuth2 provider.
pub(crate) fn upstream(config: &Config, outbound: &Outbound, now: Now) -> anyhow::Result<OAuthClient> {
    let forgejo = &config.forgejo;
    let settings = ForgejoConfig {
        public_url: base_url(forgejo.url.as_str())?,
        internal_url: Some(base_url(forgejo.internal_url.as_str())?),
        client_id: forgejo.client_id.clone(),
        client_secret: forgejo.client_secret.clone(),
        redirect_uri: Url::parse(&config.http.public_url.join("/oauth/callback"))?,
        scopes: forgejo.scopes.parse().context("forgejo-oauth-scopes")?,
        user_agent: format!("fjmcp-broker/{}", BUILD.version),
    };
    settings.build(outbound.clone(), now).context("Forgejo")
}

async fn bind_gateway(
    config: &Config,
    outbound: &Outbound,
    credentials: &Credentials,
    grants: &LiveGrants,
    events: GatewayEvents,
) -> anyhow::Result<Gateway> {
    Gateway::bind(
        gateway_config(config)?,
        outbound,
        Arc::new(credentials.clone()),
        Arc::new(grants.clone()),
        Arc::new(events),
    )
    .await
    .context("the gateway for workers cannot listen on 127.0.0.1")
}

/// What the gateway lets through, and where to.
pub(crate) fn gateway_config(config: &Config) -> anyhow::Result<GatewayConfig> {
    let mut open_doors = DoorGroups::default();
    for name in &config.gateway.open_doors {
        open_doors.insert(name.parse().context("open-doors")?);
    }
    let storage_origins = config.gateway.storage_origins.iter().map(|origin| Url::parse(origin));
    Ok(GatewayConfig {
        forgejo: base_url(config.forgejo.internal_url.as_str())?,
        forgejo_public: base_url(config.forgejo.url.as_str())?,
        storage_origins: storage_origins.collect::<Result<_, _>>().context("storage-origins")?,
        open_doors,
        limits: GatewayLimits::default(),
        timeouts: GatewayTimeouts::default(),
    })
}

fn credential_events(bridge: Arc<Mutex<Option<Bridge>>>, metrics: Metrics) -> CredentialEvents {
    Arc::new(move |event| {
        metrics.credential(&event);
        match event {
            CredentialEvent::Died { user, reason } => {
                tracing::warn!(user.id = %user, credential.reason = reason, "a user has to log in at Forgejo again");
                let bridge = bridge.lock().clone();
                if let Some(bridge) = bridge {
                    bridge.log_in_again(&user);
                }
            }
            CredentialEvent::Revived { user } => {
                tracing::info!(user.id = %user, "a user's login at Forgejo is alive again");
            }
            CredentialEvent::Refreshed(_) => {}
        }
    })
}

/// How workers are run.
pub(crate) fn spawn_config(config: &Config, gateway: &Gateway) -> SpawnConfig {
    SpawnConfig {
        state_dir: Some(config.store.state_dir.clone()),
        cage: match config.worker.cage {
            CageMode::Required => cage::CageMode::Required,
            CageMode::Auto => cage::CageMode::Auto,
            CageMode::Off => cage::CageMode::Off,
        },
        highest_rung: config.worker.highest_rung,
        listeners: Some(Arc::new(WorkerListeners(gateway.clone()))),
        ..SpawnConfig::default()
    }
}

fn say_limits(sessions: &SessionConfig) {
    let said = |bound: &Option<Bound>| bound.as_ref().map_or_else(|| "unlimited".to_owned(), ToString::to_string);
    tracing::info!(
        workers.max = sessions.max_sessions,
        workers.max_per_user = sessions.max_sessions_per_user,
        workers.warm = sessions.warm_workers,
        system.memory_bytes = said(&sessions.capacity.memory),
        system.tasks = said(&sessions.capacity.tasks),
        system.descriptors = said(&sessions.capacity.descriptors),
        "at most {} workers at once, {} of one user",
        sessions.max_sessions,
        sessions.max_sessions_per_user,
    );
}

/// What of the bridge's limits can change while it runs.
pub(super) fn adjustment(config: &Config) -> Adjustment {
    bridge_config(config).now()
}

/// The bridge's limits.
pub(crate) fn bridge_config(config: &Config) -> BridgeConfig {
    BridgeConfig {
        max_sessions: config.sessions.max_sessions,
        max_sessions_per_user: config.sessions.max_sessions_per_user,
        warm_workers: config.sessions.warm_workers,
        max_stored_sessions: config.sessions.max_stored_sessions,
        max_stored_sessions_per_user: config.sessions.max_stored_sessions.saturating_mul(4),
        session_idle_timeout: config.sessions.idle_timeout,
        call_deadline: config.sessions.call_deadline,
        broker_version: BUILD.version.to_owned(),
        ..BridgeConfig::default()
    }
}

pub(super) fn policy(config: &Config) -> Policy {
    let lifetimes = &config.lifetimes;
    Policy {
        redirect_uris: AllowList::new(config.http.redirect_uri_allow_list.clone()),
        lifetimes: Lifetimes {
            code: lifetimes.authorization_code,
            access: lifetimes.access_token,
            refresh_idle: lifetimes.refresh_token_idle,
            refresh_absolute: lifetimes.refresh_token_absolute,
        },
        replay_window: lifetimes.refresh_replay_window,
        login_lifetime: lifetimes.login,
        max_clients: u32::try_from(lifetimes.max_clients).unwrap_or(u32::MAX),
    }
}

pub(super) fn retention(config: &Config) -> Retention {
    Retention {
        successor: config.lifetimes.refresh_replay_window,
        spent_code: DAY,
        unauthorized_client: DAY,
        idle_client: 90 * DAY,
        session: config.sessions.absolute_lifetime,
        revocation: DAY,
        audit: config.log.audit_retention,
    }
}

fn forgejo_host(config: &Config) -> String {
    let url = Url::parse(config.forgejo.url.as_str()).ok();
    let host = url.as_ref().and_then(|url| {
        let host = url.host_str()?;
        Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    });
    host.unwrap_or_else(|| config.forgejo.url.as_str().to_owned())
}

fn base_url(text: &str) -> anyhow::Result<Url> {
    Url::parse(text).map_err(|error| anyhow!("{text} is not a URL: {error}"))
}
