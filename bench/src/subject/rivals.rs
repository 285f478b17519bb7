//! Bridges of others, found in `.bench/rivals.json` (`scripts/rivals.sh`), and the processes around ours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use e2e::binaries::project_root;
use e2e::broker::free_port;
use serde::Deserialize;
use tempfile::TempDir;

use super::{Running, Way, child, name, ours};
use crate::cost;
use crate::target::Door;

/// What is installed.
#[derive(Debug, Default, Deserialize)]
pub struct Rivals {
    present: BTreeMap<String, String>,
    absent: BTreeMap<String, String>,
}

/// A reverse proxy before a broker.
pub(super) struct Nginx {
    /// Where it listens.
    pub(super) address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

/// A process that ends with its owner, its own children included.
struct Process(Child);

/// What starts a subject.
type Start = fn(&Rivals, &str) -> Result<(Command, Door, Option<TempDir>)>;

/// The other bridges: name, what has to be installed, how it starts.
const OTHERS: [(&str, &str, Start); 6] = [
    (name::BARE, "", bare),
    (name::RUST, "rust-mcp-proxy", rust),
    (name::SUPERGATEWAY, "supergateway", supergateway),
    (name::NPM, "npm-mcp-proxy", npm),
    (name::PYTHON, "python-mcp-proxy", python),
    (name::NODE, "node-broker", node),
];

// === impl Rivals ===

impl Rivals {
    /// What `scripts/rivals.sh` found.
    ///
    /// # Errors
    /// When its list cannot be read.
    pub fn installed() -> Result<Self> {
        let path = project_root().join(".bench/rivals.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(Self::default());
        };
        serde_json::from_str(&text).with_context(|| format!("{} is not what scripts/rivals.sh writes", path.display()))
    }

    /// Starts all subjects whose name contains one of `only` (all, if there is none); what cannot be started comes with the reason.
    ///
    /// # Errors
    /// When one of our own does not start.
    pub async fn start(&self, only: &[String]) -> Result<(Vec<Running>, Vec<(String, String)>)> {
        let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part.as_str()));
        let (mut running, mut absent) = (Vec::new(), Vec::new());
        if wanted(name::PIPE) {
            running.push(super::Pipe::running()?);
        }
        if [name::LEGACY, name::TRANSLATED, name::NGINX].into_iter().any(wanted) {
            let subjects = ours::legacy(self.present.get("nginx").map(String::as_str)).await?;
            running.extend(subjects.into_iter().filter(|subject| wanted(subject.name)));
            if wanted(name::NGINX) && !self.present.contains_key("nginx") {
                absent.push((name::NGINX.to_owned(), self.why_absent("nginx")));
            }
        }
        if wanted(name::NATIVE) {
            running.push(ours::modern().await?);
        }
        for (name, key, start) in OTHERS {
            if !wanted(name) {
                continue;
            }
            if !key.is_empty() && !self.present.contains_key(key) {
                absent.push((name.to_owned(), self.why_absent(key)));
                continue;
            }
            match self.other(name, key, start).await {
                Ok(subject) => running.push(subject),
                Err(error) => absent.push((name.to_owned(), format!("{error:#}"))),
            }
        }
        Ok((running, absent))
    }

    fn why_absent(&self, key: &str) -> String {
        self.absent.get(key).cloned().unwrap_or_else(|| "scripts/rivals.sh has not run".to_owned())
    }

    fn path(&self, key: &str) -> Result<&str> {
        self.present.get(key).map(String::as_str).with_context(|| format!("{key} is not installed"))
    }

    async fn other(&self, name: &'static str, key: &str, start: Start) -> Result<Running> {
        let (mut command, door, folder) = start(self, key)?;
        let process = Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let roots = vec![process.0.id()];
        wait_for(door.address).await?;
        // What it loads after it has opened its port belongs to it as well.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let rest = cost::memory(&cost::bridge(&roots))?;
        let session = door.session().await?;
        Ok(Running {
            name,
            roots,
            way: Way::Http(session),
            rest: Some(rest),
            door: Some(door),
            alive: Box::new((process, folder)),
        })
    }
}

fn at(port: u16, path: &'static str, prefix: &'static str) -> Door {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Door { address, host: address.to_string(), path, token: None, prefix }
}

fn bare(_: &Rivals, _: &str) -> Result<(Command, Door, Option<TempDir>)> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", &format!("127.0.0.1:{port}")]).arg(child()?);
    Ok((command, at(port, "/mcp", ""), None))
}

fn rust(rivals: &Rivals, key: &str) -> Result<(Command, Door, Option<TempDir>)> {
    let port = free_port()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("proxy.toml");
    let config = format!(
        "[proxy]\nname = \"bench\"\nversion = \"1\"\nseparator = \"/\"\n[proxy.listen]\nhost = \"127.0.0.1\"\nport = {port}\n\
         [[backends]]\nname = \"b\"\ntransport = \"stdio\"\ncommand = {:?}\nargs = []\n",
        child()?.display().to_string()
    );
    std::fs::write(&file, config)?;
    let mut command = Command::new(rivals.path(key)?);
    command.arg("--config").arg(file);
    Ok((command, at(port, "/", "b/"), Some(folder)))
}

fn supergateway(rivals: &Rivals, key: &str) -> Result<(Command, Door, Option<TempDir>)> {
    let port = free_port()?;
    let mut command = Command::new(rivals.path("node")?);
    command.arg(rivals.path(key)?).arg("--stdio").arg(child()?);
    command.args([
        "--outputTransport",
        "streamableHttp",
        "--stateful",
        "--streamableHttpPath",
        "/mcp",
        "--logLevel",
        "none",
    ]);
    command.args(["--port", &port.to_string()]);
    Ok((command, at(port, "/mcp", ""), None))
}

fn npm(rivals: &Rivals, key: &str) -> Result<(Command, Door, Option<TempDir>)> {
    let port = free_port()?;
    let mut command = Command::new(rivals.path("node")?);
    command
        .arg(rivals.path(key)?)
        .args(["--host", "127.0.0.1", "--server", "stream", "--port", &port.to_string(), "--"])
        .arg(child()?);
    Ok((command, at(port, "/mcp", ""), None))
}

fn python(rivals: &Rivals, key: &str) -> Result<(Command, Door, Option<TempDir>)> {
    let port = free_port()?;
    let mut command = Command::new(rivals.path(key)?);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]).arg(child()?);
    Ok((command, at(port, "/mcp", ""), None))
}

fn node(rivals: &Rivals, key: &str) -> Result<(Command, Door, Option<TempDir>)> {
    let port = free_port()?;
    let mut command = Command::new(rivals.path("node")?);
    command.arg(rivals.path(key)?).arg(port.to_string()).arg(child()?);
    let door = Door { token: Some("somebody".to_owned()), ..at(port, "/", "") };
    Ok((command, door, None))
}

async fn wait_for(address: SocketAddr) -> Result<()> {
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("it does not listen within 30 s")
}

// === impl Nginx ===

impl Nginx {
    /// Starts one that passes everything on, with connections kept.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn start(program: &str, upstream: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let folder = tempfile::tempdir()?;
        let place = folder.path().display();
        let config = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/f;\n\
             uwsgi_temp_path {place}/u; scgi_temp_path {place}/s; keepalive_requests 1000000;\n\
             upstream broker {{ server {upstream}; keepalive 128; keepalive_requests 1000000; }}\n\
             server {{ listen {address}; location / {{ proxy_pass http://broker; proxy_http_version 1.1; proxy_buffering off;\n\
             proxy_set_header Connection \"\"; proxy_set_header Host $http_host; }} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&file).arg("-e").arg(folder.path().join("error.log")).arg("-p").arg(folder.path());
        let process = Process(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        for _ in 0..200 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(Self { address, _process: process, _folder: folder });
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        bail!("nginx does not listen: {}", std::fs::read_to_string(folder.path().join("error.log")).unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let own = self.0.id();
        let mut all = vec![own];
        let mut next = 0;
        while let Some(pid) = all.get(next).copied() {
            all.extend(e2e::broker::children_of(pid));
            next += 1;
        }
        for pid in all {
            // It may have ended with its parent.
            let _ = e2e::processes::kill_9(pid);
        }
        let _ = self.0.wait();
    }
}
