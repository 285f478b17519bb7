//! Where calls go and what they look like there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::http::{Answer, Connection};

/// The revision that legacy clients speak here.
pub const LEGACY: &str = "2025-11-25";
/// The modern one.
pub const MODERN: &str = "2026-07-28";
/// What every echoed text begins with; with it a request has about 260 bytes.
const FILLER: &str =
    "The quick brown fox jumps over the lazy dog, and the lazy dog lets it. Pack my box with five dozen liquor jugs. ";

/// One client at one endpoint. Cheap to clone; the clones share its ids.
#[derive(Clone)]
pub struct Target {
    /// Where it connects.
    pub address: SocketAddr,
    head: Arc<str>,
    tool: Arc<str>,
    modern: bool,
    next: Arc<AtomicU64>,
}

/// How an endpoint is reached.
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    /// `Host`.
    pub host: String,
    /// The path of its MCP endpoint.
    pub path: &'static str,
    /// A bearer token.
    pub token: Option<String>,
    /// What the bridge puts before the names of tools.
    pub prefix: &'static str,
}

#[derive(Deserialize)]
struct Message<'a> {
    id: u64,
    #[serde(borrow)]
    result: Option<ToolResult<'a>>,
}

#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow)]
    content: [Content<'a>; 1],
}

#[derive(Deserialize)]
struct Content<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

// === impl Door ===

impl Door {
    fn head(&self, more: &str) -> String {
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{token}{more}",
            self.path, self.host
        )
    }

    /// The same door, reached at another address.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// A legacy client with a new session of its own.
    ///
    /// # Errors
    /// When `initialize` is refused.
    pub async fn session(&self) -> Result<Target> {
        let mut target = self.target(self.head(""), false);
        let mut connection = Connection::open(self.address).await?;
        let params = json!({"protocolVersion": LEGACY, "capabilities": {"elicitation": {}}, "clientInfo": {"name": "bench", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": params}).to_string();
        let answer = connection.exchange(&target.post(&body, "")).await.context("initialize")?;
        ensure!(answer.status == 200, "initialize: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        let session = answer.session.map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
        target.head = self.head(&format!("Mcp-Protocol-Version: {LEGACY}\r\n{session}")).into();
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        let answer = connection.exchange(&target.post(&done, "")).await.context("initialized")?;
        ensure!(matches!(answer.status, 200 | 202 | 204), "initialized: {}", answer.status);
        Ok(target)
    }

    /// A modern client.
    #[must_use]
    pub fn modern(&self) -> Target {
        self.target(self.head(&format!("Mcp-Protocol-Version: {MODERN}\r\n")), true)
    }

    fn target(&self, head: String, modern: bool) -> Target {
        Target {
            address: self.address,
            head: head.into(),
            tool: self.prefix.into(),
            modern,
            next: Arc::new(AtomicU64::new(1)),
        }
    }
}

// === impl Target ===

impl Target {
    /// An id that this client has not used.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address).await
    }

    /// The request for one echo.
    #[must_use]
    pub fn echo(&self, id: u64) -> Vec<u8> {
        let arguments = format!(r#"{{"text":"{FILLER}{id}"}}"#);
        self.tool_call(id, "echo", &arguments)
    }

    /// Whether the answer is the echo of this call and nothing else.
    ///
    /// # Errors
    /// When it is not; with what it was.
    pub fn check_echo(&self, id: u64, answer: &Answer) -> Result<()> {
        let told = || format!("call {id}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        let message: Message<'_> = serde_json::from_slice(answer.message()?).with_context(told)?;
        let echoed = message.result.map(|result| result.content[0].text).and_then(|text| text.strip_prefix(FILLER));
        let right = answer.status == 200 && message.id == id && echoed.and_then(|id| id.parse().ok()) == Some(id);
        ensure!(right, "a wrong answer to {}", told());
        Ok(())
    }

    /// A call of a tool, with its arguments as JSON.
    #[must_use]
    pub fn tool_call(&self, id: u64, tool: &str, arguments: &str) -> Vec<u8> {
        let name = format!("{}{tool}", self.tool);
        let members = format!(r#""name":"{name}","arguments":{arguments}"#);
        self.request(id, "tools/call", &members, &format!("Mcp-Name: {name}\r\n"))
    }

    /// A request whose `params` has these members; the header only goes along in the modern era.
    #[must_use]
    pub fn request(&self, id: u64, method: &str, members: &str, name: &str) -> Vec<u8> {
        if !self.modern {
            return self
                .post(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}}}}}"#), "");
        }
        let comma = if members.is_empty() { "" } else { "," };
        let meta = format!(
            r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{"elicitation":{{}}}}}}"#
        );
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{members}{comma}{meta}}}}}"#);
        self.post(&body, &format!("Mcp-Method: {method}\r\n{name}"))
    }

    /// One call of a tool and its result.
    ///
    /// # Errors
    /// When the answer is not a result.
    pub async fn call(&self, connection: &mut Connection, tool: &str, arguments: &Value) -> Result<Value> {
        let answer = connection.exchange(&self.tool_call(self.id(), tool, &arguments.to_string())).await?;
        let told = || format!("{tool}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        let outcome: Outcome<'_> = serde_json::from_slice(answer.message()?).with_context(told)?;
        Ok(serde_json::from_str(outcome.result.with_context(told)?.get())?)
    }

    /// The request that ends its session.
    #[must_use]
    pub fn delete(&self) -> Vec<u8> {
        format!("{}\r\n", self.head.replacen("POST", "DELETE", 1)).into_bytes()
    }

    /// A message as a whole request.
    #[must_use]
    pub fn post(&self, body: &str, more: &str) -> Vec<u8> {
        format!("{}{more}Content-Length: {}\r\n\r\n{body}", self.head, body.len()).into_bytes()
    }
}
