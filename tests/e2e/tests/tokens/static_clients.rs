//! Clients from the configuration: public, and with a secret in either place (oauth.md §5, "pre-registered"; OAuth 2.1 §2.4).

use anyhow::{Context as _, Result};
use e2e::broker::{Settings, http_client};
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::{Authorization, OAuthClient, Tokens};
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::assert_error;

const REDIRECT_URI: &str = "https://app.example/cb";
const SECRET: &str = "a secret: of 30% signs & more";

#[derive(Clone, Copy)]
enum Shows {
    Nothing,
    Basic,
    Post,
}

fn configuration() -> Settings {
    let clients = json!([
        {"id": "the-public-one", "name": "Public", "redirect_uris": [REDIRECT_URI]},
        {"id": "the-confidential-one", "name": "Confidential", "redirect_uris": [REDIRECT_URI], "secret": SECRET},
    ]);
    Settings::default().with("CLIENTS", clients.to_string())
}

async fn stack(settings: Settings) -> Result<Stack> {
    Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await
}

async fn code(stack: &Stack, id: &str) -> Result<(OAuthClient, Authorization, String)> {
    let client = OAuthClient::known(&stack.broker.url, id, REDIRECT_URI)?;
    let authorization = client.authorize(None)?;
    let back = Browser::new()?.log_in(&authorization.url, &Person::named("alice"), REDIRECT_URI).await?;
    let code = client.code(&authorization, &back)?;
    Ok((client, authorization, code))
}

async fn send(client: &OAuthClient, path: &str, form: &[(&str, &str)], secret: &str, shows: Shows) -> Result<Response> {
    let mut form = form.to_vec();
    let request = http_client()?.post(format!("{}/oauth/{path}", client.issuer));
    let request = match shows {
        Shows::Nothing => {
            form.push(("client_id", &client.id));
            request
        }
        Shows::Post => {
            form.extend([("client_id", client.id.as_str()), ("client_secret", secret)]);
            request
        }
        // RFC 6749 §2.3.1: both halves are form-encoded first.
        Shows::Basic => {
            let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request.basic_auth(encoded(&client.id), Some(encoded(secret)))
        }
    };
    Ok(request.form(&form).send().await?)
}

async fn answer(response: Response) -> Result<(StatusCode, Value)> {
    Ok((response.status(), response.json().await?))
}

#[tokio::test]
async fn configured_clients_log_in_refresh_and_revoke_as_they_are_configured() -> Result<()> {
    let stack = stack(configuration()).await?;
    for (id, shows) in [
        ("the-public-one", Shows::Nothing),
        ("the-confidential-one", Shows::Basic),
        ("the-confidential-one", Shows::Post),
    ] {
        let (client, authorization, code) = code(&stack, id).await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", authorization.verifier.as_str()),
        ];
        let (status, body) = answer(send(&client, "token", &form, SECRET, shows).await?).await?;
        assert_eq!(status, StatusCode::OK, "{id}: {body}");
        let tokens: Tokens = serde_json::from_value(body)?;
        Mcp::new(&stack.broker.url, &tokens.access_token)?.initialize("2025-11-25").await?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh_token.as_str())];
        let (status, body) = answer(send(&client, "token", &form, SECRET, shows).await?).await?;
        assert_eq!(status, StatusCode::OK, "{id}: {body}");
        let renewed: Tokens = serde_json::from_value(body)?;
        let form = [("token", renewed.refresh_token.as_str())];
        assert_eq!(send(&client, "revoke", &form, SECRET, shows).await?.status(), StatusCode::OK, "{id}");
        let gone = Mcp::new(&stack.broker.url, &renewed.access_token)?.send("ping", &json!({})).await?;
        assert_eq!(gone.status, StatusCode::UNAUTHORIZED, "{id}");
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_is_needed_where_there_is_one_and_refused_where_there_is_none() -> Result<()> {
    let stack = stack(configuration()).await?;
    let (client, authorization, code) = code(&stack, "the-confidential-one").await?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", authorization.verifier.as_str()),
    ];
    for (secret, shows) in [
        ("", Shows::Nothing),
        ("", Shows::Basic),
        ("", Shows::Post),
        ("a secret: of 30% signs & mor", Shows::Basic),
        ("a secret: of 30% signs & more ", Shows::Post),
        ("A SECRET: OF 30% SIGNS & MORE", Shows::Post),
    ] {
        let response = send(&client, "token", &form, secret, shows).await?;
        let challenge = response.headers().get("www-authenticate").is_some();
        assert_eq!(challenge, matches!(shows, Shows::Basic), "RFC 6749 §5.2");
        assert_error(&answer(response).await?, 401, "invalid_client");
    }
    let other = OAuthClient::known(&stack.broker.url, "the-public-one", REDIRECT_URI)?;
    assert_error(&answer(send(&other, "token", &form, SECRET, Shows::Post).await?).await?, 401, "invalid_client");
    assert_error(&answer(send(&other, "token", &form, "", Shows::Nothing).await?).await?, 400, "invalid_grant");
    // Nothing of all that has spent the code.
    let (status, body) = answer(send(&client, "token", &form, SECRET, Shows::Basic).await?).await?;
    assert_eq!(status, StatusCode::OK, "{body}");
    Ok(())
}

#[tokio::test]
async fn the_metadata_offers_secrets_only_where_a_client_has_one() -> Result<()> {
    let methods = async |settings: Settings| -> Result<Value> {
        let stack = stack(settings).await?;
        let url = format!("{}/.well-known/oauth-authorization-server", stack.broker.url);
        let document: Value = http_client()?.get(url).send().await?.json().await?;
        Ok(document["token_endpoint_auth_methods_supported"].clone())
    };
    let with = methods(configuration()).await?;
    let names = with.as_array().context("an array")?;
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        assert!(names.contains(&json!(method)), "{with}");
    }
    let without = methods(Settings::default()).await?;
    assert!(!without.to_string().contains("client_secret"), "{without}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_left_the_configuration_is_not_known_any_more() -> Result<()> {
    let mut stack = stack(configuration()).await?;
    let client = OAuthClient::known(&stack.broker.url, "the-public-one", REDIRECT_URI)?;
    let tokens = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    stack.broker.terminate().await?;
    stack.settings.set("CLIENTS", "[]");
    stack.restart().await?;
    assert_error(&client.refresh_raw(&tokens.refresh_token).await?, 401, "invalid_client");
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text().contains("Remove the connection in your application and add it again"), "{}", page.text());
    Ok(())
}
