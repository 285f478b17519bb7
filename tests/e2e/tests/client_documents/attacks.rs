//! Documents, and addresses of documents, that try something.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, http_client};
use e2e::browser::Browser;
use e2e::document_server::{Answer, DocumentServer};
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use futures_util::future::try_join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{REDIRECT_URI, stack};

/// What somebody sees who opens an authorization request of this client.
async fn shown(stack: &Stack, id: &str) -> Result<String> {
    let client = OAuthClient::known(&stack.broker.url, id, REDIRECT_URI)?;
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    ensure!(page.status == StatusCode::BAD_REQUEST, "{id}: {} {}", page.status, page.text());
    Ok(page.text())
}

#[tokio::test]
async fn a_document_that_breaks_a_rule_lets_nobody_in_and_the_page_does_not_say_which() -> Result<()> {
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let good = server.client("/good.json", REDIRECT_URI, |_| {});
    let document = |path: &str, change: &dyn Fn(&mut Value)| server.client(path, REDIRECT_URI, change);
    let attacks = [
        (document("/other.json", &|d| d["client_id"] = json!(good)), "not, to the letter"),
        (document("/secret.json", &|d| d["client_secret"] = json!("s3cret")), "contains client_secret"),
        (
            document("/basic.json", &|d| d["token_endpoint_auth_method"] = json!("client_secret_basic")),
            "must be none or private_key_jwt",
        ),
        (
            document("/keyless.json", &|d| d["token_endpoint_auth_method"] = json!("private_key_jwt")),
            "exactly one of jwks and jwks_uri",
        ),
        (document("/nameless.json", &|d| d["client_name"] = json!("")), "client_name is missing"),
        (document("/big.json", &|d| d["padding"] = json!("x".repeat(20_000))), "longer than 16384 bytes"),
        (server.published("/endless.json", Answer::Endless), "longer than 16384 bytes"),
        (server.published("/slow.json", Answer::Silence), "no answer within 5 s"),
        (server.published("/redirect.json", Answer::Redirect(good.clone())), "302 Found, not 200"),
        (
            server.published("/error.json", Answer::Raw(500, "application/json", "{}".into())),
            "500 Internal Server Error, not 200",
        ),
        (
            server.published(
                "/html.json",
                Answer::Raw(200, "text/html", json!({"client_id": server.url("/html.json")}).to_string()),
            ),
            "Content-Type",
        ),
        (server.published("/array.json", Answer::Json(json!([]))), "not a client metadata document"),
        (server.url("/absent.json"), "404 Not Found, not 200"),
    ];
    try_join_all(attacks.iter().map(async |(id, reason)| {
        let text = shown(&stack, id).await?;
        ensure!(text.contains("could not be used") && !text.contains(reason), "{id}: {text}");
        stack.broker.wait_for_line(reason).await.with_context(|| id.clone()).map(drop)
    }))
    .await?;
    assert_eq!(server.asked("/good.json"), 0, "no redirect is followed");
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_none_is_not_fetched_from() -> Result<()> {
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let port = server.origin.rsplit(':').next().unwrap_or_default();
    let ids = [
        format!("https://127.0.0.1:{port}/client.json"),
        format!("https://[::1]:{port}/client.json"),
        format!("https://2130706433:{port}/client.json"),
        format!("https://user@localhost:{port}/client.json"),
        format!("https://localhost:{port}/"),
        format!("https://localhost:{port}/a/../client.json"),
        format!("https://LOCALHOST:{port}/client.json"),
        format!("https://localhost:{port}/client.json#x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ];
    for id in &ids {
        server.client("/client.json", REDIRECT_URI, |document| document["client_id"] = json!(id));
        ensure!(shown(&stack, id).await?.contains("not an address of a client metadata document"), "{id}");
    }
    let plain = format!("http://localhost:{port}/client.json");
    ensure!(shown(&stack, &plain).await?.contains("is not known"), "{plain}");
    assert_eq!(server.asked("/client.json"), 0);
    Ok(())
}

#[tokio::test]
async fn a_stranger_cannot_make_the_token_endpoint_fetch() -> Result<()> {
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    for endpoint in ["token", "revoke"] {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", "x"), ("token", "x"), ("client_id", id.as_str())];
        let request = http_client()?.post(format!("{}/oauth/{endpoint}", stack.broker.url)).form(&form);
        assert_eq!(request.send().await?.status(), StatusCode::UNAUTHORIZED, "{endpoint}");
    }
    assert_eq!(server.asked("/client.json"), 0);
    Ok(())
}

#[tokio::test]
async fn many_requests_for_a_slow_document_are_one_fetch() -> Result<()> {
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let id = server.published("/slow.json", Answer::Silence);
    try_join_all((0..20).map(|_| shown(&stack, &id))).await?;
    let asked = server.asked("/slow.json");
    ensure!(asked <= 2, "{asked} fetches");
    Ok(())
}
