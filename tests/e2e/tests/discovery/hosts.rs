//! DNS rebinding (T02, T03, T08): `/mcp` answers to its own names only.

use anyhow::Result;
use e2e::broker::http_client;
use e2e::children::fixture;
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn the_endpoint_refuses_foreign_hosts_and_origins_before_anything_else() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, tokens) = stack.session("alice").await?;
    let client = http_client()?;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let origin = stack.broker.url.as_str();
    for path in ["/mcp", "/mcp/"] {
        for (name, value) in [
            ("host", "evil.example"),
            ("host", "127.0.0.1.evil.example"),
            ("host", "127.0.0.1:1"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "https://127.0.0.1"),
        ] {
            let request = client.post(format!("{origin}{path}")).bearer_auth(&tokens.access_token);
            let response = request.header(name, value).json(&ping).send().await?;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} {name}: {value}");
            assert!(!response.headers().contains_key("access-control-allow-origin"), "{name}: {value}");
            let body: Value = response.json().await?;
            assert_eq!(body["jsonrpc"], "2.0", "{name}: {value}");
            assert!(body["error"]["message"].is_string() && body.get("id").is_none_or(Value::is_null), "{body}");
        }
        let own = client.post(format!("{origin}{path}")).bearer_auth(&tokens.access_token).header("origin", origin);
        let session = mcp.session.clone().unwrap_or_default();
        let own = own.header("mcp-session-id", session).header("accept", "application/json, text/event-stream");
        assert_eq!(own.json(&ping).send().await?.status(), StatusCode::OK, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_health_check_may_come_under_any_name() -> Result<()> {
    // design §5: health never checks it; probes ask by address
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let request = http_client()?.get(format!("{}/healthz", stack.broker.url)).header("host", "10.1.2.3:8080");
    assert_eq!(request.send().await?.status(), StatusCode::OK);
    Ok(())
}
