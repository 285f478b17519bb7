//! nginx as a balancer without any stickiness: the next request goes to the next broker.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::stack::until_ok;

/// A running nginx.
pub struct Nginx {
    _process: Child,
    folder: TempDir,
}

// === impl Nginx ===

impl Nginx {
    /// The program, where it is installed. Debian keeps it where only root's PATH leads.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]).collect::<Vec<_>>();
        folders.into_iter().map(|folder| folder.join("nginx")).find(|path| path.is_file())
    }

    pub(super) async fn start(program: &Path, port: u16, upstreams: &[u16]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), port, upstreams))?;
        let log = File::create(folder.path().join("output.log"))?;
        let mut command = Command::new(program);
        command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf")).args(["-e", "stderr"]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let nginx = Self { _process: process, folder };
        let listens = until_ok("nginx listens", async || Ok(TcpStream::connect(("127.0.0.1", port)).await?));
        listens.await.with_context(|| nginx.read("output.log"))?;
        Ok(nginx)
    }

    /// How many requests each broker has answered, by its address.
    #[must_use]
    pub fn spread(&self) -> BTreeMap<String, u64> {
        let mut spread = BTreeMap::new();
        for line in self.read("access.log").lines() {
            // Where a broker was not there, the next one is named behind a comma.
            let upstream = line.rsplit(' ').next().unwrap_or_default();
            *spread.entry(upstream.to_owned()).or_default() += 1;
        }
        spread
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

/// A request that may have arrived is not sent again: nginx' own rule for what is not idempotent. One process, so that the turns are strict.
fn configuration(folder: &Path, port: u16, upstreams: &[u16]) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let servers: Vec<_> = upstreams.iter().map(|port| format!("server 127.0.0.1:{port} max_fails=0;\n")).collect();
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {};\n", at(name)));
    format!(
        "daemon off; master_process off; worker_processes 1; pid {pid}; error_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n{temporary}log_format turns '$status $uri $upstream_addr';\naccess_log {log} turns;\n\
         upstream brokers {{\n{servers}}}\n\
         server {{ listen 127.0.0.1:{port} backlog=1024; client_max_body_size 5m; keepalive_requests 1000000;\n\
         location / {{ proxy_pass http://brokers; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;\n\
         proxy_next_upstream error timeout; proxy_connect_timeout 5s; proxy_read_timeout 1h; proxy_send_timeout 1h;\n\
         proxy_set_header Connection \"\"; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Forwarded-Proto $scheme; }} }} }}\n",
        pid = at("nginx.pid"),
        log = at("access.log"),
        temporary = temporary.concat(),
        servers = servers.concat(),
    )
}
