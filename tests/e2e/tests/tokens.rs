//! The token endpoint, registration and revocation.

use anyhow::Result;
use e2e::browser::{Browser, Person};
use e2e::mcp::{Answer, Mcp, request};
use e2e::oauth_client::{Authorization, OAuthClient};
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

mod clients;
mod codes;
mod refresh;
mod registration;
mod requests;
mod revocation;
mod static_clients;

/// A client with a code that it has not redeemed yet.
async fn with_code(stack: &Stack) -> Result<(OAuthClient, Authorization, String)> {
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let authorization = client.authorize(None)?;
    let back = Browser::new()?.log_in(&authorization.url, &Person::named("alice"), &client.redirect_uri).await?;
    let code = client.code(&authorization, &back)?;
    Ok((client, authorization, code))
}

/// What `/mcp` says to a request with this token.
async fn ping(stack: &Stack, access_token: &str) -> Result<Answer> {
    Mcp::new(&stack.broker.url, access_token)?.post(&request(&json!(1), "ping", &json!({}))).await
}

/// The token endpoint refused with this code, as RFC 6749 §5.2 has it.
fn assert_error(answer: &(StatusCode, Value), status: u16, code: &str) {
    let (got, body) = answer;
    assert_eq!((got.as_u16(), body["error"].as_str()), (status, Some(code)), "{body}");
    assert!(body["error_description"].as_str().is_some_and(|text| text.len() > 10), "{body}");
}
