//! How clients say who they are (RFC 6749 §2.3.1), and what becomes of those that are gone (clients.md pain 9).

use anyhow::Result;
use e2e::broker::{Settings, http_client};
use e2e::browser::Browser;
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::assert_error;

async fn refresh_by_basic(stack: &Stack, id: &str, secret: &str, token: &str) -> Result<Response> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let request = http_client()?.post(format!("{}/oauth/token", stack.broker.url));
    Ok(request.basic_auth(id, Some(secret)).form(&form).send().await?)
}

#[tokio::test]
async fn http_basic_with_an_empty_secret_is_how_some_public_clients_come() -> Result<()> {
    // clients.md §2: LibreChat always sends Basic on refresh
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let response = refresh_by_basic(&stack, &client.id, "", &tokens.refresh_token).await?;
    assert_eq!(response.status(), StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn whoever_shows_a_secret_or_an_unknown_name_by_basic_is_challenged() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    for (id, secret) in [(client.id.as_str(), "secret"), ("unknown", "")] {
        let response = refresh_by_basic(&stack, id, secret, &tokens.refresh_token).await?;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{id}");
        assert!(response.headers()["www-authenticate"].to_str()?.starts_with("Basic "), "{id}");
        let body: Value = response.json().await?;
        assert_eq!(body["error"], "invalid_client", "{id}");
    }
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}

#[tokio::test]
async fn a_client_that_was_pruned_is_told_to_register_again() -> Result<()> {
    // 401 invalid_client makes clients register anew (clients.md 2.1); those never authorized go first (design §4)
    let settings = Settings::default().with("MAX_CLIENTS", "2");
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let (kept, tokens) = stack.log_in("alice").await?;
    let pruned = OAuthClient::register(&stack.broker.url, "never used").await?;
    OAuthClient::register(&stack.broker.url, "newest").await?;

    assert_error(&pruned.refresh_raw(&tokens.refresh_token).await?, 401, "invalid_client");
    let page = Browser::new()?.page(&pruned.authorize(None)?.url, &pruned.redirect_uri).await?;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("Remove the connection in your application and add it again"), "{}", page.text());
    kept.refresh(&tokens.refresh_token).await?;

    let again = OAuthClient::register(&stack.broker.url, "never used").await?;
    assert_ne!(again.id, pruned.id);
    Ok(())
}
