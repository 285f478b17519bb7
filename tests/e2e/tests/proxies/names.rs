//! A hostile `Host` that a proxy lets through changes nothing (T02, T03).

use anyhow::Result;
use e2e::broker::{Settings, http_client};
use reqwest::StatusCode;
use serde_json::json;

use super::house;
use super::process::Kind;

#[tokio::test]
async fn behind_caddy_a_hostile_host_changes_nothing() -> Result<()> {
    a_hostile_host_changes_nothing(Kind::Caddy).await
}

#[tokio::test]
async fn behind_nginx_a_hostile_host_changes_nothing() -> Result<()> {
    a_hostile_host_changes_nothing(Kind::Nginx).await
}

async fn a_hostile_host_changes_nothing(kind: Kind) -> Result<()> {
    let Some(house) = house(kind, Settings::default()).await? else { return Ok(()) };
    let (client, url) = (http_client()?, &house.stack.broker.url);
    let (_, tokens) = house.stack.log_in("alice").await?;
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let own = client.get(format!("{url}{path}")).send().await?;
        assert_eq!(own.status(), StatusCode::OK, "{path}");
        let hostile = client.get(format!("{url}{path}")).header("host", "evil.example");
        let hostile = hostile.header("x-forwarded-host", "evil.example").header("forwarded", "host=evil.example");
        let (own, hostile) = (own.text().await?, hostile.send().await?.text().await?);
        assert_eq!(hostile, own, "{path}");
    }
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for (host, status) in [("evil.example", StatusCode::FORBIDDEN), (&url["http://".len()..], StatusCode::OK)] {
        let post = client.post(format!("{url}/mcp")).bearer_auth(&tokens.access_token).header("host", host);
        let post = post.header("accept", "application/json, text/event-stream");
        assert_eq!(post.json(&ping).send().await?.status(), status, "{host}");
    }
    Ok(())
}
