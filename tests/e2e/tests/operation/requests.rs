//! What every request gets, and which ones are refused for their form (T-ids of mcp.md §4).

use anyhow::Result;
use e2e::broker::{Settings, http_client};
use e2e::children::fixture;
use e2e::mcp::request;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_body_that_is_too_long_is_413_before_it_is_read() -> Result<()> {
    let settings = Settings::default().with("MAX_BODY_BYTES", "64KiB");
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let (mcp, _, tokens) = stack.session("alice").await?;
    let long = request(&json!(1), "ping", &json!({"text": "x".repeat(70 * 1024)}));
    let answer = mcp.post(&long).await?;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.error()?["message"].as_str().is_some_and(|text| text.contains("max-body-bytes")), "{}", answer.body);

    // One that does not say its length in advance.
    let pieces = futures_util::stream::iter((0..9).map(|_| Ok::<_, std::io::Error>(vec![b' '; 8 * 1024])));
    let response = http_client()?
        .post(format!("{}/mcp", stack.broker.url))
        .bearer_auth(&tokens.access_token)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(reqwest::Body::wrap_stream(pieces))
        .send()
        .await?;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let fits = request(&json!(1), "ping", &json!({"text": "x".repeat(60 * 1024)}));
    assert_eq!(mcp.post(&fits).await?.status, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_415() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let ping = request(&json!(1), "ping", &json!({}));
    let send = async |content_type: Option<&str>| -> Result<(StatusCode, Value)> {
        let mut post = http_client()?.post(format!("{}/mcp", stack.broker.url)).bearer_auth(&tokens.access_token);
        post = post.header("accept", "application/json, text/event-stream").body(ping.clone());
        if let Some(content_type) = content_type {
            post = post.header("content-type", content_type);
        }
        let response = post.send().await?;
        Ok((response.status(), response.json().await?))
    };
    for wrong in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
        let (status, body) = send(wrong).await?;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{wrong:?}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("application/json")), "{body}");
    }
    assert_eq!(send(Some("Application/JSON; charset=utf-8")).await?.0, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn other_methods_are_405_and_told_which_there_are() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    for path in ["/mcp", "/mcp/"] {
        for method in [Method::PUT, Method::PATCH] {
            let response = http_client()?.request(method, format!("{}{path}", stack.broker.url)).send().await?;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers()["allow"], "POST, GET, DELETE, OPTIONS");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_carries_a_request_id_that_is_in_the_log_and_not_the_clients() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    for path in ["/mcp", "/healthz", "/", "/oauth/callback", "/.well-known/oauth-authorization-server", "/nowhere"] {
        let request = http_client()?.get(format!("{}{path}", stack.broker.url));
        let response = request.header("x-request-id", "chosen-by-a-client").send().await?;
        let id = response.headers()["x-request-id"].to_str()?.to_owned();
        assert!(id.len() >= 16 && id != "chosen-by-a-client", "{path}: {id}");
        response.bytes().await?;
        let line: Value = serde_json::from_str(&stack.broker.wait_for_line(&id).await?)?;
        assert_eq!(line["http.method"], "GET", "{path}: {line}");
    }
    assert!(!stack.broker.log().contains("chosen-by-a-client"));

    let settings = Settings::default().with("TRUSTED_PROXIES", "127.0.0.1");
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let request = http_client()?.get(format!("{}/", stack.broker.url)).header("x-request-id", "chosen-by-the-proxy");
    let response = request.header("x-forwarded-for", "192.0.2.7").send().await?;
    assert_eq!(response.headers()["x-request-id"], "chosen-by-the-proxy");
    let line = stack.broker.wait_for_line("chosen-by-the-proxy").await?;
    assert!(line.contains("192.0.2.7"), "{line}");
    Ok(())
}
