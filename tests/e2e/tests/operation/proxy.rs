//! Behind a reverse proxy that does TLS: the public URL is https, the listener is not.

use anyhow::Result;
use e2e::broker::{Broker, free_port, http_client};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use reqwest::{Response, StatusCode};
use serde_json::Value;

const PUBLIC: &str = "https://mcp.example.org";

#[tokio::test]
async fn under_https_everything_names_the_public_url_and_cookies_belong_to_its_host_alone() -> Result<()> {
    // oauth.md §6 rules 3 and 5: __Host-, Secure, HttpOnly, SameSite=Lax
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let local = format!("127.0.0.1:{}", free_port()?);
    let settings = stack.settings.clone().with("PUBLIC_URL", PUBLIC).with("LISTEN", &local);
    let broker = Broker::spawn(&settings)?;
    broker.wait_for_line("\"listening\"").await?;
    let local = format!("http://{local}");

    let get = async |path: &str| -> Result<Response> {
        Ok(http_client()?.get(format!("{local}{path}")).header("host", "mcp.example.org").send().await?)
    };
    let document: Value = get("/.well-known/oauth-protected-resource/mcp").await?.json().await?;
    assert_eq!(document["resource"], format!("{PUBLIC}/mcp"));
    let challenged = get("/mcp").await?;
    assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
    assert!(challenged.headers()["www-authenticate"].to_str()?.contains(&format!("\"{PUBLIC}/.well-known/")));

    let client = OAuthClient::register(&local, "e2e").await?;
    let query = client.authorize(None)?.url.query().unwrap_or_default().replace("resource=", "ignored=");
    let page = get(&format!("/oauth/authorize?{query}")).await?;
    assert_eq!(page.status(), StatusCode::OK);
    let cookie = page.headers()["set-cookie"].to_str()?;
    assert!(cookie.starts_with("__Host-"), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute} is not in {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    Ok(())
}
