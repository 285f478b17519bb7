//! HTTP requests that a worker sends, written by hand: how a test tries a door as a worker that is not to be trusted would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::mcp::Mcp;

/// One request, sent as it stands by the fixture child's `raw_request`. The worker's token goes along unless another
/// Authorization header is given.
#[derive(Debug, Clone)]
pub struct WorkerRequest {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    without_token: bool,
}

/// What the worker saw.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkerAnswer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// Body as text.
    pub body: String,
}

/// What a fixture child tells of its process.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkerProcess {
    /// Its process id.
    pub pid: u32,
    /// Its environment, as the client may see it.
    pub variables: BTreeMap<String, String>,
}

// === impl WorkerRequest ===

impl WorkerRequest {
    /// A request with this target, which may be anything.
    #[must_use]
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            target: target.into(),
            headers: Vec::new(),
            body: String::new(),
            without_token: false,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body of this type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }.header("Content-Type", content_type)
    }

    /// With a body of the type that its headers name already.
    #[must_use]
    pub fn with_body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Without any Authorization header.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.without_token = true;
        self
    }

    /// Has it sent by the worker of this session.
    ///
    /// # Errors
    /// When the call fails, or there was no HTTP answer.
    pub async fn send(&self, mcp: &Mcp) -> Result<WorkerAnswer> {
        let arguments = json!({
            "method": self.method, "path": self.target, "headers": self.headers, "body": self.body,
            "token": !self.without_token,
        });
        let text = mcp.call_text("raw_request", &arguments).await.with_context(|| self.to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{self}: {text}"))
    }

    /// Sends it straight to a server, as somebody who has a credential of his own there: shows what the door is like when no
    /// gateway stands before it.
    ///
    /// # Errors
    /// When there was no HTTP answer.
    pub async fn send_to(&self, server: SocketAddr, authorization: &str) -> Result<WorkerAnswer> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            let _ = write!(head, "Authorization: {authorization}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        WorkerAnswer::parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{self}: no HTTP answer"))
    }
}

impl std::fmt::Display for WorkerRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            write!(f, " [{name}: {value}]")?;
        }
        Ok(())
    }
}

// === impl WorkerAnswer ===

impl WorkerAnswer {
    /// A body in chunks stays in chunks: nobody here looks that closely.
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Self { status, headers, body: body.to_owned() })
    }

    /// The first value of a header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))
    }

    /// The text of a refusal in the shape of Forgejo's errors; empty if it is none.
    #[must_use]
    pub fn message(&self) -> String {
        let text = |body: Value| body["message"].as_str().map(str::to_owned);
        self.json().ok().and_then(text).unwrap_or_default()
    }
}

// === impl WorkerProcess ===

impl WorkerProcess {
    /// The worker of this session, a fixture child.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn of(mcp: &Mcp) -> Result<Self> {
        Ok(serde_json::from_str(&mcp.call_text("environment", &json!({})).await?)?)
    }

    /// A variable as it really is. What a client sees of the gateway's address and token is not that.
    ///
    /// # Errors
    /// When the kernel does not let us look, or there is no such variable.
    pub fn real_variable(&self, name: &str) -> Result<String> {
        let bytes = std::fs::read(format!("/proc/{}/environ", self.pid)).context("cannot read the environment")?;
        let variables = bytes.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
        let value = variables.filter_map(|entry| entry.split_once('=')).find(|(known, _)| *known == name);
        value.map(|(_, value)| value.to_owned()).with_context(|| format!("no variable {name}"))
    }
}
