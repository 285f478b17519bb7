//! Where the state is: a file, or a PostgreSQL server and how it is reached.

use std::path::{Path, PathBuf};
use std::time::Duration;

use store::{Database, Server, ServerError, Tls};

use super::build::{certificates, number, truth, within};
use super::probe::probe_store;
use super::problem::Fault;
use super::raw::Environment;
use super::reader::Reader;
use super::setting::Setting;
use super::settings as s;

/// Settings of which a command that needs only the state reads something.
pub(super) const SETTINGS: [&Setting; 12] = [
    &s::STORE_PATH,
    &s::STATE_DIR,
    &s::DATABASE_URL,
    &s::DATABASE_PASSWORD,
    &s::DATABASE_TLS,
    &s::DATABASE_CA_FILE,
    &s::DATABASE_LISTEN_URL,
    &s::DATABASE_POOLER,
    &s::DATABASE_CONNECTIONS,
    &s::DATABASE_CONNECT_TIMEOUT,
    &s::DATABASE_STATEMENT_TIMEOUT,
    &s::DATABASE_LOCK_TIMEOUT,
];

/// What has a meaning on a server only.
const SERVERS: [&Setting; 6] = [
    &s::STATE_DIR,
    &s::DATABASE_PASSWORD,
    &s::DATABASE_TLS,
    &s::DATABASE_CA_FILE,
    &s::DATABASE_LISTEN_URL,
    &s::DATABASE_POOLER,
];

const FILE_NAME: &str = "broker.db";
const SECOND: Duration = Duration::from_secs(1);

/// What `database-url` says.
enum Named {
    File(PathBuf),
    Server(Box<Server>),
}

/// The database, and the folder for what belongs to this process alone.
pub(super) fn database(reader: &mut Reader<'_>, environment: Environment<'_>) -> Option<(Database, PathBuf)> {
    let named = reader.optional(&s::DATABASE_URL, named);
    let path = reader.optional(&s::STORE_PATH, |text| Ok(PathBuf::from(text)));
    let state_dir = reader.optional(&s::STATE_DIR, |text| {
        let folder = PathBuf::from(text);
        probe_store(&folder.join(FILE_NAME)).map(|()| folder)
    });
    let how = reach(reader);
    let (named, path, state_dir) = (named.ok()?, path.ok()?, state_dir.ok()?);
    let (setting, path) = match (named, path) {
        (Some(_), Some(_)) => {
            reader.fault(&s::DATABASE_URL, Fault::new("store-path is set too", "keep one of the two"));
            return None;
        }
        (Some(Named::Server(server)), None) => {
            let folder = state_dir.unwrap_or_else(|| systemd_folder(environment).unwrap_or_else(|| PathBuf::from(".")));
            reader.computed.insert(s::STATE_DIR.name, vec![folder.display().to_string()]);
            if let Err(fault) = probe_store(&folder.join(FILE_NAME)) {
                reader.fault(&s::STATE_DIR, fault);
                return None;
            }
            return Some((Database::Postgres(Box::new(how?.of(*server))), folder));
        }
        (Some(Named::File(path)), None) => (&s::DATABASE_URL, path),
        (None, Some(path)) => (&s::STORE_PATH, path),
        (None, None) => {
            let path = systemd_folder(environment)
                .map_or_else(|| PathBuf::from("fjmcp-broker.db"), |folder| folder.join(FILE_NAME));
            reader.computed.insert(s::STORE_PATH.name, vec![path.display().to_string()]);
            (&s::STORE_PATH, path)
        }
    };
    for setting in SERVERS {
        if reader.is_set(setting) {
            reader.warnings.push(format!("{} has no meaning for an SQLite file", setting.name));
        }
    }
    if let Err(fault) = probe_store(&path) {
        reader.fault(setting, fault);
        return None;
    }
    let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = beside.to_owned();
    Some((Database::Sqlite(path), folder))
}

/// A server by its URL, reached as the settings say; whatever they say of which database is meant.
pub(super) fn server(reader: &mut Reader<'_>, url: &str) -> Option<Server> {
    let how = reach(reader);
    match Server::new(url) {
        Ok(server) => Some(how?.of(server)),
        Err(error) => {
            reader.fault(&s::DATABASE_URL, refused(&error));
            None
        }
    }
}

/// systemd names the folder of `StateDirectory=`; of several, the first.
fn systemd_folder(environment: Environment<'_>) -> Option<PathBuf> {
    let state = environment("STATE_DIRECTORY").filter(|value| !value.is_empty())?;
    state.to_str()?.split(':').next().map(PathBuf::from)
}

fn named(text: &str) -> Result<Named, Fault> {
    let remedy = "write sqlite:FILE or postgres://USER@HOST/DATABASE, or set store-path";
    if let Some(rest) = text.strip_prefix("sqlite:") {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        return if path.is_empty() || path.contains('?') {
            Err(Fault::new("no file is named", remedy))
        } else {
            Ok(Named::File(PathBuf::from(path)))
        };
    }
    Server::new(text).map(|server| Named::Server(Box::new(server))).map_err(|error| refused(&error))
}

fn refused(error: &ServerError) -> Fault {
    Fault::new(error.to_string(), "write sqlite:FILE or postgres://USER@HOST/DATABASE, or set store-path")
}

/// How a server is reached, beside its URL.
struct Reach {
    password: Option<String>,
    tls: Option<Tls>,
    authority: Option<PathBuf>,
    listen: Option<String>,
    pooled: bool,
    connections: u32,
    connect_timeout: Duration,
    statement_timeout: Duration,
    lock_timeout: Duration,
}

fn reach(reader: &mut Reader<'_>) -> Option<Reach> {
    let password = reader.optional(&s::DATABASE_PASSWORD, |text| Ok(text.to_owned()));
    let tls = reader.optional(&s::DATABASE_TLS, tls);
    let authority = reader.optional(&s::DATABASE_CA_FILE, certificates);
    let listen = reader.optional(&s::DATABASE_LISTEN_URL, |text| {
        Server::new(text).map(|_| text.to_owned()).map_err(|error| refused(&error))
    });
    let pooled = reader.required(&s::DATABASE_POOLER, truth);
    let connections = reader.required(&s::DATABASE_CONNECTIONS, number(2..=1_000));
    let connect_timeout = reader.required(&s::DATABASE_CONNECT_TIMEOUT, within(SECOND..=60 * SECOND));
    let statement_timeout = reader.required(&s::DATABASE_STATEMENT_TIMEOUT, within(SECOND..=300 * SECOND));
    let lock_timeout = reader.required(&s::DATABASE_LOCK_TIMEOUT, within(SECOND..=300 * SECOND));
    Some(Reach {
        password: password.ok()?,
        tls: tls.ok()?,
        authority: authority.ok()?,
        listen: listen.ok()?,
        pooled: pooled?,
        connections: u32::try_from(connections?).ok()?,
        connect_timeout: connect_timeout?,
        statement_timeout: statement_timeout?,
        lock_timeout: lock_timeout?,
    })
}

fn tls(text: &str) -> Result<Tls, Fault> {
    Ok(match text {
        "disable" => Tls::Disable,
        "allow" => Tls::Allow,
        "prefer" => Tls::Prefer,
        "require" => Tls::Require,
        "verify-ca" => Tls::VerifyCa,
        "verify-full" => Tls::VerifyFull,
        _ => {
            let remedy = "choose disable, allow, prefer, require, verify-ca or verify-full";
            return Err(Fault::new(format!("`{text}` is unknown"), remedy));
        }
    })
}

// === impl Reach ===

impl Reach {
    fn of(self, mut server: Server) -> Server {
        server.pooled = self.pooled;
        server.connections = self.connections;
        server.connect_timeout = self.connect_timeout;
        server.statement_timeout = self.statement_timeout;
        server.lock_timeout = self.lock_timeout;
        // Was read as a URL before.
        let server = match self.listen {
            Some(url) => server.clone().listening_at(&url).unwrap_or(server),
            None => server,
        };
        let server = match self.password {
            Some(password) => server.password(&password),
            None => server,
        };
        server.tls(self.tls, self.authority.as_deref())
    }
}
