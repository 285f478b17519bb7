//! The configuration: plain data, checked as a whole before any port is bound.
//!
//! A setting comes from a flag, else from a variable `FJMCP_BROKER_…`, else from an optional TOML file, else from its default. One
//! table ([`settings`]) describes all of them; flags, help, file keys and the reference are made from it, so that none of these
//! can fall behind the others. Every problem is collected and told at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bridge::cage::Rung;
use bridge::profile::WorkerEra;
use bridge::tools::{Pattern, Selector};
use ipnet::IpNet;
use secrecy::SecretString;
use store::Database;
use store::entry_pins::PinKind;

use crate::rate_limit::Rate;

mod build;
mod capacity;
mod clients;
mod database;
pub(crate) mod duration;
mod entry;
mod file;
mod flags;
mod hosts;
mod load;
mod probe;
mod problem;
mod public_url;
mod rates;
mod raw;
mod reader;
mod reference;
mod replica;
mod secret_url;
mod setting;
mod settings;
mod show;
#[cfg(test)]
mod tests;
mod tools;
mod worker;

pub use capacity::{Bound, Capacity};
pub use flags::FlagValues;
pub use hosts::AllowedHost;
pub(crate) use load::changed_settings;
pub use load::{Addresses, Loaded, addresses, database, listen_address, load, server};
pub use problem::{Problem, Problems};
pub use public_url::{BaseUrl, PublicUrl};
pub use raw::Environment;
pub use reference::reference;
pub use secret_url::SecretUrl;

/// Everything an operator can decide, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// How clients and browsers reach us.
    pub http: HttpConfig,
    /// How we reach Forgejo.
    pub forgejo: ForgejoConfig,
    /// What runs for each session.
    pub worker: WorkerConfig,
    /// What workers may reach.
    pub gateway: GatewayConfig,
    /// Which of the worker's tools there are.
    pub tools: ToolsConfig,
    /// Who may enter.
    pub entry: EntryConfig,
    /// Which clients are served, besides those that register.
    pub clients: ClientsConfig,
    /// Where state is kept.
    pub store: StoreConfig,
    /// Other brokers on the same store; `None` for one that is alone, because its store is a file.
    pub replica: Option<ReplicaConfig>,
    /// How long what we issue is good.
    pub lifetimes: LifetimeConfig,
    /// How often somebody may ask.
    pub rates: RateConfig,
    /// Caps on sessions and calls.
    pub sessions: SessionConfig,
    /// Where metrics are served.
    pub metrics: MetricsConfig,
    /// Where traces go.
    pub traces: TracesConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Threads that serve requests.
    pub threads: usize,
    /// How long calls and streams may take to end after SIGTERM or SIGINT.
    pub shutdown_grace: Duration,
    /// What is allowed but probably not meant; to be logged once the log is there.
    pub warnings: Vec<String>,
}

/// How clients and browsers reach us.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Our own origin.
    pub public_url: PublicUrl,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Hosts that `/mcp` answers to.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Origins that `/mcp` answers to, the public one included.
    pub allowed_origins: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Redirect URIs accepted as whole strings at registration.
    pub redirect_uri_allow_list: Vec<String>,
    /// Longest body on `/mcp`, in bytes.
    pub max_body_bytes: usize,
    /// Open connections at once.
    pub max_connections: usize,
}

/// How we reach Forgejo.
#[derive(Debug, Clone)]
pub struct ForgejoConfig {
    /// As browsers see it.
    pub url: BaseUrl,
    /// For our own requests; the same as `url` unless configured.
    pub internal_url: BaseUrl,
    /// PEM with further roots of trust.
    pub extra_ca_file: Option<PathBuf>,
    /// HTTP proxy for outgoing connections.
    pub egress_proxy: Option<SecretUrl>,
    /// OAuth2 application's id.
    pub client_id: String,
    /// OAuth2 application's secret.
    pub client_secret: SecretString,
    /// What we ask for every user, separated by spaces.
    pub scopes: String,
}

/// What runs for each session.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Name of the profile.
    pub profile: String,
    /// Overrides the profile's program.
    pub command: Option<String>,
    /// Added to the profile's arguments.
    pub args: Vec<String>,
    /// Added to the profile's variables.
    pub env: Vec<(String, SecretString)>,
    /// Overrides the profile's variable for the URL.
    pub url_var: Option<String>,
    /// Overrides the profile's variable for the token.
    pub token_var: Option<String>,
    /// Overrides the profile's era.
    pub era: Option<WorkerEra>,
    /// How workers are confined.
    pub cage: CageMode,
    /// No higher rung than this is tried.
    pub highest_rung: Rung,
    /// Added to the profile's paths.
    pub allowed_paths: Vec<PathBuf>,
    /// Whether workers may start processes, if the profile does not say so already.
    pub may_fork: bool,
}

/// How workers are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CageMode {
    /// At least Landlock and seccomp, or the broker does not start.
    Required,
    /// The highest rung the kernel allows.
    Auto,
    /// A clean environment only.
    Off,
}

/// What workers may reach.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Groups of Forgejo's API opened by the operator.
    pub open_doors: Vec<String>,
    /// Origins from which redirected downloads are fetched.
    pub storage_origins: Vec<String>,
}

/// Which of the worker's tools there are.
#[derive(Debug, Clone)]
pub struct ToolsConfig {
    /// If not empty, only these.
    pub allow: Vec<Selector>,
    /// None of these.
    pub deny: Vec<Selector>,
    /// Overrides the profile's names of tools that only read.
    pub read_only: Option<Vec<Pattern>>,
    /// Overrides whether the profile's annotations are honest.
    pub trust_annotations: Option<bool>,
}

/// Who may enter.
#[derive(Debug, Clone)]
pub struct EntryConfig {
    /// Names that may; everybody if there is none.
    pub allowed: Vec<(PinKind, String)>,
    /// How old an answer of Forgejo about somebody may be.
    pub recheck: Duration,
}

/// Which clients are served, besides those that register.
#[derive(Debug, Clone)]
pub struct ClientsConfig {
    /// Whether a `client_id` may be the address of a metadata document.
    pub metadata_documents: bool,
    /// Hosts whose documents count, lower case, punycode; all if empty.
    pub document_hosts: Vec<String>,
    /// Known beforehand.
    pub configured: Vec<ConfiguredClient>,
}

/// A client known beforehand.
#[derive(Debug, Clone)]
pub struct ConfiguredClient {
    /// Its `client_id`.
    pub id: String,
    /// Shown at consent.
    pub name: Option<String>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Its secret; without one it is public.
    pub secret: Option<SecretString>,
}

/// Where state is kept.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The database.
    pub database: Database,
    /// Folder for what belongs to this process alone.
    pub state_dir: PathBuf,
    /// What seals the spendable.
    pub keys: Keys,
}

/// What seals the spendable in the store.
#[derive(Debug, Clone)]
pub enum Keys {
    /// The operator's key ring, one key per line; the first seals.
    Configured(SecretString),
    /// A key made for this run, for trials: what was stored is lost at a restart.
    Ephemeral,
}

/// Other brokers on the same store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// The way between them; without it each serves only what it holds itself.
    pub link: Option<ReplicaLink>,
}

/// The way between brokers on the same store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaLink {
    /// Where we listen for others.
    pub listen: SocketAddr,
    /// Where they reach that, host and port.
    pub advertise: String,
}

/// How long what we issue is good.
#[derive(Debug, Clone, Copy)]
pub struct LifetimeConfig {
    /// Access token.
    pub access_token: Duration,
    /// Refresh token without use.
    pub refresh_token_idle: Duration,
    /// Refresh token at all.
    pub refresh_token_absolute: Duration,
    /// Authorization code.
    pub authorization_code: Duration,
    /// From consent to the end of the login.
    pub login: Duration,
    /// How long a refresh token's predecessor is answered with the same pair; zero: never.
    pub refresh_replay_window: Duration,
    /// Dynamically registered clients kept at once.
    pub max_clients: usize,
}

/// How often somebody may ask; `None` is as often as he likes.
#[derive(Debug, Clone)]
pub struct RateConfig {
    /// Registrations, by address.
    pub register: Option<Rate>,
    /// Authorization requests and their way back from Forgejo, by address.
    pub authorize: Option<Rate>,
    /// Token and revocation requests, by address.
    pub token: Option<Rate>,
    /// Token and revocation requests of a client with a configured secret, by client.
    pub client: Option<Rate>,
    /// Requests to `/mcp` without a valid token, by address.
    pub unauthenticated: Option<Rate>,
    /// Requests to `/mcp`, by grant.
    pub grant: Option<Rate>,
    /// Networks from which many users come, each with one wide bucket.
    pub shared_egress: Vec<IpNet>,
}

/// Caps on sessions and calls.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// What the system lets this process have.
    pub capacity: Capacity,
    /// Live sessions at once.
    pub max_sessions: usize,
    /// Live sessions of one user at once.
    pub max_sessions_per_user: usize,
    /// Workers that wait for their first user.
    pub warm_workers: usize,
    /// Stored sessions of one connection; of a user four times as many.
    pub max_stored_sessions: usize,
    /// After how long without a call a worker is stopped.
    pub idle_timeout: Duration,
    /// After how long without a request a stored session is forgotten.
    pub absolute_lifetime: Duration,
    /// How long a worker may take over one request.
    pub call_deadline: Duration,
}

/// Where metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Nowhere if `None`.
    pub listen: Option<SocketAddr>,
    /// Whether the operator named it. The default address gives way to whoever has it already.
    pub is_default: bool,
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesConfig {
    /// OTLP over HTTP; nowhere if `None`.
    pub endpoint: Option<String>,
    /// Share of traces that is kept, 0 to 1.
    pub ratio: f64,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Form of the lines.
    pub format: LogFormat,
    /// A level, or levels by target.
    pub level: String,
    /// Where audit events go as JSON lines; the ordinary log if unset.
    pub audit_file: Option<PathBuf>,
    /// How long audit events are kept in the store.
    pub audit_retention: Duration,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}
