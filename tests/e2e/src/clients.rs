//! The real MCP clients that `scripts/clients.sh` has installed, run as programs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::binaries::project_root;
use crate::browser::Person;
use crate::children::Call;

/// Every client that the script knows.
pub const ALL: [&str; 7] = ["ts-v1", "ts-v2", "python_mcp", "fastmcp", "mcp-remote", "inspector", "rmcp"];

/// `.clients/clients.json`.
#[derive(Debug, Default, Deserialize)]
pub struct Clients {
    /// Those that are there.
    pub clients: Vec<Client>,
    /// Those that are not.
    pub skipped: Vec<Skipped>,
    /// What stands in for the desktop's browser.
    #[serde(default)]
    browser: PathBuf,
}

/// A client that can be run.
#[derive(Debug, Deserialize)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
    #[serde(skip)]
    browser: PathBuf,
}

/// A client that cannot be run.
#[derive(Debug, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The line that a client prints; `tests/clients/README.md` tells its members.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of the client's package.
    pub version: String,
    /// `legacy` or `modern`, if the package tells.
    pub era: Option<String>,
    /// Protocol revision that was agreed on, if the package tells.
    pub protocol_version: Option<String>,
    /// Scope of its token, if the package tells.
    pub scope: Option<String>,
    /// Names of the tools it was shown.
    pub tool_names: Vec<String>,
    /// Text of the tool's answer.
    pub call_text: String,
    /// The same after a refresh.
    pub call_text_after_refresh: Option<String>,
    /// Whether the refresh brought another access token.
    pub refreshed: Option<bool>,
    /// Whether the session was the same after it, if the package tells.
    pub same_session: Option<bool>,
}

/// What a client is told to do.
#[derive(Debug, Clone, Copy)]
pub struct Errand<'a> {
    /// The broker's public URL.
    pub broker: &'a str,
    /// Who logs in, and what he chooses at consent.
    pub person: &'a Person,
    /// The tool to be called.
    pub call: &'a Call,
    /// The protocol: `legacy`, `auto` or a revision; `None` is the package's default.
    pub mode: Option<&'a str>,
}

// === impl Clients ===

impl Clients {
    /// What the script has found.
    ///
    /// # Errors
    /// When its list is there and cannot be read.
    pub fn installed() -> Result<Self> {
        let list = project_root().join(".clients/clients.json");
        let Ok(text) = std::fs::read_to_string(&list) else {
            let skipped = |name: &str| Skipped { name: name.into(), reason: "scripts/clients.sh has not run".into() };
            return Ok(Self { skipped: ALL.map(skipped).into(), ..Self::default() });
        };
        let mut read: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is not what scripts/clients.sh writes", list.display()))?;
        let (there, gone) = std::mem::take(&mut read.clients)
            .into_iter()
            .partition(|client| client.command.iter().all(|part| Path::new(part).exists()));
        read.clients = there;
        for client in &mut read.clients {
            client.browser.clone_from(&read.browser);
        }
        let gone: Vec<Client> = gone;
        read.skipped.extend(
            gone.into_iter()
                .map(|client| Skipped { reason: format!("{} is gone", client.command.join(" ")), name: client.name }),
        );
        Ok(read)
    }
}

// === impl Client ===

impl Client {
    /// Runs the client through login, session, tool call, refresh and a second call.
    ///
    /// # Errors
    /// When it fails; what it wrote to stderr is in the error.
    pub async fn run(&self, errand: Errand<'_>) -> Result<Report> {
        self.run_with_document(errand, "").await
    }

    /// The same with a client that is known by the metadata document at `url`.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_with_document(&self, errand: Errand<'_>, url: &str) -> Result<Report> {
        let (program, arguments) = self.command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("BROKER_URL", errand.broker)
            .env("FORGEJO_USER", &errand.person.login)
            .env("FORGEJO_PASSWORD", &errand.person.password)
            .env("ACCESS", if errand.person.read_only { "read" } else { "write" })
            .env("TOOL", errand.call.tool)
            .env("ARGS", errand.call.arguments.to_string())
            .env("REFRESH", "1")
            .env("MODE", errand.mode.unwrap_or_default())
            .env("CIMD_URL", url)
            .env("BROWSER", &self.browser)
            .env_remove("REDIRECT_URL")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_mins(4), command.output());
        let output = output.await.with_context(|| format!("{} does not end", self.name))??;
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{}: {}\n{stderr}", self.name, output.status);
        let line = stdout.lines().last().with_context(|| format!("{} printed nothing", self.name))?;
        serde_json::from_str(line).with_context(|| format!("{}: {line}", self.name))
    }
}
