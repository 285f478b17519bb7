//! An MCP client over Streamable HTTP, small and literal: it shows what came, byte for byte where that matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::broker::http_client;
use crate::issued;

/// A client of the endpoint with one bearer token.
#[derive(Clone)]
pub struct Mcp {
    http: Client,
    url: String,
    token: String,
    /// Ids of requests; a session's open requests must differ in theirs.
    next_id: Arc<AtomicU64>,
    /// The session, once initialized.
    pub session: Option<String>,
    /// Sent as `MCP-Protocol-Version`, once initialized.
    pub version: Option<String>,
}

/// What a POST brought.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: header::HeaderMap,
    /// Raw body.
    pub body: String,
}

// === impl Mcp ===

impl Mcp {
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
            session: None,
            version: None,
        })
    }

    /// The same session with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same client, which speaks to another address of the broker.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn at(&self, origin: &str) -> Result<Self> {
        Ok(Self { http: http_client()?, url: format!("{origin}/mcp"), ..self.clone() })
    }

    /// Initializes a session and returns the result.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn initialize(&mut self, version: &str) -> Result<Value> {
        let params = json!({
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"},
        });
        let answer = self.post(&request(&json!("init"), "initialize", &params)).await?;
        ensure!(answer.status == StatusCode::OK, "initialize: {} {}", answer.status, answer.body);
        self.session = answer.header("mcp-session-id");
        if let Some(session) = &self.session {
            issued::note("a session id", session);
        }
        let result = answer.result()?;
        self.version = result["protocolVersion"].as_str().map(str::to_owned);
        let done = self.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()).await?;
        ensure!(done.status == StatusCode::ACCEPTED, "initialized: {} {}", done.status, done.body);
        Ok(result)
    }

    /// Names of the tools.
    ///
    /// # Errors
    /// When the broker or the worker refuses.
    pub async fn tools(&self) -> Result<Vec<String>> {
        let result = self.request("tools/list", &json!({})).await?;
        let tools = result["tools"].as_array().context("no tools")?;
        Ok(tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect())
    }

    /// Calls a tool and returns its result.
    ///
    /// # Errors
    /// When the broker or the worker refuses; a JSON-RPC error is one.
    pub async fn call(&self, tool: &str, arguments: &Value) -> Result<Value> {
        self.request("tools/call", &json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool and returns the text of its first content.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_text(&self, tool: &str, arguments: &Value) -> Result<String> {
        let result = self.call(tool, arguments).await?;
        let text = result["content"][0]["text"].as_str().with_context(|| format!("no text in {result}"))?;
        Ok(text.to_owned())
    }

    /// Sends a request and returns its result.
    ///
    /// # Errors
    /// When the answer is not a result.
    pub async fn request(&self, method: &str, params: &Value) -> Result<Value> {
        let answer = self.send(method, params).await?;
        ensure!(answer.status == StatusCode::OK, "{method}: {} {}", answer.status, answer.body);
        answer.result()
    }

    /// Sends a request and shows what came.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn send(&self, method: &str, params: &Value) -> Result<Answer> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.post(&request(&json!(id), method, params)).await
    }

    /// Calls a tool and shows what came.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn send_call(&self, tool: &str, arguments: &Value) -> Result<Answer> {
        self.send("tools/call", &json!({"name": tool, "arguments": arguments})).await
    }

    /// The same client without its session.
    #[must_use]
    pub fn without_session(&self) -> Self {
        Self { session: None, ..self.clone() }
    }

    /// Posts a body as it is.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn post(&self, body: &str) -> Result<Answer> {
        let response = self.open_post(body).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    }

    /// Posts a body and leaves the answer to be read.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn open_post(&self, body: &str) -> Result<Response> {
        let request = self
            .http
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .body(body.to_owned());
        self.with_headers(request).send().await.context("the broker does not answer")
    }

    /// Opens the server's stream.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn open_stream(&self) -> Result<Response> {
        self.resume_stream(None).await
    }

    /// Opens the server's stream, or what came after an event.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn resume_stream(&self, last_event_id: Option<&str>) -> Result<Response> {
        let mut request = self.http.get(&self.url).header(header::ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        self.with_headers(request).send().await.context("the broker does not answer")
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn delete(&self) -> Result<StatusCode> {
        Ok(self.with_headers(self.http.delete(&self.url)).send().await?.status())
    }

    fn with_headers(&self, mut request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request = request.bearer_auth(&self.token);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if let Some(version) = &self.version {
            request = request.header("mcp-protocol-version", version);
        }
        request
    }
}

// === impl Answer ===

impl Answer {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// The messages in it, whether JSON or events.
    ///
    /// # Errors
    /// When it is neither.
    pub fn messages(&self) -> Result<Vec<Value>> {
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            let data = self.body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
            return data.filter(|text| !text.is_empty()).map(|text| Ok(serde_json::from_str(text)?)).collect();
        }
        Ok(vec![serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))?])
    }

    /// The result of the one response in it.
    ///
    /// # Errors
    /// When it is an error, or there is none.
    pub fn result(&self) -> Result<Value> {
        for message in self.messages()? {
            if let Some(result) = message.get("result") {
                return Ok(result.clone());
            }
            if let Some(error) = message.get("error") {
                bail!("JSON-RPC error: {error}");
            }
        }
        bail!("no response in {}", self.body)
    }

    /// The JSON-RPC error of the one response in it.
    ///
    /// # Errors
    /// When there is none.
    pub fn error(&self) -> Result<Value> {
        let messages = self.messages()?;
        let error = messages.iter().find_map(|message| message.get("error").cloned());
        error.with_context(|| format!("no error in {}", self.body))
    }
}

/// A request as text.
#[must_use]
pub fn request(id: &Value, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}
