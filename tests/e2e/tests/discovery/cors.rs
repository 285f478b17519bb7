//! Which answers pages of other origins may read (OAuth 2.1 §3.1; design §5).

use anyhow::Result;
use e2e::broker::http_client;
use e2e::children::fixture;
use e2e::stack::Stack;
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn programs_in_a_browser_may_call_what_clients_call() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = http_client()?;
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/oauth/register",
        "/oauth/token",
        "/oauth/revoke",
        "/register",
        "/token",
    ] {
        let response = client
            .request(Method::OPTIONS, format!("{}{path}", stack.broker.url))
            .header("origin", "https://inspector.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,mcp-protocol-version")
            .send()
            .await?;
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap_or_default().to_lowercase();
        assert_eq!(header("access-control-allow-origin"), "*", "{path}");
        assert!(header("access-control-allow-methods").contains("post"), "{path}");
        assert!(header("access-control-allow-headers").contains("mcp-protocol-version"), "{path}");
        assert!(!response.headers().contains_key("access-control-allow-credentials"), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn an_error_of_the_token_endpoint_can_be_read_by_a_page() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = http_client()?;
    let request =
        client.post(format!("{}/oauth/token", stack.broker.url)).header("origin", "https://inspector.example");
    let response = request.form(&[("grant_type", "password")]).send().await?;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    Ok(())
}

#[tokio::test]
async fn pages_of_a_login_are_for_no_other_origin() -> Result<()> {
    // OAuth 2.1 §3.1: the authorization endpoint must not support CORS
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = http_client()?;
    for path in ["/oauth/authorize", "/authorize", "/oauth/callback", "/"] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = client.request(method.clone(), format!("{}{path}", stack.broker.url));
            let response = request.header("origin", "https://inspector.example").send().await?;
            let shared = response.headers().keys().any(|name| name.as_str().starts_with("access-control-"));
            assert!(!shared, "{method} {path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_endpoint_can_be_called_by_pages_that_the_operator_allows() -> Result<()> {
    // T03; the preflight carries no token, so none is asked for
    let settings = e2e::broker::Settings::default().with("ALLOWED_ORIGINS", "https://inspector.example");
    let stack = Stack::start_with(&fixture("2.18.0")?, forgejo_sim::SimConfig::default(), settings).await?;
    let client = http_client()?;
    let address = format!("{}/mcp", stack.broker.url);
    let preflight = client
        .request(Method::OPTIONS, &address)
        .header("origin", "https://inspector.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,mcp-session-id,mcp-param-owner")
        .send()
        .await?;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://inspector.example");
    let allowed = preflight.headers()["access-control-allow-headers"].to_str()?.to_lowercase();
    for name in ["authorization", "mcp-session-id", "mcp-protocol-version", "last-event-id", "mcp-param-owner"] {
        assert!(allowed.contains(name), "{name} in {allowed}");
    }

    let refused = client.post(&address).header("origin", "https://inspector.example").json(&json!({})).send().await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://inspector.example");
    let exposed = refused.headers()["access-control-expose-headers"].to_str()?.to_lowercase();
    assert!(exposed.contains("www-authenticate") && exposed.contains("mcp-session-id"), "{exposed}");
    Ok(())
}
