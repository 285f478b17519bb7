//! An OAuth client as an MCP client has one, written against the RFCs and not against the broker's code.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use url::Url;

use crate::broker::http_client;
use crate::browser::{Browser, Person};
use crate::issued;

/// A registered public client.
#[derive(Clone)]
pub struct OAuthClient {
    http: Client,
    /// The broker's public URL.
    pub issuer: String,
    /// Its `client_id`.
    pub id: String,
    /// Where answers go. Nobody needs to listen there: the browser stops before.
    pub redirect_uri: String,
}

/// An authorization under way.
pub struct Authorization {
    /// What the browser opens.
    pub url: Url,
    /// PKCE verifier.
    pub verifier: String,
    /// `state`, to be echoed.
    pub state: String,
}

/// What the token endpoint issued.
#[derive(Debug, Clone, serde::Deserialize, PartialEq, Eq)]
pub struct Tokens {
    /// Access token.
    pub access_token: String,
    /// Refresh token.
    pub refresh_token: String,
    /// Seconds.
    pub expires_in: u64,
    /// Granted scope.
    pub scope: String,
}

// === impl OAuthClient ===

impl OAuthClient {
    /// Registers with the broker at `issuer`.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn register(issuer: &str, name: &str) -> Result<Self> {
        Self::register_with(issuer, name, "http://127.0.0.1:49152/callback").await
    }

    /// Registers with a redirect URI of choice.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn register_with(issuer: &str, name: &str, redirect_uri: &str) -> Result<Self> {
        let http = http_client()?;
        let body = json!({
            "client_name": name, "redirect_uris": [redirect_uri], "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "token_endpoint_auth_method": "none",
        });
        let response = http.post(format!("{issuer}/oauth/register")).json(&body).send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        ensure!(status == StatusCode::CREATED, "registration: {status} {answer}");
        let id = answer["client_id"].as_str().context("no client_id")?.to_owned();
        Ok(Self { http, issuer: issuer.to_owned(), id, redirect_uri: redirect_uri.to_owned() })
    }

    /// A client that is known without registration: configured, or by its document.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn known(issuer: &str, id: &str, redirect_uri: &str) -> Result<Self> {
        let (issuer, id, redirect_uri) = (issuer.to_owned(), id.to_owned(), redirect_uri.to_owned());
        Ok(Self { http: http_client()?, issuer, id, redirect_uri })
    }

    /// Begins an authorization.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn authorize(&self, scope: Option<&str>) -> Result<Authorization> {
        let (verifier, state) = (random()?, random()?);
        issued::note("a client's verifier", &verifier);
        issued::note("a client's state", &state);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut url = Url::parse(&format!("{}/oauth/authorize", self.issuer))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", &state)
            .append_pair("resource", &format!("{}/mcp", self.issuer));
        if let Some(scope) = scope {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        Ok(Authorization { url, verifier, state })
    }

    /// The whole login of `person` in `browser`, to tokens.
    ///
    /// # Errors
    /// When any step fails.
    pub async fn log_in(&self, browser: &Browser, person: &Person) -> Result<Tokens> {
        let authorization = self.authorize(None)?;
        let back = browser.log_in(&authorization.url, person, &self.redirect_uri).await?;
        let code = self.code(&authorization, &back)?;
        self.redeem(&authorization, &code).await
    }

    /// The code in an authorization response, after checking state and issuer (RFC 9207).
    ///
    /// # Errors
    /// When the response is an error, or not the answer to this authorization.
    pub fn code(&self, authorization: &Authorization, back: &Url) -> Result<String> {
        let get = |name: &str| back.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
        ensure!(get("error").is_none(), "authorization failed: {back}");
        ensure!(get("state").as_deref() == Some(&authorization.state), "wrong state in {back}");
        ensure!(get("iss").as_deref() == Some(&self.issuer), "wrong iss in {back}");
        let code = get("code").with_context(|| format!("no code in {back}"))?;
        issued::note("an authorization code of ours", &code);
        Ok(code)
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn redeem(&self, authorization: &Authorization, code: &str) -> Result<Tokens> {
        let (status, body) = self.redeem_raw(authorization, code).await?;
        ensure!(status.is_success(), "token endpoint: {status} {body}");
        Ok(serde_json::from_value(body)?)
    }

    /// Redeems a code and shows what came.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn redeem_raw(&self, authorization: &Authorization, code: &str) -> Result<(StatusCode, Value)> {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &authorization.verifier),
            ("client_id", &self.id),
        ])
        .await
    }

    /// Redeems a code with more parameters, such as what authenticates the client, and shows what came.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn redeem_with(
        &self,
        authorization: &Authorization,
        code: &str,
        more: &[(&str, &str)],
    ) -> Result<(StatusCode, Value)> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", authorization.verifier.as_str()),
        ];
        form.extend_from_slice(more);
        self.token(&form).await
    }

    /// Refreshes.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens> {
        let (status, body) = self.refresh_raw(refresh_token).await?;
        ensure!(status.is_success(), "token endpoint: {status} {body}");
        Ok(serde_json::from_value(body)?)
    }

    /// Refreshes and shows what came.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn refresh_raw(&self, refresh_token: &str) -> Result<(StatusCode, Value)> {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token), ("client_id", &self.id)]).await
    }

    /// Posts a form to the token endpoint.
    ///
    /// # Errors
    /// When nothing came.
    pub async fn token(&self, form: &[(&str, &str)]) -> Result<(StatusCode, Value)> {
        let response = self.http.post(format!("{}/oauth/token", self.issuer)).form(form).send().await?;
        let (status, body) = (response.status(), response.json::<Value>().await?);
        for name in ["access_token", "refresh_token"] {
            if let Some(token) = body[name].as_str() {
                issued::note(&format!("an {name} of ours"), token);
            }
        }
        Ok((status, body))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When the broker refuses.
    pub async fn revoke(&self, token: &str) -> Result<()> {
        let form = [("token", token), ("client_id", self.id.as_str())];
        let response = self.http.post(format!("{}/oauth/revoke", self.issuer)).form(&form).send().await?;
        ensure!(response.status().is_success(), "revocation: {}", response.status());
        Ok(())
    }
}

fn random() -> Result<String> {
    let mut bytes = [0u8; 32];
    SystemRandom::new().fill(&mut bytes).ok().context("no random bytes")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
