//! A PostgreSQL server: how it is reached, and how long it is waited for.
//!
//! Nothing here belongs to a connection for longer than a transaction: no lock, no setting, and behind a pooler no prepared statement, for
//! there the next transaction may be on another connection. Every answer is waited for with a limit, because a server that is cut off sends
//! nothing, not even an error.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool, Postgres, SqlSafeStr as _, SqlStr, Transaction,
};

/// Where the broker's memory is.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A database server, which several brokers may share.
    Postgres(Box<Server>),
}

/// How a PostgreSQL database is reached.
#[derive(Clone)]
pub struct Server {
    options: PgConnectOptions,
    listen: PgConnectOptions,
    /// Connections that are open at most.
    pub connections: u32,
    /// How long a free connection is waited for, a new one included.
    pub connect_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement waits for a row that somebody else is writing.
    pub lock_timeout: Duration,
    /// Whether there is a pooler in between that gives out connections by the transaction.
    pub pooled: bool,
}

/// How the connection is protected (libpq's `sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always, whoever the server is.
    Require,
    /// Always, and the certificate is of a known authority.
    VerifyCa,
    /// Always, and the certificate is of a known authority and names the host.
    VerifyFull,
}

/// Why a URL names no PostgreSQL database.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another scheme.
    #[error("the database's URL has to begin with postgres:// or postgresql://")]
    Scheme,
    /// The URL can't be read. It is not shown, for there may be a password in it.
    #[error("the database's URL can't be read: {0}")]
    Url(String),
    /// No database is named; the server would take the user's name for one.
    #[error("the database's URL names no database: postgres://USER@HOST/DATABASE")]
    NoDatabase,
}

/// Connections to a server. A cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct ServerPool {
    pool: PgPool,
    how: Arc<How>,
}

#[derive(Debug)]
struct How {
    begin: String,
    patience: Duration,
    pooled: bool,
    tries: u32,
    /// How often a connection was asked for, and how long was waited for it altogether, in microseconds.
    requests: AtomicU64,
    waited: AtomicU64,
}

/// What the connections to a server are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolFigures {
    /// Connections in use.
    pub used: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// How often a connection was asked for.
    pub requests: u64,
    /// How long those who asked waited for it altogether.
    pub waited: Duration,
}

/// What a client waits beyond the time after which the server gives up by itself.
const GRACE: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is tried before it is used.
const IDLE: Duration = Duration::from_secs(5);
/// Idle connections beyond the first are closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);
/// So that a changed address or role is noticed in the end.
const LIFETIME: Duration = Duration::from_mins(30);

// === impl Database ===

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

// === impl Server ===

impl Server {
    /// The database that a URL names, with the limits of the settings' defaults. What the URL does not say is libpq's default, not
    /// what the environment of the process says.
    pub fn new(url: &str) -> Result<Self, ServerError> {
        let options = parse(url)?;
        Ok(Self {
            listen: options.clone(),
            options,
            connections: 10,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            lock_timeout: Duration::from_secs(5),
            pooled: false,
        })
    }

    /// The same with another way for the one connection that listens, which has to lead around a pooler.
    pub fn listening_at(mut self, url: &str) -> Result<Self, ServerError> {
        self.listen = parse(url)?;
        Ok(self)
    }

    /// The same with a password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.options = self.options.password(password);
        self.listen = self.listen.password(password);
        self
    }

    /// The same with other protection of the connection, and the authority that signs the server's certificate (a PEM file).
    #[must_use]
    pub fn tls(mut self, tls: Option<Tls>, authority: Option<&std::path::Path>) -> Self {
        for options in [&mut self.options, &mut self.listen] {
            let mut with = options.clone();
            if let Some(tls) = tls {
                with = with.ssl_mode(tls.into());
            }
            if let Some(authority) = authority {
                with = with.ssl_root_cert(authority);
            }
            *options = with;
        }
        self
    }

    /// Whether what goes over the wire can be read or changed on the way: another host, and nothing that proves which.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        let host = self.options.get_host();
        let local = self.options.get_socket().is_some()
            || host.starts_with('/')
            || host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        !local && !matches!(self.options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull)
    }

    /// Opens no connection yet.
    pub(crate) fn pool(&self) -> ServerPool {
        let (statement, lock) = (self.statement_timeout.as_millis(), self.lock_timeout.as_millis());
        // A broker that is cut off in the middle of a transaction must not keep rows locked.
        let idle = (self.statement_timeout + GRACE).as_millis();
        let mut options = self.options.clone();
        let mut begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE".to_owned();
        if self.pooled {
            // A pooler refuses settings at the start, and what is set for a session would stay for another client's.
            for (setting, limit) in [
                ("statement_timeout", statement),
                ("lock_timeout", lock),
                ("idle_in_transaction_session_timeout", idle),
            ] {
                let _ = write!(begin, "; SET LOCAL {setting} = {limit}");
            }
            options = options.statement_cache_capacity(0);
        } else {
            options = options.options([
                ("statement_timeout", statement),
                ("lock_timeout", lock),
                ("idle_in_transaction_session_timeout", idle),
            ]);
            options = options.statement_cache_capacity(256);
        }
        let patience = self.statement_timeout + GRACE;
        let pool = PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.connect_timeout)
            .idle_timeout(IDLE_TIMEOUT)
            .max_lifetime(LIFETIME)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                Box::pin(async move { Ok(meta.idle_for < IDLE || limited(GRACE, connection.ping()).await.is_ok()) })
            })
            .after_release(move |connection, _| {
                // Else a connection that is cut off would keep its place in the pool for ever.
                Box::pin(async move { limited(GRACE, connection.ping()).await.map(|()| true) })
            })
            .connect_lazy_with(options);
        let (requests, waited) = (AtomicU64::new(0), AtomicU64::new(0));
        let how = How { begin, patience, pooled: self.pooled, tries: self.connections + 1, requests, waited };
        ServerPool { pool, how: Arc::new(how) }
    }

    /// Connects once, because a pool would not say what is wrong, but that its patience is at an end.
    pub(crate) async fn knock(&self) -> Result<(), sqlx::Error> {
        let connection = limited(self.connect_timeout, self.options.connect()).await?;
        limited(self.connect_timeout, connection.close()).await
    }

    /// How the connection that listens is made.
    pub(crate) fn listen_options(&self) -> PgConnectOptions {
        self.listen.clone()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let database = options.get_database().unwrap_or_default();
        let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
        if let Some(socket) = options.get_socket() {
            write!(f, "postgres://{user}@{}/{database}", socket.display())
        } else {
            write!(f, "postgres://{user}@{host}:{port}/{database}")
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, ServerError> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(ServerError::Scheme);
    }
    let options = PgConnectOptions::from_str(url).map_err(|error| match error {
        sqlx::Error::Configuration(why) => ServerError::Url(why.to_string()),
        other => ServerError::Url(other.to_string()),
    })?;
    if options.get_database().is_none_or(str::is_empty) {
        return Err(ServerError::NoDatabase);
    }
    // Poolers know this start parameter not, and no column of ours is a floating point number.
    Ok(options.extra_float_digits(None).application_name("fjmcp-broker").disable_statement_logging())
}

// === impl Tls ===

impl From<Tls> for PgSslMode {
    fn from(tls: Tls) -> Self {
        match tls {
            Tls::Disable => Self::Disable,
            Tls::Allow => Self::Allow,
            Tls::Prefer => Self::Prefer,
            Tls::Require => Self::Require,
            Tls::VerifyCa => Self::VerifyCa,
            Tls::VerifyFull => Self::VerifyFull,
        }
    }
}

// === impl ServerPool ===

impl ServerPool {
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let asked = Instant::now();
        let acquired = self.pool.acquire().await;
        self.note(asked);
        acquired
    }

    fn note(&self, asked: Instant) {
        let waited = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.how.requests.fetch_add(1, Ordering::Relaxed);
        self.how.waited.fetch_add(waited, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        PoolFigures {
            used: self.pool.size().saturating_sub(idle),
            idle,
            requests: self.how.requests.load(Ordering::Relaxed),
            waited: Duration::from_micros(self.how.waited.load(Ordering::Relaxed)),
        }
    }

    /// Begins a transaction, on another connection if the first one turns out to be gone: nothing has happened on it.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut tries_left = self.tries();
        loop {
            let connection = self.acquire().await?;
            match limited(self.how.patience, Transaction::begin(connection, Some(self.begin_text()))).await {
                Err(error) if tries_left > 0 && Self::is_gone(&error) => tries_left -= 1,
                done => return done,
            }
        }
    }

    fn begin_text(&self) -> SqlStr {
        AssertSqlSafe(self.how.begin.clone()).into_sql_str()
    }

    /// How long the server's answer to one statement is waited for.
    pub(crate) fn patience(&self) -> Duration {
        self.how.patience
    }

    pub(crate) fn is_pooled(&self) -> bool {
        self.how.pooled
    }

    /// Enough to go through a pool full of connections that are gone.
    pub(crate) fn tries(&self) -> u32 {
        self.how.tries
    }

    /// Whether the connection broke, as opposed to: the server refused, is starting, or does not answer.
    pub(crate) fn is_gone(error: &sqlx::Error) -> bool {
        const ADMIN_SHUTDOWN: &str = "57P01";
        const CRASH_SHUTDOWN: &str = "57P02";
        const IDLE_TOO_LONG: &str = "25P03";
        match error {
            sqlx::Error::Io(error) => !matches!(
                error.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ),
            sqlx::Error::Database(error) => {
                error.code().is_some_and(|code| [ADMIN_SHUTDOWN, CRASH_SHUTDOWN, IDLE_TOO_LONG].contains(&&*code))
            }
            _ => false,
        }
    }

    pub(crate) async fn close(&self) {
        // A server that is cut off must not keep the process from ending.
        let _ = tokio::time::timeout(self.how.patience, self.pool.close()).await;
    }
}

/// Waits for an answer of the server, but not for ever.
pub(crate) async fn limited<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))),
    }
}
