//! A reverse proxy as a process, with the configuration that we ship.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::project_root;
use e2e::broker::free_port;
use e2e::stack::until_ok;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `deploy/caddy/Caddyfile`.
    Caddy,
    /// `deploy/nginx/fjmcp-broker.conf`.
    Nginx,
}

/// Where a proxy listens and where it sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// Plain HTTP under any name.
    pub(super) plain: u16,
    /// TLS for `localhost`.
    pub(super) tls: u16,
    /// The broker.
    pub(super) broker: u16,
}

/// A running proxy.
pub(super) struct Proxy {
    _process: Child,
    folder: TempDir,
    kind: Kind,
}

// === impl Ports ===

impl Ports {
    pub(super) fn free() -> Result<Self> {
        Ok(Self { plain: free_port()?, tls: free_port()?, broker: free_port()? })
    }
}

// === impl Kind ===

impl Kind {
    /// The program, if the machine has it.
    pub(super) fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::Caddy => "caddy",
            Self::Nginx => "nginx",
        };
        let folders = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps nginx where only root's PATH leads.
        let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]).collect::<Vec<_>>();
        folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

// === impl Proxy ===

impl Proxy {
    /// Starts the program, whose configuration is ours but for ports, places and certificates.
    pub(super) async fn start(kind: Kind, program: &Path, ports: Ports) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = match kind {
            Kind::Caddy => caddy(program, folder.path(), ports)?,
            Kind::Nginx => nginx(program, folder.path(), ports).await?,
        };
        let log = File::create(folder.path().join("output.log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let proxy = Self { _process: process, folder, kind };
        for port in [ports.plain, ports.tls] {
            let connected = until_ok("the proxy listens", async || Ok(TcpStream::connect(("127.0.0.1", port)).await?));
            connected.await.with_context(|| proxy.logs())?;
        }
        Ok(proxy)
    }

    /// Everything it has logged.
    pub(super) fn logs(&self) -> String {
        let files = ["output.log", "access.log", "error.log"];
        files.iter().filter_map(|name| std::fs::read_to_string(self.folder.path().join(name)).ok()).collect()
    }

    /// The certificate that its clients have to trust.
    pub(super) fn certificate(&self) -> Result<Vec<u8>> {
        let name = match self.kind {
            Kind::Caddy => "data/caddy/pki/authorities/local/root.crt",
            Kind::Nginx => "certificate.pem",
        };
        std::fs::read(self.folder.path().join(name)).with_context(|| format!("no {name}:\n{}", self.logs()))
    }
}

fn caddy(program: &Path, folder: &Path, ports: Ports) -> Result<Command> {
    let text = shipped("deploy/caddy/Caddyfile")?;
    let options =
        "\tadmin off\n\tskip_install_trust\n\tlocal_certs\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n";
    let text = replaced(&text, "\n{\n", &format!("\n{{\n{options}"))?;
    let config = folder.join("Caddyfile");
    std::fs::write(&config, text)?;
    let mut command = Command::new(program);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(config)
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("FJMCP_SITE", format!("http://:{}, https://localhost:{}", ports.plain, ports.tls))
        .env("FJMCP_UPSTREAM", format!("127.0.0.1:{}", ports.broker));
    Ok(command)
}

async fn nginx(program: &Path, folder: &Path, ports: Ports) -> Result<Command> {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut text = shipped("deploy/nginx/fjmcp-broker.conf")?;
    let listen = format!("listen 127.0.0.1:{}; listen 127.0.0.1:{} ssl http2;", ports.plain, ports.tls);
    for (ours, here) in [
        ("listen 443 ssl http2;", listen.as_str()),
        ("server_name mcp.example.org;", "server_name localhost;"),
        ("127.0.0.1:8080", &format!("127.0.0.1:{}", ports.broker)),
        ("/etc/letsencrypt/live/mcp.example.org/fullchain.pem", &at("certificate.pem")),
        ("/etc/letsencrypt/live/mcp.example.org/privkey.pem", &at("key.pem")),
        ("/var/log/nginx/fjmcp-broker.access.log", &at("access.log")),
        ("/var/log/nginx/fjmcp-broker.error.log", &at("error.log")),
    ] {
        text = replaced(&text, ours, here)?;
    }
    // One process, which ends with the test. gzip is on and buffering too, as a distribution's own nginx.conf may have it.
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {};", at(name)));
    let temporary = temporary.join("\n");
    let whole = format!(
        "daemon off; master_process off; worker_processes 1; pid {}; error_log stderr crit;\nevents {{ worker_connections 256; }}\n\
         http {{\ngzip on; gzip_types *; gzip_proxied any; proxy_buffering on;\n{temporary}{text}\n}}\n",
        at("nginx.pid")
    );
    std::fs::write(folder.join("nginx.conf"), whole)?;
    certificate(folder).await?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
    Ok(command)
}

/// A certificate for `localhost` that signs itself.
async fn certificate(folder: &Path) -> Result<()> {
    let config = "[req]\ndistinguished_name=name\nx509_extensions=extensions\nprompt=no\n[name]\nCN=localhost\n\
                  [extensions]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";
    std::fs::write(folder.join("openssl.cnf"), config)?;
    let made = Command::new("openssl")
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", "openssl.cnf"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .output()
        .await
        .context("cannot run openssl")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

fn shipped(path: &str) -> Result<String> {
    std::fs::read_to_string(project_root().join(path)).with_context(|| format!("no {path}"))
}

/// A replacement that has to take place, so that a change of the shipped file cannot go past the tests.
fn replaced(text: &str, ours: &str, here: &str) -> Result<String> {
    ensure!(text.contains(ours), "the shipped configuration has no {ours:?} any more");
    Ok(text.replace(ours, here))
}
