//! The well-known documents (RFC 8414, RFC 9728).

use anyhow::Result;
use e2e::broker::http_client;
use e2e::browser::Browser;
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

const PROTECTED_RESOURCE: [&str; 3] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource/mcp/",
];
const AUTHORIZATION_SERVER: [&str; 5] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
];

/// What a misconfigured proxy lets through, or a client sends.
const HOSTILE: [(&str, &str); 7] = [
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-prefix", "/evil"),
    ("forwarded", "host=evil.example;proto=https"),
    ("x-original-url", "/evil"),
    ("x-rewrite-url", "/evil"),
];

#[tokio::test]
async fn every_place_where_a_client_looks_has_the_same_document() -> Result<()> {
    // oauth.md A04, A06, B02, B03, B05, B18, A11; clients.md pain 12
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (url, client) = (&stack.broker.url, http_client()?);
    let get = async |path: &str| -> Result<Value> {
        // Clients of revision 2025-03-26 send their protocol version along.
        let response = client.get(format!("{url}{path}")).header("mcp-protocol-version", "2025-03-26").send().await?;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json", "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        Ok(response.json().await?)
    };

    for path in PROTECTED_RESOURCE {
        let document = get(path).await?;
        assert_eq!(document["resource"], format!("{url}/mcp"), "{path}");
        assert_eq!(document["authorization_servers"], json!([url]), "{path}");
        assert_eq!(document["scopes_supported"], json!(["read", "write"]), "{path}");
        assert_eq!(document["bearer_methods_supported"], json!(["header"]), "{path}");
    }
    for path in AUTHORIZATION_SERVER {
        let document = get(path).await?;
        assert_eq!(document["issuer"], *url, "{path}");
        for (member, endpoint) in [
            ("authorization_endpoint", "/oauth/authorize"),
            ("token_endpoint", "/oauth/token"),
            ("registration_endpoint", "/oauth/register"),
            ("revocation_endpoint", "/oauth/revoke"),
        ] {
            assert_eq!(document[member], format!("{url}{endpoint}"), "{path}");
        }
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]), "{path}");
        assert_eq!(document["authorization_response_iss_parameter_supported"], true, "{path}");
        assert_eq!(document["token_endpoint_auth_methods_supported"], json!(["none", "private_key_jwt"]), "{path}");
        assert_eq!(document["scopes_supported"], json!(["read", "write", "offline_access"]), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_well_known_name_that_is_not_served_is_a_small_404() -> Result<()> {
    // oauth.md §3: a page or a redirect there would be taken for a document
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = http_client()?;
    for path in ["/.well-known/webfinger", "/.well-known/oauth-protected-resource/other", "/.well-known/a/b/c"] {
        let response = client.get(format!("{}{path}", stack.broker.url)).send().await?;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json", "{path}");
        assert!(response.bytes().await?.len() < 200, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_hostile_host_or_forwarding_header_changes_nothing_in_what_is_said() -> Result<()> {
    // design §5: every URL comes from configuration
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = http_client()?;
    for path in PROTECTED_RESOURCE.into_iter().chain(AUTHORIZATION_SERVER).chain(["/"]) {
        let address = format!("{}{path}", stack.broker.url);
        let honest = client.get(&address).send().await?.text().await?;
        let request = HOSTILE.iter().fold(client.get(&address), |request, (name, value)| request.header(*name, *value));
        let response = request.send().await?;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(response.headers().values().all(|value| !value.as_bytes().windows(4).any(|part| part == b"evil")));
        assert_eq!(response.text().await?, honest, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_hostile_host_or_forwarding_header_leads_no_login_and_no_challenge_astray() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (url, client) = (stack.broker.url.as_str(), http_client()?);
    let challenged = HOSTILE[1..].iter().fold(client.post(format!("{url}/mcp")), |post, (n, v)| post.header(*n, *v));
    let challenged = challenged.send().await?;
    assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
    let challenge = challenged.headers()["www-authenticate"].to_str()?;
    assert!(challenge.contains(&format!("resource_metadata=\"{url}/.well-known/")), "{challenge}");

    let oauth = OAuthClient::register(url, "e2e").await?;
    let (browser, authorization) = (Browser::new()?, oauth.authorize(None)?);
    let form = browser.page(&authorization.url, &oauth.redirect_uri).await?.the_form()?.approved();
    let headers: Vec<_> = HOSTILE.into_iter().chain([("origin", url), ("sec-fetch-site", "same-origin")]).collect();
    let upstream = browser.submit_with(&form, &headers, stack.sim.url()).await?.redirect()?;
    let back = upstream.query_pairs().find(|(name, _)| name == "redirect_uri").map(|(_, value)| value.into_owned());
    assert_eq!(back, Some(format!("{url}/oauth/callback")));
    assert!(!upstream.as_str().contains("evil"), "{upstream}");
    Ok(())
}
