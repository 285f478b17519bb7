//! From raw values to the checked [`Config`].
//!
//! Each group reads all of its settings before it gives up on any of them, so that every problem is found in one pass.

use std::fs::OpenOptions;
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use forgejo::gateway::DoorGroup;
use forgejo::scope::ForgejoScopes;
use ipnet::IpNet;
use oauth::redirect_uri::{AllowList, RedirectUri};
use secrecy::SecretString;
use store::KeyRing;

use super::capacity::Capacity;
use super::clients::clients;
use super::database::database;
use super::duration::{format_duration, parse_duration, parse_size};
use super::entry::entry;
use super::problem::Fault;
use super::public_url::parse_origin;
use super::rates::rates;
use super::raw::Environment;
use super::reader::Reader;
use super::replica::replica;
use super::setting::Setting;
use super::settings as s;
use super::tools::tools;
use super::worker::worker;
use super::{
    AllowedHost, BaseUrl, Config, ForgejoConfig, GatewayConfig, HttpConfig, Keys, LifetimeConfig, LogConfig, LogFormat,
    MetricsConfig, PublicUrl, SecretUrl, SessionConfig, StoreConfig, TracesConfig, WorkerConfig,
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Builds the configuration; `None` if the reader has noted problems.
pub(super) fn build(reader: &mut Reader<'_>, environment: Environment<'_>) -> Option<Config> {
    let http = http(reader);
    let forgejo = forgejo(reader);
    let worker = worker(reader);
    let gateway = gateway(reader);
    let tools = tools(reader);
    let entry = entry(reader);
    let clients = clients(reader);
    let store = store(reader, environment);
    let replica = replica(reader, store.as_ref());
    let lifetimes = lifetimes(reader);
    let rates = rates(reader);
    let sessions = sessions(reader, worker.as_ref());
    let metrics = metrics(reader);
    let traces = traces(reader);
    let log = log(reader);
    let threads = threads(reader);
    let shutdown_grace = reader.required(&s::SHUTDOWN_GRACE, within(Duration::ZERO..=10 * MINUTE));
    let config = Config {
        http: http?,
        forgejo: forgejo?,
        worker: worker?,
        gateway: gateway?,
        tools: tools?,
        entry: entry?,
        clients: clients?,
        store: store?,
        replica: replica.ok()?,
        lifetimes: lifetimes?,
        rates: rates?,
        sessions: sessions?,
        metrics: metrics?,
        traces: traces?,
        log: log?,
        threads: threads?,
        shutdown_grace: shutdown_grace?,
        warnings: Vec::new(),
    };
    warn(reader, &config);
    Some(Config { warnings: reader.warnings.clone(), ..config })
}

fn threads(reader: &mut Reader<'_>) -> Option<usize> {
    let most = 256;
    if let Some(wanted) = reader.optional(&s::THREADS, number(1..=most)).ok()? {
        return Some(wanted);
    }
    // Control groups and affinity count; where the system tells nothing, one does.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.saturating_sub(1).clamp(1, most);
    reader.computed.insert(s::THREADS.name, vec![threads.to_string()]);
    Some(threads)
}

fn http(reader: &mut Reader<'_>) -> Option<HttpConfig> {
    let public_url = reader.required(&s::PUBLIC_URL, PublicUrl::parse);
    let listen = reader.required(&s::LISTEN, listen);
    let allowed_hosts = reader.list(&s::ALLOWED_HOSTS, AllowedHost::parse_setting);
    let more_origins = reader.list(&s::ALLOWED_ORIGINS, parse_origin);
    let trusted_proxies = reader.list(&s::TRUSTED_PROXIES, network);
    let redirect_uri_allow_list = reader.list(&s::REDIRECT_URI_ALLOW_LIST, redirect_uri);
    let max_body_bytes = reader.required(&s::MAX_BODY_BYTES, |text| match parse_size(text)? {
        size if (64 << 10..=256 << 20).contains(&size) => Ok(size),
        _ => Err(Fault::new(format!("`{text}` is out of range"), "choose between 64KiB and 256MiB")),
    });
    let max_connections = reader.required(&s::MAX_CONNECTIONS, number(1..=1_000_000));

    let (public_url, listen, mut allowed_hosts) = (public_url?, listen?, allowed_hosts?);
    if !reader.is_set(&s::ALLOWED_HOSTS) {
        allowed_hosts = AllowedHost::defaults(&public_url, listen);
        reader.computed.insert(s::ALLOWED_HOSTS.name, allowed_hosts.iter().map(ToString::to_string).collect());
    }
    let mut allowed_origins = vec![public_url.origin().to_owned()];
    allowed_origins.extend(more_origins?);
    Some(HttpConfig {
        public_url,
        listen,
        allowed_hosts,
        allowed_origins,
        trusted_proxies: trusted_proxies?,
        redirect_uri_allow_list: redirect_uri_allow_list?,
        max_body_bytes: max_body_bytes?,
        max_connections: max_connections?,
    })
}

pub(super) fn listen(text: &str) -> Result<std::net::SocketAddr, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            format!("`{text}` is not an address with a port"),
            "write 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080",
        )
    })
}

pub(super) fn network(text: &str) -> Result<IpNet, Fault> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    parsed.map(|network| network.trunc()).map_err(|_| {
        Fault::new(format!("`{text}` is not an address or network"), "write 127.0.0.1, 10.0.0.0/8 or fd00::/8")
    })
}

/// The list overrides only which schemes are taken; everything else that `oauth` refuses stays refused.
pub(super) fn redirect_uri(text: &str) -> Result<String, Fault> {
    let remedy = "write the whole URI, such as cursor://anysphere.cursor-mcp/oauth/callback";
    if text.contains('*') {
        return Err(Fault::new(
            format!("`{text}` has a `*`, and URIs are compared as a whole, not as patterns"),
            remedy,
        ));
    }
    match RedirectUri::parse(text, &AllowList::new(vec![text.to_owned()])) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Fault::new(format!("`{text}`: {error}"), remedy)),
    }
}

fn forgejo(reader: &mut Reader<'_>) -> Option<ForgejoConfig> {
    let url = reader.required(&s::FORGEJO_URL, BaseUrl::parse);
    let internal_url = reader.optional(&s::FORGEJO_INTERNAL_URL, BaseUrl::parse);
    let extra_ca_file = reader.optional(&s::EXTRA_CA_FILE, certificates);
    let egress_proxy = reader.optional(&s::EGRESS_PROXY, SecretUrl::parse_http);
    let client_id = reader.required(&s::FORGEJO_OAUTH_CLIENT_ID, printable);
    let client_secret =
        reader.required(&s::FORGEJO_OAUTH_CLIENT_SECRET, |text| printable(text).map(SecretString::from));
    let scopes = reader.required(&s::FORGEJO_OAUTH_SCOPES, |text| match text.parse::<ForgejoScopes>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Fault::new(error.to_string(), "name only scopes that Forgejo has and the tools need")),
    });
    let url = url?;
    Some(ForgejoConfig {
        internal_url: internal_url.ok()?.unwrap_or_else(|| url.clone()),
        url,
        extra_ca_file: extra_ca_file.ok()?,
        egress_proxy: egress_proxy.ok()?,
        client_id: client_id?,
        client_secret: client_secret?,
        scopes: scopes?,
    })
}

pub(super) fn certificates(text: &str) -> Result<PathBuf, Fault> {
    let readable = std::fs::read_to_string(text).map_err(|error| format!("cannot read {text}: {error}"));
    match readable {
        Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => Ok(PathBuf::from(text)),
        Ok(_) => Err(Fault::new(format!("{text} holds no certificate"), "name a PEM file with certificates")),
        Err(wrong) => Err(Fault::new(wrong, "name a readable PEM file")),
    }
}

/// Ids and secrets are pasted: a blank or a line end inside is a mistake. The text is not repeated, it may be a secret.
fn printable(text: &str) -> Result<String, Fault> {
    if text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        "the value has white space or other characters that Forgejo's ids and secrets never have",
        "copy it again",
    ))
}

fn gateway(reader: &mut Reader<'_>) -> Option<GatewayConfig> {
    let open_doors = reader.list(&s::OPEN_DOORS, |text| match text.parse::<DoorGroup>() {
        Ok(group) => Ok(group.name().to_owned()),
        Err(error) => Err(Fault::new(error.to_string(), "name one of these groups")),
    });
    let storage_origins = reader.list(&s::STORAGE_ORIGINS, parse_origin);
    Some(GatewayConfig { open_doors: open_doors?, storage_origins: storage_origins? })
}

fn store(reader: &mut Reader<'_>, environment: Environment<'_>) -> Option<StoreConfig> {
    let database = database(reader, environment);
    let keys = reader.list(&s::ENCRYPTION_KEYS, |text| Ok(text.to_owned()));
    let ephemeral = reader.required(&s::EPHEMERAL_KEY, truth);
    let (keys, ephemeral) = (keys?, ephemeral?);
    let keys = match (reader.is_set(&s::ENCRYPTION_KEYS), ephemeral) {
        (true, false) => Keys::Configured(key_ring(reader, &keys)?),
        (false, true) => Keys::Ephemeral,
        (true, true) => {
            reader.fault(&s::EPHEMERAL_KEY, Fault::new("encryption-keys are set too", "keep one of the two"));
            return None;
        }
        (false, false) => {
            let remedy = "run `fjmcp-broker keys generate`, keep the key in a file only the broker can read and set \
                          FJMCP_BROKER_ENCRYPTION_KEYS_FILE; for a trial, --ephemeral-key";
            reader.fault(&s::ENCRYPTION_KEYS, Fault::new("not set", remedy));
            return None;
        }
    };
    let (database, state_dir) = database?;
    Some(StoreConfig { database, state_dir, keys })
}

pub(super) fn truth(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(Fault::new(format!("`{text}` is neither true nor false"), "write true or false")),
    }
}

fn key_ring(reader: &mut Reader<'_>, keys: &[String]) -> Option<SecretString> {
    let text = keys.join("\n");
    // A file that could not be read has left no key, and its problem is noted already.
    if keys.is_empty() {
        return None;
    }
    match KeyRing::parse(&text) {
        Ok(_) => Some(SecretString::from(text)),
        Err(error) => {
            reader.fault(
                &s::ENCRYPTION_KEYS,
                Fault::new(error.to_string(), "run `fjmcp-broker keys generate` for a new key"),
            );
            None
        }
    }
}

fn lifetimes(reader: &mut Reader<'_>) -> Option<LifetimeConfig> {
    let access_token = reader.required(&s::ACCESS_TOKEN_LIFETIME, within(MINUTE..=DAY));
    let refresh_token_idle = reader.required(&s::REFRESH_TOKEN_IDLE_LIFETIME, within(HOUR..=3_650 * DAY));
    let refresh_token_absolute = reader.required(&s::REFRESH_TOKEN_ABSOLUTE_LIFETIME, within(HOUR..=3_650 * DAY));
    let authorization_code =
        reader.required(&s::AUTHORIZATION_CODE_LIFETIME, within(Duration::from_secs(10)..=10 * MINUTE));
    let login = reader.required(&s::LOGIN_LIFETIME, within(MINUTE..=HOUR));
    let refresh_replay_window = reader.required(&s::REFRESH_REPLAY_WINDOW, within(Duration::ZERO..=2 * MINUTE));
    let max_clients = reader.required(&s::MAX_CLIENTS, number(1..=10_000_000));
    if let (Some(idle), Some(absolute)) = (refresh_token_idle, refresh_token_absolute)
        && idle > absolute
    {
        let wrong = format!("longer than refresh-token-absolute-lifetime ({})", format_duration(absolute));
        reader.fault(&s::REFRESH_TOKEN_IDLE_LIFETIME, Fault::new(wrong, "make it shorter, or that longer"));
        return None;
    }
    Some(LifetimeConfig {
        access_token: access_token?,
        refresh_token_idle: refresh_token_idle?,
        refresh_token_absolute: refresh_token_absolute?,
        authorization_code: authorization_code?,
        login: login?,
        refresh_replay_window: refresh_replay_window?,
        max_clients: max_clients?,
    })
}

fn sessions(reader: &mut Reader<'_>, worker: Option<&WorkerConfig>) -> Option<SessionConfig> {
    let capacity = Capacity::of_this_process();
    let room = capacity.workers(worker.map_or("", |worker| &worker.profile));
    let mut workers = |setting: &'static Setting, default: usize| {
        let number = reader.optional(setting, number(1..=100_000)).ok()?;
        if number.is_none() {
            reader.computed.insert(setting.name, vec![default.to_string()]);
        }
        Some(number.unwrap_or(default))
    };
    let max_sessions = workers(&s::MAX_SESSIONS, room.in_total);
    let max_sessions_per_user = workers(&s::MAX_SESSIONS_PER_USER, room.per_user);
    let warm_workers = reader.required(&s::WARM_WORKERS, number(0..=1_000));
    let max_stored_sessions = reader.required(&s::MAX_STORED_SESSIONS, number(1..=1_000_000));
    let idle_timeout = reader.required(&s::SESSION_IDLE_TIMEOUT, within(Duration::from_secs(1)..=30 * DAY));
    let absolute_lifetime = reader.required(&s::SESSION_ABSOLUTE_LIFETIME, within(MINUTE..=3_650 * DAY));
    let call_deadline = reader.required(&s::CALL_DEADLINE, within(Duration::from_secs(1)..=DAY));
    Some(SessionConfig {
        capacity,
        max_sessions: max_sessions?,
        max_sessions_per_user: max_sessions_per_user?,
        warm_workers: warm_workers?,
        max_stored_sessions: max_stored_sessions?,
        idle_timeout: idle_timeout?,
        absolute_lifetime: absolute_lifetime?,
        call_deadline: call_deadline?,
    })
}

fn metrics(reader: &mut Reader<'_>) -> Option<MetricsConfig> {
    let address = reader.required(&s::METRICS_LISTEN, |text| match text {
        "off" => Ok(None),
        address => listen(address).map(Some),
    })?;
    if address.is_some_and(|address| !address.ip().is_loopback()) {
        reader.warnings.push(
            "metrics-listen is not a loopback address: whoever reaches it can read how the broker is used".to_owned(),
        );
    }
    Some(MetricsConfig { listen: address, is_default: !reader.is_set(&s::METRICS_LISTEN) })
}

fn traces(reader: &mut Reader<'_>) -> Option<TracesConfig> {
    let endpoint = reader.optional(&s::TRACES_ENDPOINT, |text| {
        let remedy = "write the collector's address for OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces";
        match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() => {
                // The path that OTLP gives to traces.
                Ok(if url.path() == "/" {
                    url.join("/v1/traces").map_or(text.to_owned(), String::from)
                } else {
                    url.into()
                })
            }
            _ => Err(Fault::new("not an http or https address without a user", remedy)),
        }
    });
    let ratio = reader.required(&s::TRACES_RATIO, |text| match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(Fault::new(format!("`{text}` is not a share"), "write a number from 0 to 1, such as 0.1")),
    });
    Some(TracesConfig { endpoint: endpoint.ok()?, ratio: ratio? })
}

fn log(reader: &mut Reader<'_>) -> Option<LogConfig> {
    let format = reader.required(&s::LOG_FORMAT, |text| match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(Fault::new(format!("`{text}` is unknown"), "choose json or text")),
    });
    let level = reader.required(&s::LOG_LEVEL, |text| {
        tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|error| {
            Fault::new(
                format!("`{text}` is not a level: {error}"),
                "write error, warn, info, debug or trace, or target=level pairs",
            )
        })
    });
    let audit_file = reader.optional(&s::AUDIT_LOG, audit_file);
    let audit_retention = reader.required(&s::AUDIT_RETENTION, within(DAY..=3_650 * DAY));
    Some(LogConfig { format: format?, level: level?, audit_file: audit_file.ok()?, audit_retention: audit_retention? })
}

/// Tried by opening it, as each batch of events will.
fn audit_file(text: &str) -> Result<PathBuf, Fault> {
    if text.chars().any(char::is_control) {
        return Err(Fault::new("the name has control characters", "name another file"));
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(text);
    file.map(|_| PathBuf::from(text)).map_err(|error| {
        Fault::new(
            format!("cannot write to {text}: {error}"),
            "name a file in a folder that the user who runs the broker may write to",
        )
    })
}

pub(super) fn within(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Fault> {
    move |text| {
        let duration = parse_duration(text)?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let (low, high) = (format_duration(*range.start()), format_duration(*range.end()));
        Err(Fault::new(format!("`{text}` is out of range"), format!("choose between {low} and {high}")))
    }
}

pub(super) fn number(range: RangeInclusive<usize>) -> impl Fn(&str) -> Result<usize, Fault> {
    move |text| match text.parse::<usize>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(Fault::new(
            format!("`{text}` is not a number in range"),
            format!("choose a whole number from {} to {}", range.start(), range.end()),
        )),
    }
}

fn warn(reader: &mut Reader<'_>, config: &Config) {
    if matches!(config.store.keys, Keys::Ephemeral) {
        reader.warnings.push(
            "ephemeral-key: logins and tokens are sealed with a key that ends with this run; after a restart everybody has to connect again".to_owned(),
        );
    }
    if !config.http.listen.ip().is_loopback() && config.http.trusted_proxies.is_empty() {
        reader.warnings.push(
            "listening beyond loopback without trusted-proxies: all clients behind a reverse proxy look like one address".to_owned(),
        );
    }
    for (name, url) in [("forgejo-url", &config.forgejo.url), ("forgejo-internal-url", &config.forgejo.internal_url)] {
        if url.is_exposed() && (name == "forgejo-internal-url" || config.forgejo.url == config.forgejo.internal_url) {
            reader.warnings.push(format!(
                "{name} is plain http to another machine: tokens travel readably between the broker and Forgejo"
            ));
            break;
        }
    }
    if config.clients.metadata_documents && config.forgejo.egress_proxy.is_some() {
        reader.warnings.push(
            "client metadata documents are fetched directly, not through egress-proxy; if nothing but the proxy reaches the internet, set \
             client-metadata-documents to false, or clients that have one cannot connect".to_owned(),
        );
    }
    if reader.is_set(&s::MAX_SESSIONS_PER_USER) && config.sessions.max_sessions_per_user > config.sessions.max_sessions
    {
        reader.warnings.push("max-sessions-per-user is larger than max-sessions and has no effect".to_owned());
    }
}
