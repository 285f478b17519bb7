//! Clients that sign (`private_key_jwt`), as ChatGPT does (clients.md §2).

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::browser::{Browser, Person};
use e2e::document_server::{Answer, DocumentServer};
use e2e::oauth_client::{Authorization, OAuthClient};
use e2e::stack::Stack;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::signer::{Signer, TYPE, claims, unsigned};
use super::{REDIRECT_URI, stack};

/// A client whose keys are at an address of their own, with a code to redeem.
struct Scene {
    stack: Stack,
    server: DocumentServer,
    signer: Signer,
    client: OAuthClient,
}

impl Scene {
    async fn start(signer: Signer) -> Result<Self> {
        let server = DocumentServer::start().await?;
        let stack = stack(&server, Settings::default()).await?;
        let keys = server.published("/jwks.json", Answer::Json(signer.jwks()));
        let id = server.client("/client.json", REDIRECT_URI, |document| {
            document["token_endpoint_auth_method"] = json!("private_key_jwt");
            document["jwks_uri"] = json!(keys);
        });
        let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
        Ok(Self { stack, server, signer, client })
    }

    async fn code(&self) -> Result<(Authorization, String)> {
        let authorization = self.client.authorize(None)?;
        let back = Browser::new()?.log_in(&authorization.url, &Person::named("alice"), REDIRECT_URI).await?;
        let code = self.client.code(&authorization, &back)?;
        Ok((authorization, code))
    }

    fn issuer(&self) -> &str {
        &self.stack.broker.url
    }

    fn assertion(&self) -> Result<String> {
        self.signer.assertion(&self.client.id, self.issuer())
    }
}

fn signed(assertion: &str) -> [(&'static str, &str); 2] {
    [("client_assertion_type", TYPE), ("client_assertion", assertion)]
}

fn error(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_client_that_signs_logs_in_and_refreshes_with_either_algorithm_and_audience() -> Result<()> {
    for signer in [Signer::rsa()?, Signer::p256()?] {
        let scene = Scene::start(signer).await?;
        let (authorization, code) = scene.code().await?;
        let assertion = scene.assertion()?;
        let (status, tokens) = scene.client.redeem_with(&authorization, &code, &signed(&assertion)).await?;
        ensure!(status.is_success(), "{status} {tokens}");
        let refresh_token = tokens["refresh_token"].as_str().context("no refresh token")?;
        let assertion = scene.signer.assertion(&scene.client.id, &format!("{}/oauth/token", scene.issuer()))?;
        let mut form =
            vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", &scene.client.id)];
        form.extend(signed(&assertion));
        let (status, tokens) = scene.client.token(&form).await?;
        ensure!(status.is_success(), "{status} {tokens}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_signs_is_never_believed_without_a_signature() -> Result<()> {
    let scene = Scene::start(Signer::p256()?).await?;
    let (authorization, code) = scene.code().await?;
    let (id, issuer) = (scene.client.id.as_str(), scene.issuer());
    let proper = claims(id, issuer)?;
    let with = |name: &str, value: Value| {
        let mut claims = proper.clone();
        claims[name] = value;
        scene.signer.sign(&claims)
    };
    let plain = scene.client.redeem_with(&authorization, &code, &[("client_id", id)]).await?;
    assert_eq!(error(&plain), (401, "invalid_client"), "no assertion: {}", plain.1);
    let secret = [("client_id", id), ("client_secret", "guess")];
    assert_eq!(error(&scene.client.redeem_with(&authorization, &code, &secret).await?), (401, "invalid_client"));
    let attacks = [
        ("alg none", format!("{}.", unsigned("none", &proper))),
        ("alg none with a signature", format!("{}.AAAA", unsigned("none", &proper))),
        ("HS256 with the public key", format!("{}.AAAA", unsigned("HS256", &proper))),
        ("another key", Signer::p256()?.sign(&proper)?),
        ("aud as an array", with("aud", json!([issuer]))?),
        ("aud of somebody else", with("aud", json!("https://other.example"))?),
        ("iss of somebody else", with("iss", json!("https://other.example/c"))?),
        ("sub of somebody else", with("sub", json!("https://other.example/c"))?),
        ("long life", with("exp", json!(proper["exp"].as_u64().unwrap_or_default() + 3600))?),
        ("expired", with("exp", json!(1_700_000_000))?),
        ("no jti", with("jti", Value::Null)?),
        ("not yet", with("nbf", proper["exp"].clone())?),
    ];
    for (attack, assertion) in &attacks {
        let mut form = vec![("client_id", id)];
        form.extend(signed(assertion));
        let answer = scene.client.redeem_with(&authorization, &code, &form).await?;
        assert_eq!(error(&answer), (401, "invalid_client"), "{attack}: {}", answer.1);
    }
    // The code has survived all of it.
    let assertion = scene.signer.sign(&proper)?;
    let (status, tokens) = scene.client.redeem_with(&authorization, &code, &signed(&assertion)).await?;
    ensure!(status.is_success(), "{status} {tokens}");
    // And the assertion has not: it is refused with whatever it comes, also after a restart.
    let refresh_token = tokens["refresh_token"].as_str().context("no refresh token")?.to_owned();
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    form.extend(signed(&assertion));
    assert_eq!(error(&scene.client.token(&form).await?), (401, "invalid_client"), "replayed");
    let Scene { mut stack, client, server, .. } = scene;
    stack.broker.terminate().await?;
    stack.restart().await?;
    assert_eq!(error(&client.token(&form).await?), (401, "invalid_client"), "replayed after a restart");
    drop(server);
    Ok(())
}

#[tokio::test]
async fn while_the_keys_are_away_it_is_503_and_nothing_is_lost() -> Result<()> {
    let scene = Scene::start(Signer::rsa()?).await?;
    scene.server.put("/jwks.json", Answer::Raw(502, "text/plain", "down".to_owned()));
    let (authorization, code) = scene.code().await?;
    let assertion = scene.assertion()?;
    let answer = scene.client.redeem_with(&authorization, &code, &signed(&assertion)).await?;
    assert_eq!(error(&answer), (503, "temporarily_unavailable"), "{}", answer.1);
    scene.server.put("/jwks.json", Answer::Json(scene.signer.jwks()));
    // The address is left alone for a moment; then the same code and the same assertion serve.
    let redeemed = async {
        loop {
            let (status, answer) = scene.client.redeem_with(&authorization, &code, &signed(&assertion)).await?;
            if status != StatusCode::SERVICE_UNAVAILABLE {
                ensure!(status.is_success(), "{status} {answer}");
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), redeemed).await.context("still 503")?
}

#[tokio::test]
async fn a_public_client_shows_no_assertion() -> Result<()> {
    // What cannot be verified is not overlooked.
    let server = DocumentServer::start().await?;
    let stack = stack(&server, Settings::default()).await?;
    let id = server.client("/client.json", REDIRECT_URI, |_| {});
    let client = OAuthClient::known(&stack.broker.url, &id, REDIRECT_URI)?;
    let tokens = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    let assertion = Signer::p256()?.assertion(&id, &stack.broker.url)?;
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", tokens.refresh_token.as_str())];
    form.extend(signed(&assertion));
    assert_eq!(error(&client.token(&form).await?), (401, "invalid_client"));
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}
