//! A cluster, from `initdb` to its removal.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::programs::Programs;

/// A PostgreSQL server with its data. Ends when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    port: u16,
    /// Holds the pipe at whose end the server is ended.
    watchman: Option<Child>,
}

/// An empty place in a cluster, with an owner of its own: a schema that is all that he sees of a database, or a database. It goes with the
/// cluster.
#[derive(Debug)]
pub struct Place {
    name: String,
    /// The database in which it is, or which it is.
    database: String,
    port: u16,
    programs: Programs,
    folder: PathBuf,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Debian's package is missing.
    #[error("PostgreSQL is not installed: scripts/prepare.sh installs it (or: apt-get install postgresql)")]
    NotInstalled,
    /// Debian's package is missing.
    #[error("PgBouncer is not installed: scripts/prepare.sh installs it (or: apt-get install pgbouncer)")]
    NoPooler,
    /// As root, PostgreSQL runs as another user.
    #[error("PostgreSQL can't run as root, and there is neither a user `postgres` nor a user `nobody` to run it as")]
    NoUser,
    /// A file can't be made.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of the programs failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which one.
        program: String,
        /// What it said.
        said: String,
    },
}

/// The administrator's and every owner's password.
const PASSWORD: &str = "scratch";
/// For tests nothing has to survive a power cut.
const SETTINGS: &str = "fsync = off\nfull_page_writes = off\nmax_connections = 400\nlisten_addresses = '127.0.0.1'\n";
/// Tries to find a port that nobody takes meanwhile.
const STARTS: u32 = 5;

/// The cluster of this process, started by whoever needs it first. It lives until the process ends.
pub fn shared() -> Result<&'static Cluster, &'static Error> {
    static SHARED: OnceLock<Result<Cluster, Error>> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start("", &[])).as_ref()
}

// === impl Cluster ===

impl Cluster {
    /// Makes and starts a server with further lines of `postgresql.conf`, and further files (name and content) beside that one.
    pub fn start(settings: &str, files: &[(&str, &str)]) -> Result<Self, Error> {
        let programs = Programs::find()?;
        let folder = new_folder()?;
        let mut cluster = Self { programs, folder, port: 0, watchman: None };
        cluster.give_away(&cluster.folder)?;
        cluster.watchman = Some(cluster.watch()?);
        let password = cluster.write("password", PASSWORD)?;
        let mut initdb = cluster.command("initdb");
        initdb.args(["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        run(initdb.arg("--pwfile").arg(password))?;
        cluster.write("data/postgresql.auto.conf", &format!("{SETTINGS}{settings}\n"))?;
        for (name, content) in files {
            cluster.write(&format!("data/{name}"), content)?;
        }
        let mut tries_left = STARTS;
        loop {
            cluster.port = free_port()?;
            match cluster.resume() {
                Err(_) if tries_left > 0 => tries_left -= 1,
                started => return started.map(|()| cluster),
            }
        }
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new schema, which costs less than a database. What is told by NOTIFY, the tests hear of each other.
    pub fn schema(&self) -> Result<Place, Error> {
        let place = self.place("postgres");
        let name = &place.name;
        place.run(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; CREATE SCHEMA AUTHORIZATION {name}; \
             ALTER ROLE {name} SET search_path = {name}"
        ))?;
        Ok(place)
    }

    /// A new database.
    pub fn database(&self) -> Result<Place, Error> {
        let mut place = self.place("postgres");
        place.run(&format!("CREATE ROLE {} LOGIN PASSWORD '{PASSWORD}'", place.name))?;
        place.run(&format!("CREATE DATABASE {0} OWNER {0}", place.name))?;
        place.database.clone_from(&place.name);
        Ok(place)
    }

    fn place(&self, database: &str) -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Place {
            name: format!("scratch_{}", COUNT.fetch_add(1, Ordering::Relaxed)),
            database: database.to_owned(),
            port: self.port,
            programs: self.programs.clone(),
            folder: self.folder.clone(),
        }
    }

    /// Stops the server and breaks its connections. The data stays.
    pub fn stop(&self) -> Result<(), Error> {
        run(self.command("pg_ctl").args(["-D", "data", "-m", "fast", "-w", "-t", "60", "stop"]))
    }

    /// Starts it again after [`Self::stop`], at the same port.
    pub fn resume(&self) -> Result<(), Error> {
        let options = format!("-p {} -c unix_socket_directories={}", self.port, self.folder.display());
        run(self.command("pg_ctl").args(["-D", "data", "-l", "log", "-w", "-t", "120", "-o", &options, "start"]))
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        self.programs.command(program, &self.folder)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        fs::write(&path, content).map_err(|source| Error::File { path: path.clone(), source })?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(|source| file(&path, source))?;
        self.give_away(&path)?;
        Ok(path)
    }

    fn give_away(&self, path: &Path) -> Result<(), Error> {
        match self.programs.user() {
            Some((user, group)) => chown(path, Some(user), Some(group)).map_err(|source| file(path, source)),
            None => Ok(()),
        }
    }

    fn watch(&self) -> Result<Child, Error> {
        let script = "cat >/dev/null; \"$0\" -D \"$1/data\" -m immediate -w stop; cd /; rm -rf \"$1\"";
        let mut watchman = self.programs.command("sh", &self.folder);
        watchman.args(["-c", script]).arg(self.programs.path("pg_ctl")).arg(&self.folder);
        watchman.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        watchman.spawn().map_err(|source| file(&self.folder, source))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut watchman) = self.watchman.take() {
            drop(watchman.stdin.take());
            let _ = watchman.wait();
        }
    }
}

// === impl Place ===

impl Place {
    /// Under which its owner reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same through another port of 127.0.0.1, behind which something stands in between.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://{}:{PASSWORD}@127.0.0.1:{port}/{}", self.name, self.database)
    }

    /// Its owner's name.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.name
    }

    /// Its owner's password. The server asks for it only if its `pg_hba.conf` is another one than `initdb`'s.
    #[must_use]
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Runs a statement in it as the administrator, and gives what `psql` prints: rows by line, columns by `|`.
    pub fn run(&self, statement: &str) -> Result<String, Error> {
        let mut psql = self.programs.command("psql", &self.folder);
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-d", &self.database]);
        psql.args(["-c", statement, "-p"]).arg(self.port.to_string()).env("PGPASSWORD", PASSWORD);
        psql.env("PGOPTIONS", format!("-c search_path={},public", self.name));
        output(&mut psql)
    }
}

fn new_folder() -> Result<PathBuf, Error> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("scratch-postgres-{}-{number}", std::process::id()));
    // Left behind by a process of the same number that was killed together with its watchman.
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).map_err(|source| file(&path, source))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(|source| file(&path, source))?;
    Ok(path)
}

pub(crate) fn free_port() -> Result<u16, Error> {
    let failed = |source| file(Path::new("127.0.0.1"), source);
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    Ok(listener.local_addr().map_err(failed)?.port())
}

fn run(command: &mut Command) -> Result<(), Error> {
    // A server that stays must not hold a pipe whose end is waited for.
    command.stdout(Stdio::null()).stdin(Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command.stderr(Stdio::null()).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Failed { program, said: format!("{status}; see the server's log") }),
        Err(source) => Err(Error::Failed { program, said: source.to_string() }),
    }
}

fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command.stdin(Stdio::null()).output();
    match ended {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()),
        Ok(output) => Err(Error::Failed { program, said: String::from_utf8_lossy(&output.stderr).into_owned() }),
        Err(source) => Err(Error::Failed { program, said: source.to_string() }),
    }
}

pub(crate) fn file(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}
