//! An MCP server program on its own, over stdin and stdout: what it does when no broker stands between it and Forgejo.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::children::Child;

/// How long a program may take over one answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running program, initialized. It ends with this value.
pub struct Program {
    _process: tokio::process::Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    next_id: u64,
}

// === impl Program ===

impl Program {
    /// Starts a program of the table against a Forgejo, with real tokens: the same for all it does, and another one where it
    /// wants a second. Every variable by which one of the programs takes address or token is set.
    ///
    /// # Errors
    /// When it does not start, or does not initialize.
    pub async fn start(child: &Child, forgejo: &str, token: &str, second: &str) -> Result<Self> {
        let mut command = Command::new(&child.command);
        if child.profile == "forgejo-mcp" {
            command.args(["--transport", "stdio"]);
        }
        command.args(&child.args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for name in ["FORGEJO_URL", "GITEA_HOST", "GITEA_URL", "GITEA_SERVER_URL"] {
            command.env(name, forgejo);
        }
        for name in ["FORGEJO_ACCESS_TOKEN", "FORGEJO_TOKEN", "GITEA_ACCESS_TOKEN", "GITEA_TOKEN"] {
            command.env(name, token);
        }
        command.env("FORGEJO_TOKEN_WRITE", second).env("FORGEJO_FLAVOR", "forgejo").env("FORGEJO_WRITE_MINUTES", "60");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().with_context(|| format!("cannot start {}", child.label))?;
        let stdin = process.stdin.take().context("no stdin")?;
        let stdout = process.stdout.take().context("no stdout")?;
        let lines = BufReader::new(stdout).lines();
        let mut program = Self { _process: process, stdin, lines, next_id: 0 };
        let greeting = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"},
        });
        program.request("initialize", &greeting).await.with_context(|| child.label.clone())?;
        program.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(program)
    }

    /// Its tools, each with name and schema.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn tools(&mut self) -> Result<Vec<Value>> {
        let mut tools = Vec::new();
        let mut params = json!({});
        loop {
            let page = self.request("tools/list", &params).await?;
            tools.extend(page["tools"].as_array().context("no tools")?.iter().cloned());
            match page["nextCursor"].as_str() {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => return Ok(tools),
            }
        }
    }

    /// Calls a tool; its result, or the error that it answered.
    ///
    /// # Errors
    /// When it does not answer at all.
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value> {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments})).await
    }

    async fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        let answered = async {
            loop {
                let line = self.lines.next_line().await?.context("it has ended")?;
                let Ok(message) = serde_json::from_str::<Value>(&line) else { bail!("not JSON: {line}") };
                if message["id"] == id && message["method"].is_null() {
                    ensure!(message["result"].is_object() || message["error"].is_object(), "{message}");
                    return Ok(message.get("result").unwrap_or(&message["error"]).clone());
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.with_context(|| format!("no answer to {method}"))?
    }

    async fn say(&mut self, message: &Value) -> Result<()> {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await.context("it does not read")
    }
}
