//! Revocation (RFC 7009; design §5).

use anyhow::Result;
use e2e::broker::http_client;
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::mcp::request;
use e2e::oauth_client::OAuthClient;
use e2e::stack::{Stack, eventually};
use reqwest::StatusCode;
use serde_json::json;

use super::{assert_error, ping};

#[tokio::test]
async fn revoking_an_access_token_ends_that_token_at_once_and_nothing_else() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    client.revoke(&tokens.access_token).await?;
    let refused = ping(&stack, &tokens.access_token).await?;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.header("www-authenticate").is_some_and(|text| text.contains("invalid_token")));

    let renewed = client.refresh(&tokens.refresh_token).await?;
    let answer = mcp.with_token(&renewed.access_token).post(&request(&json!(1), "ping", &json!({}))).await?;
    assert_eq!(answer.status, StatusCode::OK, "the session goes on with the next token");
    Ok(())
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_tokens_sessions_streams_and_workers_of_its_grant() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let (other, _, _) = stack.session("alice").await?;
    assert_eq!(stack.broker.workers().len(), 2);
    let mut stream = mcp.open_stream().await?;
    assert_eq!(stream.status(), StatusCode::OK);

    client.revoke(&tokens.refresh_token).await?;
    assert_eq!(ping(&stack, &tokens.access_token).await?.status, StatusCode::UNAUTHORIZED);
    assert_error(&client.refresh_raw(&tokens.refresh_token).await?, 400, "invalid_grant");
    while stream.chunk().await?.is_some() {}
    eventually("one worker is left", || stack.broker.workers().len() == 1).await?;

    // The same client of the same user logs in again: the session is gone, not moved.
    let fresh = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    let answer = mcp.with_token(&fresh.access_token).post(&request(&json!(1), "ping", &json!({}))).await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);

    let answer = other.post(&request(&json!(1), "ping", &json!({}))).await?;
    assert_eq!(answer.status, StatusCode::OK, "another grant of the user is left alone");
    Ok(())
}

#[tokio::test]
async fn a_token_of_another_client_is_left_alone_and_an_unknown_one_is_no_error() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let other = OAuthClient::register(&stack.broker.url, "another").await?;
    for token in [tokens.access_token.as_str(), &tokens.refresh_token, "fjb_rt_unknown", "rubbish"] {
        other.revoke(token).await?;
    }
    assert_eq!(ping(&stack, &tokens.access_token).await?.status, StatusCode::OK);
    client.refresh(&tokens.refresh_token).await?;

    let address = format!("{}/oauth/revoke", stack.broker.url);
    for (form, status) in [
        (&[("token", "x"), ("client_id", "unknown")][..], StatusCode::UNAUTHORIZED),
        (&[("token", "x")], StatusCode::UNAUTHORIZED),
        (&[("client_id", client.id.as_str())], StatusCode::BAD_REQUEST),
    ] {
        let response = http_client()?.post(&address).form(form).send().await?;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    Ok(())
}
