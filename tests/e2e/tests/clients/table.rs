//! The table client × era × result in docs/clients.md.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::project_root;

const BEGIN: &str = "<!-- written by `make clients-table`; not to be edited -->\n";
const END: &str = "<!-- end of what is written -->\n";
/// Asks for the page to be written.
const WRITE: &str = "WRITE_CLIENTS_TABLE";

/// A client that got through with everything, in one era.
pub(crate) struct Row {
    pub(crate) client: String,
    pub(crate) version: String,
    /// What it was asked for.
    pub(crate) mode: &'static str,
    /// Whether `server/discover` came first.
    pub(crate) probed: bool,
    /// What it put on the wire.
    pub(crate) revision: String,
    pub(crate) tools: usize,
    pub(crate) scope: Option<String>,
}

// === impl Row ===

impl Row {
    fn package(&self) -> &str {
        match self.client.as_str() {
            "ts-v1" => "`@modelcontextprotocol/sdk` (npm), TypeScript SDK v1",
            "ts-v2" => "`@modelcontextprotocol/client` (npm), TypeScript SDK v2",
            "python_mcp" => "`mcp` (PyPI), Python SDK",
            "fastmcp" => "`fastmcp` (PyPI)",
            "mcp-remote" => "`mcp-remote` (npm)",
            "inspector" => "`@modelcontextprotocol/inspector` (npm), its command line",
            "rmcp" => "`rmcp` (Cargo), Rust SDK",
            other => other,
        }
    }

    fn asked_for(&self) -> &str {
        match (self.client.as_str(), self.mode) {
            ("rmcp", "legacy") => "legacy (Initialize)",
            ("rmcp", "auto") => "auto (Auto)",
            ("rmcp", _) => "2026-07-28 (Discover)",
            ("inspector", "2026-07-28") => "modern",
            (_, mode) => mode,
        }
    }

    fn line(&self) -> String {
        let opening = match (self.probed, self.revision.as_str() < "2026-07-28") {
            (true, _) => "`server/discover`",
            (false, true) => "`initialize`",
            (false, false) => "none",
        };
        let (package, version, asked, revision) = (self.package(), &self.version, self.asked_for(), &self.revision);
        format!("| {package} | {version} | {asked} | {opening} | {revision} | yes | yes | yes | yes | yes |\n")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, version, mode, revision, tools, .. } = self;
        let scope = self.scope.as_deref().unwrap_or("not told");
        write!(
            f,
            "{client} {version}, {mode}: {revision}, {tools} tools, scope {scope}, called before and after a refresh"
        )
    }
}

/// Writes the table if that was asked for; otherwise every row must be in it.
pub(crate) fn record(rows: &[Row], all_are_here: bool) -> Result<()> {
    let path = project_root().join("docs/clients.md");
    let page = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = page.split_once(BEGIN).context("docs/clients.md has lost the place of its table")?;
    let (table, after) = rest.split_once(END).context("docs/clients.md has lost the end of its table")?;
    if std::env::var_os(WRITE).is_some() {
        ensure!(all_are_here, "a client is missing, so the table would be too short");
        let head = "| client | version | asked for | opens with | revision | discovers, registers | logs in | lists tools | calls a tool | refreshes, calls again |\n\
                    |---|---|---|---|---|---|---|---|---|---|\n";
        let lines: String = rows.iter().map(Row::line).collect();
        std::fs::write(&path, format!("{before}{BEGIN}{head}{lines}{END}{after}"))?;
        return Ok(());
    }
    for row in rows {
        ensure!(table.contains(&row.line()), "docs/clients.md does not say {:?}; run `make clients-table`", row.line());
    }
    Ok(())
}
