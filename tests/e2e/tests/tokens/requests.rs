//! What the token endpoint takes and how it answers (OAuth 2.1 §3.2; RFC 8707; oauth.md §4.3, §8).

use anyhow::Result;
use e2e::broker::http_client;
use e2e::children::fixture;
use e2e::oauth_client::Tokens;
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::assert_error;

#[tokio::test]
async fn answers_are_json_that_nobody_keeps() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let http = http_client()?;
    let address = format!("{}/oauth/token", stack.broker.url);
    for token in [tokens.refresh_token.as_str(), "wrong"] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &client.id)];
        let response = http.post(&address).form(&form).send().await?;
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["content-type"], "application/json");
        if response.status() == StatusCode::OK {
            let body: Value = response.json().await?;
            assert_eq!(body["token_type"], "Bearer");
            assert_eq!(body["scope"], "read write");
            assert_eq!(body["expires_in"], 3600);
        }
    }
    assert_eq!(http.get(&address).send().await?.status(), StatusCode::METHOD_NOT_ALLOWED);
    Ok(())
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_told_what_is_wrong() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let id = client.id.as_str();
    let refresh = tokens.refresh_token.as_str();
    for (form, status, error) in [
        (&[("grant_type", "password"), ("client_id", id)][..], 400, "unsupported_grant_type"),
        (&[("grant_type", "client_credentials"), ("client_id", id)], 400, "unsupported_grant_type"),
        (&[("client_id", id)], 400, "invalid_request"),
        (&[("grant_type", "refresh_token"), ("client_id", id)], 400, "invalid_request"),
        (&[("grant_type", "authorization_code"), ("client_id", id)], 400, "invalid_request"),
        (&[("grant_type", "refresh_token"), ("refresh_token", refresh)], 401, "invalid_client"),
        (
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh),
                ("refresh_token", refresh),
                ("client_id", id),
            ],
            400,
            "invalid_request",
        ),
    ] {
        assert_error(&client.token(form).await?, status, error);
    }
    let body = json!({"grant_type": "refresh_token", "refresh_token": refresh, "client_id": id});
    let response = http_client()?.post(format!("{}/oauth/token", stack.broker.url)).json(&body).send().await?;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "JSON is no form");
    client.refresh(refresh).await?;
    Ok(())
}

#[tokio::test]
async fn the_resource_is_ours_however_it_is_spelt_or_the_request_is_refused() -> Result<()> {
    // B17; clients.md pain 13
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, mut tokens) = stack.log_in("alice").await?;
    let origin = stack.broker.url.clone();
    let mcp = format!("{origin}/mcp");
    let spelt = [mcp.clone(), format!("{mcp}/"), origin.clone(), format!("{origin}/"), mcp.replace("http:", "HTTP:")];
    for resource in &spelt {
        let (status, body) = client.token(&refresh_for(&client.id, &tokens, &[resource])).await?;
        assert_eq!(status, StatusCode::OK, "{resource}: {body}");
        tokens = serde_json::from_value(body)?;
    }
    let (status, body) = client.token(&refresh_for(&client.id, &tokens, &[&mcp, &origin])).await?;
    assert_eq!(status, StatusCode::OK, "{body}");
    tokens = serde_json::from_value(body)?;

    let other = format!("{origin}/other");
    let query = format!("{mcp}?x=1");
    for resources in
        [&["https://other.example/mcp"][..], &[&other], &[&query], &["mcp"], &[&mcp, "https://other.example/"]]
    {
        assert_error(&client.token(&refresh_for(&client.id, &tokens, resources)).await?, 400, "invalid_target");
    }
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}

fn refresh_for<'a>(client: &'a str, tokens: &'a Tokens, resources: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut form =
        vec![("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh_token), ("client_id", client)];
    form.extend(resources.iter().map(|resource| ("resource", *resource)));
    form
}
