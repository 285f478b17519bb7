//! Rate limits through the built broker: by address before a token, by connection after it, by client for those with a secret
//! (clients.md pain 15; BP26 on abuse).

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, http_client};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const PROXIED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

async fn stack(settings: &[(&str, &str)]) -> Result<Stack> {
    let all = settings.iter().fold(Settings::default(), |all, (name, value)| all.with(name, *value));
    Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), all).await
}

/// Sends until it is refused; how many were not.
async fn admitted(most: usize, request: impl Fn() -> Result<RequestBuilder>) -> Result<(usize, Option<Response>)> {
    for number in 0..most {
        let response = request()?.send().await?;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            return Ok((number, Some(response)));
        }
    }
    Ok((most, None))
}

fn assert_refused(response: &Response) -> Result<()> {
    let retry_after: u64 = response.headers().get("retry-after").context("no Retry-After")?.to_str()?.parse()?;
    ensure!(retry_after >= 1, "{retry_after}");
    ensure!(response.headers()["cache-control"] == "no-store");
    Ok(())
}

#[tokio::test]
async fn each_endpoint_has_its_own_limit_and_says_when_to_come_back() -> Result<()> {
    let limits = [
        ("RATE_LIMIT_REGISTER", "3/h"),
        ("RATE_LIMIT_AUTHORIZE", "4/h"),
        ("RATE_LIMIT_TOKEN", "5/h"),
        ("RATE_LIMIT_UNAUTHENTICATED", "6/h"),
    ];
    let stack = stack(&limits).await?;
    let (http, url) = (http_client()?, stack.broker.url.clone());
    for (path, method, expected, json) in [
        ("/oauth/register", "POST", 3, true),
        ("/oauth/authorize", "GET", 4, false),
        ("/oauth/token", "POST", 5, true),
        ("/mcp", "POST", 6, true),
    ] {
        let method: reqwest::Method = method.parse()?;
        let (number, refused) =
            admitted(expected + 3, || Ok(http.request(method.clone(), format!("{url}{path}")))).await?;
        assert_eq!(number, expected, "{path}");
        let refused = refused.context("never refused")?;
        assert_refused(&refused)?;
        let kind = refused.headers()["content-type"].to_str()?.to_owned();
        assert_eq!(kind.starts_with("application/json"), json, "{path}: {kind}");
    }
    // The aliases are no second door, and revocation shares the token endpoint's limit.
    for (path, method) in [
        ("/register", "POST"),
        ("/authorize", "GET"),
        ("/token", "POST"),
        ("/oauth/revoke", "POST"),
        ("/mcp/", "POST"),
        ("/oauth/callback", "GET"),
    ] {
        let response = http.request(method.parse()?, format!("{url}{path}")).send().await?;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    // What everybody needs first is not limited.
    let document = http.get(format!("{url}/.well-known/oauth-authorization-server")).send().await?;
    assert_eq!(document.status(), StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_header_of_a_stranger_buys_no_new_allowance() -> Result<()> {
    let stack = stack(&[("RATE_LIMIT_TOKEN", "3/h")]).await?;
    let (http, url) = (http_client()?, format!("{}/oauth/token", stack.broker.url));
    let counter = std::sync::atomic::AtomicUsize::new(0);
    let (number, _) = admitted(9, || {
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let spoofed = format!("203.0.113.{number}");
        let request = http.post(&url).header("x-forwarded-for", &spoofed).header("forwarded", format!("for={spoofed}"));
        Ok(request.header("x-real-ip", spoofed))
    })
    .await?;
    assert_eq!(number, 3, "nobody is trusted, so the connection's address counts");
    Ok(())
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_nearest_untrusted_address_counts() -> Result<()> {
    let stack = stack(&[("RATE_LIMIT_TOKEN", "3/h"), PROXIED]).await?;
    let (http, url) = (http_client()?, format!("{}/oauth/token", stack.broker.url));
    let count = async |forwarded: &[&str]| -> Result<usize> {
        let send =
            || Ok(forwarded.iter().fold(http.post(&url), |request, value| request.header("x-forwarded-for", *value)));
        Ok(admitted(9, send).await?.0)
    };
    assert_eq!(count(&["203.0.113.1"]).await?, 3);
    assert_eq!(count(&["203.0.113.2"]).await?, 3, "another user");
    // Whatever a client writes itself stands left of what the proxy added.
    assert_eq!(count(&["198.51.100.7, 203.0.113.1"]).await?, 0);
    assert_eq!(count(&["198.51.100.8", "203.0.113.1"]).await?, 0, "two headers are one list");
    assert_eq!(count(&["203.0.113.1, 127.0.0.1"]).await?, 0, "a trusted hop is skipped");
    assert_eq!(count(&["::ffff:203.0.113.1"]).await?, 0, "the same in the dress of v6");
    assert_eq!(count(&["2001:db8:1:2::1"]).await?, 3);
    assert_eq!(count(&["2001:db8:1:2:ffff::9"]).await?, 0, "a /64 is one user");
    Ok(())
}

#[tokio::test]
async fn the_egress_of_a_hosted_client_is_not_one_user() -> Result<()> {
    // clients.md pain 15: 160.79.104.0/21
    let stack = stack(&[("RATE_LIMIT_REGISTER", "2/h"), PROXIED]).await?;
    let (http, url) = (http_client()?, format!("{}/oauth/register", stack.broker.url));
    let count = async |address: &str| -> Result<usize> {
        Ok(admitted(230, || Ok(http.post(&url).header("x-forwarded-for", address))).await?.0)
    };
    assert_eq!(count("160.79.104.1").await?, 200, "a hundred times the usual");
    assert_eq!(count("160.79.111.254").await?, 0, "the network shares it");
    assert_eq!(count("160.79.112.1").await?, 2, "its neighbour is a stranger");
    Ok(())
}

#[tokio::test]
async fn after_the_token_the_connection_counts_and_not_the_address() -> Result<()> {
    let stack = stack(&[("RATE_LIMIT_GRANT", "5/h"), PROXIED]).await?;
    let (_, alice) = stack.log_in("alice").await?;
    let (_, again) = stack.log_in("alice").await?;
    let (http, url) = (http_client()?, format!("{}/mcp", stack.broker.url));
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let counter = std::sync::atomic::AtomicUsize::new(0);
    let count = async |token: &str| -> Result<(usize, Option<Response>)> {
        admitted(9, || {
            let from = format!("203.0.113.{}", counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(http.post(&url).bearer_auth(token).header("x-forwarded-for", from).json(&ping))
        })
        .await
    };
    let (number, refused) = count(&alice.access_token).await?;
    assert_eq!(number, 5);
    let refused = refused.context("never refused")?;
    assert_refused(&refused)?;
    let body: Value = refused.json().await?;
    assert!(body["error"]["message"].as_str().is_some_and(|text| text.contains("Too many requests")), "{body}");
    assert_eq!(count(&again.access_token).await?.0, 5, "another connection of the same user");
    Ok(())
}

#[tokio::test]
async fn a_client_with_a_secret_has_a_limit_of_its_own_that_nobody_else_can_use_up() -> Result<()> {
    let clients = json!([
        {"id": "confidential", "redirect_uris": ["https://app.example/cb"], "secret": "a long enough secret"},
        {"id": "public", "redirect_uris": ["https://app.example/cb"]},
    ]);
    let stack = stack(&[("RATE_LIMIT_CLIENT", "3/h"), ("CLIENTS", &clients.to_string())]).await?;
    let (http, url) = (http_client()?, format!("{}/oauth/token", stack.broker.url));
    let count = async |id: &str, secret: &str| -> Result<(usize, Option<Response>)> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", "unknown")];
        admitted(9, || Ok(http.post(&url).basic_auth(id, Some(secret)).form(&form))).await
    };
    assert_eq!(
        count("confidential", "a wrong but long secret").await?.0,
        9,
        "who does not know the secret is not the client"
    );
    let (number, refused) = count("confidential", "a long enough secret").await?;
    assert_eq!(number, 3);
    assert_refused(&refused.context("never refused")?)?;
    assert_eq!(count("public", "").await?.0, 9);
    let registered = OAuthClient::register(&stack.broker.url, "e2e").await?;
    assert_eq!(count(&registered.id, "").await?.0, 9);
    Ok(())
}
