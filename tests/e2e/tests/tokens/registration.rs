//! Dynamic client registration (RFC 7591; oauth.md §5.1, §5.3).

use anyhow::Result;
use e2e::broker::{Settings, http_client};
use e2e::children::fixture;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::StatusCode;
use serde_json::{Value, json};

const CURSOR: [&str; 3] = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
];

async fn register(stack: &Stack, body: &Value) -> Result<(StatusCode, Value)> {
    let response = http_client()?.post(format!("{}/oauth/register", stack.broker.url)).json(body).send().await?;
    assert_eq!(response.headers()["cache-control"], "no-store");
    Ok((response.status(), response.json().await?))
}

#[tokio::test]
async fn every_client_becomes_a_public_one_whatever_it_asked_for() -> Result<()> {
    // B19; clients.md §2: what is answered must be what is true
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let asked = json!({
        "client_name": "Claude", "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
        "token_endpoint_auth_method": "client_secret_basic", "application_type": "native", "scope": "read",
        "grant_types": ["authorization_code", "refresh_token", "implicit"], "logo_uri": "https://evil.example/logo",
    });
    let (status, body) = register(&stack, &asked).await?;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(body["token_endpoint_auth_method"], "none");
    assert_eq!(body["client_secret"], Value::Null);
    assert_eq!(body["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(body["redirect_uris"], asked["redirect_uris"]);
    assert_eq!(body["application_type"], "native");
    assert_eq!(body["client_name"], "Claude");
    assert!(body["client_id_issued_at"].as_i64().is_some_and(|at| at > 1_700_000_000), "{body}");
    assert!(!body["client_id"].as_str().unwrap_or("https://").starts_with("https://"), "{body}");
    Ok(())
}

#[tokio::test]
async fn the_same_metadata_gets_the_same_client() -> Result<()> {
    // clients.md §2: claude.ai registers anew at each connection, often twice
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let document = |name: &str| json!({"client_name": name, "redirect_uris": ["http://127.0.0.1:1/cb"]});
    let (a, b) = (document("a"), document("b"));
    let (one, again, other) = tokio::try_join!(register(&stack, &a), register(&stack, &a), register(&stack, &b))?;
    assert_eq!(one.1["client_id"], again.1["client_id"]);
    assert_ne!(one.1["client_id"], other.1["client_id"]);
    Ok(())
}

#[tokio::test]
async fn cursors_three_addresses_lose_the_private_one_unless_the_operator_lists_it() -> Result<()> {
    // clients.md pain 10: one refused address must not refuse the whole registration
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let asked = json!({"client_name": "Cursor", "redirect_uris": CURSOR});
    let (status, body) = register(&stack, &asked).await?;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(body["redirect_uris"], json!(CURSOR[1..]));

    let settings = Settings::default().with("REDIRECT_URI_ALLOW_LIST", CURSOR[0]);
    let stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let (status, body) = register(&stack, &asked).await?;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(body["redirect_uris"], json!(CURSOR));
    let near = json!({"redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback2"]});
    assert_eq!(register(&stack, &near).await?.0, StatusCode::BAD_REQUEST, "the list holds whole URIs");
    Ok(())
}

#[tokio::test]
async fn addresses_to_which_no_code_may_go_are_refused() -> Result<()> {
    // B10; design §5
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    for good in [
        "https://claude.ai/api/mcp/auth_callback",
        "http://localhost:7777/oauth/callback",
        "http://127.0.0.1/",
        "http://[::1]:8080/callback",
        "com.example.app:/oauth2redirect",
    ] {
        let (status, body) = register(&stack, &json!({"redirect_uris": [good]})).await?;
        assert_eq!(status, StatusCode::CREATED, "{good}: {body}");
    }
    for bad in [
        "http://app.example/callback",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://0.0.0.0/",
        "javascript:alert(1)",
        "data:text/html,hello",
        "file:///etc/passwd",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://user@app.example/",
        "https://app.example/#fragment",
        "https://app.example\\@evil.example/",
        "https://app.example/a b",
        "https://app.example/\u{9}",
        "https://b\u{fc}cher.example/",
        "https://APP.example/",
        "/callback",
        "",
    ] {
        let (status, body) = register(&stack, &json!({"redirect_uris": [bad]})).await?;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(body["error"], "invalid_redirect_uri", "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn documents_that_make_no_sense_are_refused() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let uri = "http://127.0.0.1:1/cb";
    let many: Vec<String> = (0..21).map(|number| format!("{uri}/{number}")).collect();
    for (body, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"redirect_uris": many}), "invalid_redirect_uri"),
        (json!({"redirect_uris": uri}), "invalid_client_metadata"),
        (json!([uri]), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [uri], "response_types": ["token"]}), "invalid_client_metadata"),
    ] {
        let (status, answer) = register(&stack, &body).await?;
        assert_eq!((status, answer["error"].as_str()), (StatusCode::BAD_REQUEST, Some(error)), "{body}");
    }
    let huge = json!({"redirect_uris": [uri], "client_name": "x".repeat(70_000)});
    assert_eq!(register(&stack, &huge).await?.0, StatusCode::PAYLOAD_TOO_LARGE);
    Ok(())
}
