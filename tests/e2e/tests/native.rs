//! Workers that speak 2026-07-28 themselves, over real pipes and real HTTP (mcp.md §7).

mod dual;
mod stateless;

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::built;
use e2e::broker::http_client;
use e2e::children::Child;
use e2e::mcp::Answer;
use e2e::stack::Stack;
use reqwest::{Response, header};
use serde_json::{Value, json};

/// The program of the conformance runs, speaking this era.
fn conformance_child(era: &str) -> Result<Child> {
    let child = Child::new(format!("conformance-child, {era}"), "custom", built("conformance-child")?);
    Ok(child.with_args(&["--era", era, "--state-key", "test"]))
}

/// A client of 2026-07-28: it sends what each request needs, and nothing twice.
struct Modern {
    http: reqwest::Client,
    url: String,
    token: String,
}

// === impl Modern ===

impl Modern {
    async fn of(stack: &Stack, login: &str) -> Result<Self> {
        let (_, tokens) = stack.log_in(login).await?;
        let url = format!("{}/mcp", stack.broker.url);
        Ok(Self { http: http_client()?, url, token: tokens.access_token })
    }

    async fn open(&self, id: Value, method: &str, mut params: Value) -> Result<Response> {
        let meta = params["_meta"].take();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        });
        for (name, value) in meta.as_object().into_iter().flatten() {
            params["_meta"][name] = value.clone();
        }
        let mut request = self
            .http
            .post(&self.url)
            .bearer_auth(&self.token)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method);
        if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
            request = request.header("mcp-name", name);
        }
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        request.body(body).send().await.context("the broker does not answer")
    }

    async fn post(&self, id: Value, method: &str, params: Value) -> Result<Answer> {
        let response = self.open(id, method, params).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    }

    async fn result(&self, method: &str, params: Value) -> Result<Value> {
        let answer = self.post(json!(1), method, params).await?;
        ensure!(answer.status == 200, "{method}: {} {}", answer.status, answer.body);
        answer.result()
    }

    async fn call(&self, tool: &str, arguments: &Value) -> Result<Value> {
        self.result("tools/call", json!({"name": tool, "arguments": arguments})).await
    }
}
