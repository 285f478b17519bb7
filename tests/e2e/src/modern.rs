//! A client of 2026-07-28: no session, everything in each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::broker::http_client;
use crate::mcp::Answer;

/// The revision.
pub const VERSION: &str = "2026-07-28";

/// A client of the endpoint with one bearer token.
#[derive(Clone)]
pub struct Modern {
    http: Client,
    url: String,
    token: String,
    next_id: Arc<AtomicU64>,
    /// What it says it can be asked.
    pub capabilities: Value,
}

// === impl Modern ===

impl Modern {
    /// A client of the broker at `issuer`.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(issuer: &str, token: &str) -> Result<Self> {
        Ok(Self {
            http: http_client()?,
            url: format!("{issuer}/mcp"),
            token: token.to_owned(),
            next_id: Arc::new(AtomicU64::new(1)),
            capabilities: json!({}),
        })
    }

    /// The same client, which can be asked everything.
    #[must_use]
    pub fn able(&self) -> Self {
        Self { capabilities: json!({"elicitation": {}, "sampling": {}, "roots": {}}), ..self.clone() }
    }

    /// A request with everything in `_meta` that there has to be.
    #[must_use]
    pub fn message(&self, method: &str, params: &Value) -> Value {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut params = params.clone();
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(VERSION);
        meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    /// Sends a request and returns its result.
    ///
    /// # Errors
    /// When the answer is not a result.
    pub async fn request(&self, method: &str, params: &Value) -> Result<Value> {
        let answer = self.send(method, params).await?;
        ensure!(answer.status == 200, "{method}: {} {}", answer.status, answer.body);
        answer.result()
    }

    /// Sends a request and shows what came.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn send(&self, method: &str, params: &Value) -> Result<Answer> {
        read(self.open(&self.message(method, params), &[]).await?).await
    }

    /// Calls a tool and returns its result.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn call(&self, tool: &str, arguments: &Value) -> Result<Value> {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool and returns the text of its first content.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn call_text(&self, tool: &str, arguments: &Value) -> Result<String> {
        let result = self.call(tool, arguments).await?;
        let text = result["content"][0]["text"].as_str().with_context(|| format!("no text in {result}"))?;
        Ok(text.to_owned())
    }

    /// Posts a message under its own headers and more, which are added even if they are there already.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn open(&self, message: &Value, more: &[(&str, &[u8])]) -> Result<Response> {
        let mut request = self.bare(message).bearer_auth(&self.token);
        for (name, value) in more {
            request = request.header(HeaderName::try_from(*name)?, HeaderValue::from_bytes(value)?);
        }
        request.send().await.context("the broker does not answer")
    }

    /// The same without a token, ready to be sent.
    pub fn bare(&self, message: &Value) -> RequestBuilder {
        let (method, params) = (message["method"].as_str().unwrap_or_default(), &message["params"]);
        let mut request = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", method)
            .body(message.to_string());
        let name = match method {
            "tools/call" | "prompts/get" => params["name"].as_str(),
            "resources/read" => params["uri"].as_str(),
            _ => None,
        };
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        request
    }
}

/// Reads an answer to its end.
///
/// # Errors
/// When the connection breaks.
pub async fn read(response: Response) -> Result<Answer> {
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Answer { status, headers, body: response.text().await? })
}
