//! A `PgBouncer` before a cluster, that gives out connections by the transaction.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

use crate::cluster::{Cluster, Error, Place, file, free_port};

/// A pooler. Ends when it is dropped.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    watchman: Child,
    /// Held open, because it goes on writing.
    said: BufReader<ChildStderr>,
}

const PROGRAM: &str = "/usr/sbin/pgbouncer";

// === impl Pooler ===

impl Pooler {
    /// A pooler for one place, with so few connections that every client gets another one's.
    pub fn start(cluster: &Cluster, place: &Place) -> Result<Self, Error> {
        if !Path::new(PROGRAM).is_file() {
            return Err(Error::NoPooler);
        }
        let port = free_port()?;
        let name = format!("pooler-{port}");
        let users =
            cluster.write(&format!("{name}.users"), &format!("\"{}\" \"{}\"\n", place.owner(), place.password()))?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\nlog_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n",
            cluster.port(),
            users.display(),
        );
        let settings = cluster.write(&format!("{name}.ini"), &settings)?;
        let mut watchman = cluster.command("sh");
        watchman.args(["-c", "\"$0\" \"$1\" & pooler=$!; cat >/dev/null; kill -INT $pooler; wait"]);
        watchman.arg(PROGRAM).arg(&settings);
        watchman.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut watchman = watchman.spawn().map_err(|source| file(&settings, source))?;
        let said = BufReader::new(watchman.stderr.take().ok_or(Error::NoPooler)?);
        let mut pooler = Self { port, watchman, said };
        let mut line = String::new();
        while !line.contains("process up") {
            line.clear();
            if pooler.said.read_line(&mut line).map_err(|source| file(&settings, source))? == 0 {
                return Err(Error::Failed { program: PROGRAM.to_owned(), said: "it ended at once".to_owned() });
            }
        }
        Ok(pooler)
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.watchman.stdin.take());
        let _ = self.watchman.wait();
    }
}
