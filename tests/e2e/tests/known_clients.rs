//! The clients in use and what they really do (clients.md §2): each one's addresses, registration, scopes, resource, and the odd ways in
//! which it talks to the token endpoint, through one broker.

mod table;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::broker::{Settings, http_client};
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::document_server::DocumentServer;
use e2e::mcp::Mcp;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use url::Url;

use self::table::{Authenticates, CLIENTS, KnownClient, Registers, Registration};

/// Long enough, and the same every time: who tests the tester needs no secret.
const VERIFIER: &str = "a-verifier-of-the-known-clients-table-0123456789";

struct Scene {
    stack: Stack,
    documents: DocumentServer,
    http: Client,
}

/// A client as it stands in the table, with the id that it goes by here.
struct Registered<'a> {
    known: &'a KnownClient,
    id: String,
}

#[tokio::test]
async fn every_known_client_connects_and_stays_connected() -> Result<()> {
    let documents = DocumentServer::start().await?;
    let settings = Settings::default()
        .with("EXTRA_CA_FILE", documents.ca_file().display().to_string())
        .with("REDIRECT_URI_ALLOW_LIST", "cursor://anysphere.cursor-mcp/oauth/callback");
    let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), settings).await?;
    let scene = Scene { stack, documents, http: http_client()? };
    let mut failures = Vec::new();
    for known in CLIENTS {
        if let Err(error) = scene.connect(known).await {
            failures.push(format!("{}: {error:#}", known.name));
        }
    }
    ensure!(failures.is_empty(), "{} of {} fail:\n{}", failures.len(), CLIENTS.len(), failures.join("\n"));
    Ok(())
}

// === impl Scene ===

impl Scene {
    async fn connect(&self, known: &KnownClient) -> Result<()> {
        self.probe(known).await.context("discovery")?;
        let client = self.register(known).await.context("registration")?;
        for redirect_uri in known.redirect_uris {
            let tokens = self.log_in(&client, redirect_uri).await.with_context(|| (*redirect_uri).to_owned())?;
            let text =
                |name: &str| tokens[name].as_str().map(str::to_owned).with_context(|| format!("no {name}: {tokens}"));
            ensure!(tokens["scope"] == "read write", "scope: {tokens}");
            let mut mcp = Mcp::new(&self.stack.broker.url, &text("access_token")?)?;
            mcp.initialize("2025-11-25").await?;
            ensure!(!mcp.tools().await?.is_empty(), "no tools");
            let renewed = self.refresh(&client, &text("refresh_token")?).await.context("refresh")?;
            ensure!(renewed["scope"] == "read write", "scopes are kept on refresh: {renewed}");
        }
        Ok(())
    }

    /// What a client asks for before it knows anything, in the order of clients.md §2.1.
    async fn probe(&self, known: &KnownClient) -> Result<()> {
        let url = |path: &str| format!("{}{path}", self.stack.broker.url);
        let stranger = self.http.post(url("/mcp")).header("user-agent", known.name).json(&json!({})).send().await?;
        ensure!(stranger.status() == StatusCode::UNAUTHORIZED, "{}", stranger.status());
        let challenge = stranger.headers()["www-authenticate"].to_str()?.to_owned();
        let named = format!("resource_metadata=\"{}\"", url("/.well-known/oauth-protected-resource/mcp"));
        ensure!(challenge.contains(&named) && challenge.contains("scope="), "{challenge}");
        for path in known.probes {
            let response = self.http.get(url(path)).send().await?;
            ensure!(response.status() == StatusCode::OK, "{path}: {}", response.status());
            let document: Value = response.json().await?;
            if path.contains("protected-resource") {
                ensure!(document["resource"] == url("/mcp"), "the typed address: {document}");
                ensure!(document["scopes_supported"] == json!(["read", "write"]), "{document}");
            } else {
                ensure!(document["code_challenge_methods_supported"] == json!(["S256"]), "{document}");
                let methods = document["token_endpoint_auth_methods_supported"].as_array().context("methods")?;
                ensure!(methods.contains(&json!("none")) && document["client_id_metadata_document_supported"] == true);
            }
        }
        Ok(())
    }

    async fn register<'a>(&self, known: &'a KnownClient) -> Result<Registered<'a>> {
        let id = match &known.registers {
            Registers::Document { .. } => {
                let path = format!("/{}.json", known.name.replace(' ', "-"));
                self.documents.client(&path, "", |document| {
                    document["client_name"] = json!(known.name);
                    document["redirect_uris"] = json!(known.registered());
                    document["token_endpoint_auth_method"] = json!("none");
                })
            }
            Registers::Dynamically(Registration { grant_types, method, more, times, .. }) => {
                let mut body: Value = serde_json::from_str(more)?;
                body["client_name"] = json!(known.name);
                body["redirect_uris"] = json!(known.registered());
                body["response_types"] = json!(["code"]);
                if !grant_types.is_empty() {
                    body["grant_types"] = json!(grant_types);
                }
                if let Some(method) = method {
                    body["token_endpoint_auth_method"] = json!(method);
                }
                let mut ids = Vec::new();
                for _ in 0..*times {
                    let request = self.http.post(format!("{}{}", self.stack.broker.url, known.endpoint("register")));
                    let response = request.json(&body).send().await?;
                    let (status, answer): (_, Value) = (response.status(), response.json().await?);
                    ensure!(status == StatusCode::CREATED, "{status} {answer}");
                    // mcp-remote stores what the server returns and compares it with what it will use.
                    ensure!(answer["redirect_uris"] == body["redirect_uris"], "an address was dropped: {answer}");
                    ensure!(answer["client_secret"].is_null() && answer["token_endpoint_auth_method"] == "none");
                    ids.push(answer["client_id"].as_str().context("no client_id")?.to_owned());
                }
                ids.dedup();
                ensure!(ids.len() == 1, "several ids for the same client: {ids:?}");
                ids.swap_remove(0)
            }
        };
        Ok(Registered { known, id })
    }

    async fn log_in(&self, client: &Registered<'_>, redirect_uri: &str) -> Result<Value> {
        let known = client.known;
        let issuer = &self.stack.broker.url;
        let mut url = Url::parse(&format!("{issuer}{}", known.endpoint("authorize")))?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", "the-clients-own-state");
        if let Some(scope) = known.scope {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        if let Some(resource) = known.resource {
            url.query_pairs_mut().append_pair("resource", &resource.replace("ISSUER", issuer));
        }
        let back = Browser::new()?.log_in(&url, &Person::named("alice"), redirect_uri).await?;
        let get = |name: &str| back.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        ensure!(get("state").as_deref() == Some("the-clients-own-state"), "{back}");
        // Codex fails if the issuer that is advertised does not come back.
        ensure!(get("iss").as_ref() == Some(issuer), "{back}");
        let code = get("code").with_context(|| format!("no code in {back}"))?;
        let mut form = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", redirect_uri.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        if let Some(resource) = known.resource {
            form.push(("resource", resource.replace("ISSUER", issuer)));
        }
        self.token(client, form).await
    }

    async fn refresh(&self, client: &Registered<'_>, refresh_token: &str) -> Result<Value> {
        let mut form = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", refresh_token.to_owned())];
        if let Some(scope) = client.known.refresh_scope {
            form.push(("scope", scope.to_owned()));
        }
        self.token(client, form).await
    }

    async fn token(&self, client: &Registered<'_>, mut form: Vec<(&str, String)>) -> Result<Value> {
        let address = format!("{}{}", self.stack.broker.url, client.known.endpoint("token"));
        let request: RequestBuilder = self.http.post(address);
        let request = match client.known.authenticates {
            Authenticates::Body => {
                form.push(("client_id", client.id.clone()));
                request
            }
            Authenticates::BasicWithEmptySecret => request.basic_auth(&client.id, Some("")),
            Authenticates::Both => {
                form.push(("client_id", client.id.clone()));
                request.basic_auth(&client.id, Some(""))
            }
        };
        let response = request.form(&form).send().await?;
        let (status, answer): (_, Value) = (response.status(), response.json().await?);
        ensure!(status == StatusCode::OK, "{status} {answer}");
        Ok(answer)
    }
}
