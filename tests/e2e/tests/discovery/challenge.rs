//! The 401 that begins every client's login, and the old addresses (oauth.md §3).

use anyhow::{Context as _, Result};
use e2e::broker::http_client;
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::SecretKind;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_request_without_a_token_is_told_where_to_go() -> Result<()> {
    // A01, A05, A07, A15: no error code, since no credentials were sent; both spellings alike, no redirect (clients.md pain 14)
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (url, client) = (&stack.broker.url, http_client()?);
    let challenge =
        format!("Bearer resource_metadata=\"{url}/.well-known/oauth-protected-resource/mcp\", scope=\"read write\"");
    for path in ["/mcp", "/mcp/"] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let response = client.request(method.clone(), format!("{url}{path}")).body("not even JSON").send().await?;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(response.headers()["www-authenticate"], challenge, "{method} {path}");
            let body: Value = response.json().await?;
            assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("authorize")), "{body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_does_not_serve_is_named_invalid() -> Result<()> {
    // A02, A13, A14: tokens of others, tokens in the query, other schemes
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let issued = stack.sim.issued_secrets();
    let forgejo = issued.iter().find(|secret| secret.kind == SecretKind::AccessToken).context("no token of Forgejo")?;
    let http = http_client()?;
    let address = format!("{}/mcp", stack.broker.url);
    for (authorization, error) in [
        ("Bearer fjb_at_unknown".to_owned(), Some("invalid_token")),
        (format!("Bearer {}", forgejo.value), Some("invalid_token")),
        (format!("Bearer {}", tokens.refresh_token), Some("invalid_token")),
        ("Bearer  ".to_owned(), Some("invalid_request")),
        (tokens.access_token.clone(), Some("invalid_request")),
        // RFC 6750 §3.1: another scheme is as good as none
        (format!("Basic {}", tokens.access_token), None),
    ] {
        let response = http.post(&address).header("authorization", authorization).json(&json!({})).send().await?;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenge = response.headers()["www-authenticate"].to_str()?;
        assert!(challenge.contains("resource_metadata=") && challenge.contains("scope=\"read write\""), "{challenge}");
        match error {
            Some(error) => assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}"),
            None => assert!(!challenge.contains("error="), "{challenge}"),
        }
    }
    let in_query = format!("{address}?access_token={}", tokens.access_token);
    let response = http.post(&in_query).json(&json!({})).send().await?;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "a token in the query counts for nothing");
    Ok(())
}

#[tokio::test]
async fn the_addresses_of_2025_03_26_lead_through_a_whole_login() -> Result<()> {
    // B02: /authorize, /token and /register at the origin; such a client sends no resource
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (url, http) = (&stack.broker.url, http_client()?);
    let redirect_uri = "http://localhost:7777/oauth/callback";
    let body = json!({"client_name": "old", "redirect_uris": [redirect_uri]});
    let registered: Value = http.post(format!("{url}/register")).json(&body).send().await?.json().await?;

    let client = OAuthClient::register_with(url, "old", redirect_uri).await?;
    assert_eq!(registered["client_id"], client.id, "the alias registers in the same book");
    let mut authorization = client.authorize(None)?;
    authorization.url.set_path("/authorize");
    let query: Vec<(String, String)> = authorization
        .url
        .query_pairs()
        .filter(|(name, _)| name != "resource")
        .map(|(n, v)| (n.into(), v.into()))
        .collect();
    authorization.url.query_pairs_mut().clear().extend_pairs(query);
    let back = Browser::new()?.log_in(&authorization.url, &Person::named("alice"), redirect_uri).await?;
    let code = client.code(&authorization, &back)?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", &authorization.verifier),
        ("client_id", &client.id),
    ];
    let response = http.post(format!("{url}/token")).form(&form).send().await?;
    assert_eq!(response.status(), StatusCode::OK);
    let tokens: Value = response.json().await?;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "read write");
    Ok(())
}
