//! A whole login and session through the proxy, and what the proxy has written down of it.

use anyhow::Result;
use e2e::broker::{Settings, http_client};
use e2e::browser::{Browser, Person};
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::stack::eventually;
use serde_json::json;

use super::house;
use super::process::Kind;

#[tokio::test]
async fn caddy_carries_a_login_and_logs_no_secret_of_it() -> Result<()> {
    a_login(Kind::Caddy).await
}

#[tokio::test]
async fn nginx_carries_a_login_and_logs_no_secret_of_it() -> Result<()> {
    a_login(Kind::Nginx).await
}

async fn a_login(kind: Kind) -> Result<()> {
    let Some(mut house) = house(kind, Settings::default()).await? else { return Ok(()) };
    let url = house.stack.broker.url.clone();
    let client = OAuthClient::register(&url, "proxied").await?;
    let (authorization, browser) = (client.authorize(None)?, Browser::new()?);
    let back = browser.log_in(&authorization.url, &Person::named("alice"), &client.redirect_uri).await?;
    let code = client.code(&authorization, &back)?;
    let tokens = client.redeem(&authorization, &code).await?;
    let mut mcp = Mcp::new(&url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    let text = mcp.call_text("get_my_user_info", &json!({})).await?;
    assert!(text.contains("alice"), "{text}");

    // The proxy's own error log shows the request, too, when nobody is behind it.
    house.stack.broker.terminate().await?;
    let lost = http_client()?.get(format!("{url}/oauth/callback?code=spendable-code&state=secret-state"));
    let lost = lost.bearer_auth("spendable-token").header("cookie", "session=secret-cookie");
    assert_eq!(lost.send().await?.status(), 502);

    let issued = house.stack.sim.issued_secrets();
    let issued = issued.iter().map(|secret| secret.value.as_str());
    let mut secrets = vec!["spendable-code", "secret-state", "spendable-token", "secret-cookie"];
    secrets.extend([code.as_str(), &authorization.state, &tokens.access_token, &tokens.refresh_token]);
    secrets.extend(issued);
    let logged = |text: &str| house.proxy.logs().contains(text);
    for path in ["/oauth/authorize", "/oauth/callback", "/oauth/token", "\"/mcp\"", "502"] {
        eventually(&format!("the proxy logs {path}"), || logged(path)).await?;
    }
    for secret in secrets {
        assert!(!logged(secret), "{secret} is in the proxy's log:\n{}", house.proxy.logs());
    }
    Ok(())
}
