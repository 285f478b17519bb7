//! Clients that are known by their document and prove nothing, as claude.ai, Claude Code and VS Code are.

use anyhow::{Context as _, Result, ensure};
use e2e::audit::AuditFile;
use e2e::broker::{Settings, http_client};
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::clients::{Clients, Errand};
use e2e::document_server::{Answer, DocumentServer};
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::{REDIRECT_URI, stack};

#[tokio::test]
async fn a_client_is_known_by_its_document_without_registering() -> Result<()> {
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    // Claude Code's document: loopback URIs without a port.
    let uris = json!(["http://localhost/callback", "http://127.0.0.1/callback"]);
    let id = server.client("/client.json", REDIRECT_URI, |document| document["redirect_uris"] = uris);
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let tokens = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    client.revoke(&renewed.refresh_token).await?;
    let (status, _) = client.refresh_raw(&renewed.refresh_token).await?;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(server.asked("/client.json"), 1, "one fetch serves for the whole login and what follows");
    Ok(())
}

#[tokio::test]
async fn check_2_and_3_a_document_is_got_and_only_a_200_of_its_own_address_counts() -> Result<()> {
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let good = server.client("/good.json", REDIRECT_URI, |_| {});
    let moved = server.published("/moved.json", Answer::Redirect(good.clone()));
    let created =
        json!({"client_id": server.url("/created.json"), "client_name": "A", "redirect_uris": [REDIRECT_URI]});
    let created = server.published("/created.json", Answer::Raw(201, "application/json", created.to_string()));
    for bad in [moved, created] {
        let client = OAuthClient::known(&stack.broker.url, &bad, REDIRECT_URI)?;
        let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
        ensure!(page.status == StatusCode::BAD_REQUEST, "{bad}: {}", page.status);
    }
    assert_eq!(server.asked("/good.json"), 0, "no redirect is followed");
    let client = OAuthClient::known(&stack.broker.url, &good, REDIRECT_URI)?;
    client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    assert!(server.methods().iter().all(|method| method == "GET"), "{:?}", server.methods());
    Ok(())
}

#[tokio::test]
async fn check_15_a_document_that_has_changed_is_asked_about_and_written_down() -> Result<()> {
    let server = DocumentServer::start().await?;
    let audit = AuditFile::new()?;
    let mut stack = stack(&server, audit.settings()).await?;
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let browser = Browser::new()?;
    client.log_in(&browser, &Person::named("alice")).await?;
    server.client("/client.json", REDIRECT_URI, |document| document["client_name"] = json!("Somebody else"));
    // What was fetched before is forgotten with the process.
    stack.broker.terminate().await?;
    stack.restart().await?;
    let page = browser.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    ensure!(page.text().contains("Somebody else"), "he is asked again, by the new name: {}", page.text());
    client.log_in(&browser, &Person::named("alice")).await?;
    let event = audit.event("client_changed", "metadata").await?;
    assert_eq!(event["client"], id.as_str());
    Ok(())
}

#[tokio::test]
async fn the_consent_page_names_the_host_of_the_document() -> Result<()> {
    // Check 14
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    let text = page.text();
    ensure!(page.status == StatusCode::OK && text.contains("Documented") && text.contains("localhost"), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_metadata_says_what_is_so() -> Result<()> {
    // clients.md pain 11: `none` has to be there too, or claude.ai and opencode do not use their documents
    let server = DocumentServer::start().await?;
    let on = metadata(&stack(&server, Settings::default()).await?.broker.url).await?;
    assert_eq!(on["client_id_metadata_document_supported"], true);
    assert_eq!(on["token_endpoint_auth_methods_supported"], json!(["none", "private_key_jwt"]));
    assert_eq!(on["token_endpoint_auth_signing_alg_values_supported"], json!(["RS256", "ES256"]));

    let off = Settings::default().with("CLIENT_METADATA_DOCUMENTS", "false");
    let stack = stack(&server, off).await?;
    let off = metadata(&stack.broker.url).await?;
    assert_eq!(off["client_id_metadata_document_supported"], false);
    assert_eq!(off["token_endpoint_auth_methods_supported"], json!(["none"]));
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let (status, answer) = client.refresh_raw("any").await?;
    assert_eq!((status, &answer["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
    assert_eq!(server.asked("/client.json"), 0);
    Ok(())
}

#[tokio::test]
async fn documents_of_other_hosts_than_the_operators_are_not_asked_for() -> Result<()> {
    // Check 16
    let server = DocumentServer::start().await?;
    let stack =
        stack(&server, Settings::default().with("CLIENT_METADATA_DOCUMENT_HOSTS", "claude.ai, vscode.dev")).await?;
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.asked("/client.json"), 0);
    Ok(())
}

#[tokio::test]
async fn the_redirect_uri_has_to_be_in_the_document() -> Result<()> {
    // Check 8
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let id = server.client("/client.json", "https://app.example/cb", |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    ensure!(page.text().contains("has not registered"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn a_public_client_goes_on_while_its_document_is_away_but_nobody_new_comes_in() -> Result<()> {
    let server = DocumentServer::start().await?;
    let mut stack = stack(&server, Settings::default()).await?;
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let tokens = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    stack.broker.terminate().await?;
    server.put("/client.json", Answer::Raw(500, "text/plain", "down".to_owned()));
    stack.restart().await?;
    client.refresh(&tokens.refresh_token).await?;
    let page = Browser::new()?.page(&client.authorize(None)?.url, REDIRECT_URI).await?;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "check 10");
    Ok(())
}

#[tokio::test]
async fn every_real_client_that_can_uses_its_document() -> Result<()> {
    for client in Clients::installed()?.clients {
        let server = DocumentServer::start().await?;
        let stack = stack(&server, Settings::default()).await?;
        let id = server.client("/client.json", REDIRECT_URI, |document| {
            let hosts = ["http://127.0.0.1", "http://localhost"];
            let paths = ["/callback", "/oauth/callback"];
            document["redirect_uris"] =
                hosts.iter().flat_map(|host| paths.map(|path| format!("{host}{path}"))).collect();
        });
        let (person, child) = (Person::named("alice"), fixture("2.34.1")?);
        let call = child.words.whoami("");
        let errand = Errand { broker: &stack.broker.url, person: &person, call: &call, mode: Some("legacy") };
        let report = client.run_with_document(errand, &id).await.with_context(|| client.name.clone())?;
        ensure!(report.call_text.contains(&person.login), "{}: {report:?}", client.name);
        ensure!(server.asked("/client.json") == 1, "{} did not use its document", client.name);
    }
    Ok(())
}

async fn metadata(broker: &str) -> Result<Value> {
    let url = Url::parse(broker)?.join("/.well-known/oauth-authorization-server")?;
    Ok(http_client()?.get(url).send().await?.json().await?)
}
