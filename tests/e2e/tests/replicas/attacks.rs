//! The listener for other replicas, and who is none.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::mcp::{Mcp, request};
use e2e::oauth_client::Tokens;
use e2e::replicas::Replicas;
use e2e::stack::KEY;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ED25519,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;

use super::house;

/// Somebody who speaks with a replica's internal listener.
struct Caller {
    http: Client,
    url: String,
    replica: String,
}

/// The authority of a key, as docs/adr/0014 describes it.
fn authority(key: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let key = URL_SAFE_NO_PAD.decode(key)?;
    let mut seed = [0; 32];
    let derived = Salt::new(HKDF_SHA256, b"fjmcp-broker key ring").extract(&key);
    let purpose: &[&[u8]] = &[b"replica certificate authority 1"];
    let output = derived.expand(purpose, HKDF_SHA256).map_err(|_| anyhow::anyhow!("no key"))?;
    output.fill(&mut seed).map_err(|_| anyhow::anyhow!("no key"))?;
    let pkcs8 = [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &seed].concat();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()), &PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "fjmcp-broker replicas");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Ok(CertifiedIssuer::self_signed(params, key)?)
}

/// Trusts the replicas, and shows a certificate of the authority of this key, or none.
fn caller(replicas: &Replicas, at: usize, key: Option<&str>) -> Result<Caller> {
    let replica = std::fs::read_to_string(replicas.state(at)?.join("instance.id"))?.trim().to_owned();
    let name = format!("{}.replica.fjmcp.internal", hex::encode(&digest(&SHA256, replica.as_bytes()).as_ref()[..16]));
    let mut roots = RootCertStore::empty();
    roots.add(authority(KEY)?.der().clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match key {
        Some(key) => {
            let leaf = KeyPair::generate()?;
            let authority = authority(key)?;
            let chain = CertificateParams::new(["anybody.example".to_owned()])?.signed_by(&leaf, &authority)?;
            let leaf = PrivateKeyDer::Pkcs8(leaf.serialize_der().into());
            config.with_client_auth_cert(vec![chain.der().clone()], leaf)?
        }
        None => config.with_no_client_auth(),
    };
    let address: SocketAddr = replicas.internal[at].parse()?;
    let http = Client::builder().tls_backend_preconfigured(config).no_proxy().resolve(&name, address).build()?;
    Ok(Caller { http, url: format!("https://{name}:{}/mcp", address.port()), replica })
}

impl Caller {
    /// A call of a session, as another replica passes it on.
    fn call(&self, session: &Mcp, grant: &str, held: &str) -> RequestBuilder {
        self.http
            .post(&self.url)
            .header("fjmcp-to", &self.replica)
            .header("fjmcp-grant", grant)
            .header("fjmcp-held", held)
            .header("mcp-session-id", session.session.as_deref().unwrap_or_default())
            .header("content-type", "application/json")
            .body(request(&json!(1), "tools/call", &json!({"name": "get_my_user_info", "arguments": {}})))
    }
}

/// The grant behind a token, as it stands in the database.
fn grant_of(replicas: &Replicas, tokens: &Tokens) -> Result<String> {
    let hash = hex::encode(digest(&SHA256, tokens.access_token.as_bytes()));
    Ok(replicas.database.run(&format!("SELECT grant_id FROM access_tokens WHERE hash = '\\x{hash}'"))?)
}

fn kind(response: &Response) -> &str {
    response.headers().get("fjmcp-reply").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn nobody_without_the_key_ring_gets_as_far_as_a_request() -> Result<()> {
    let replicas = house(1).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let session = replicas.session(0, &tokens).await?;
    let grant = grant_of(&replicas, &tokens)?;
    let stranger = "Zm9yIGEga2V5IG9mIHNvbWVib2R5IGVsc2Ugb25seSE";
    for key in [None, Some(stranger)] {
        let caller = caller(&replicas, 0, key)?;
        let answer = caller.call(&session, &grant, "session 1").send().await;
        ensure!(answer.is_err(), "{key:?} was answered {:?}", answer.map(|answer| answer.status()));
    }
    let plain = Client::builder().no_proxy().build()?.get(format!("http://{}/mcp", replicas.internal[0])).send().await;
    ensure!(plain.is_err(), "plain HTTP was answered {:?}", plain.map(|answer| answer.status()));
    let replica = caller(&replicas, 0, Some(KEY))?;
    let answer = replica.call(&session, &grant, "session 1").send().await?;
    ensure!(answer.status() == 200 && kind(&answer) == "answer", "{}", answer.status());
    ensure!(answer.text().await?.contains("alice"));
    Ok(())
}

#[tokio::test]
async fn a_replica_is_believed_nothing_but_that_it_is_one() -> Result<()> {
    let replicas = house(1).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let (client, bobs) = replicas.log_in("bob").await?;
    let session = replicas.session(0, &tokens).await?;
    let bobs_session = replicas.session(0, &bobs).await?;
    let (alices_grant, bobs_grant) = (grant_of(&replicas, &tokens)?, grant_of(&replicas, &bobs)?);
    let replica = caller(&replicas, 0, Some(KEY))?;
    let call = |held: &str| replica.call(&session, &alices_grant, held);

    // No credentials of a client travel here, and no header counts that is there twice or says nothing.
    for (name, value) in [
        ("authorization", format!("Bearer {}", tokens.access_token)),
        ("cookie", "a=b".to_owned()),
        ("fjmcp-grant", bobs_grant.clone()),
        ("fjmcp-held", "session 1".to_owned()),
    ] {
        let answer = call("session 1").header(name, value).send().await?;
        ensure!(answer.status() == 400 && kind(&answer).is_empty(), "{name}: {}", answer.status());
    }
    for held in ["", "session", "session x", "everything"] {
        ensure!(call(held).send().await?.status() == 400, "{held}");
    }
    let without = replica.http.post(&replica.url).header("fjmcp-to", &replica.replica).send().await?;
    ensure!(without.status() == 400, "{}", without.status());

    // Another epoch, another addressee: not this one's.
    for answer in [
        call("session 0").send().await?,
        call("session 2").send().await?,
        call("parked").send().await?,
        replica
            .http
            .post(&replica.url)
            .header("fjmcp-to", "x")
            .header("fjmcp-grant", &alices_grant)
            .header("fjmcp-held", "parked")
            .send()
            .await?,
    ] {
        ensure!(
            answer.status() == StatusCode::MISDIRECTED_REQUEST && kind(&answer) == "not-mine",
            "{}",
            answer.status()
        );
    }

    // Somebody else's grant opens no session of alice's; a grant that is none, or has ended, opens nothing.
    let foreign = replica.call(&session, &bobs_grant, "session 1").send().await?;
    ensure!(foreign.status() == 404, "{}", foreign.status());
    let made_up = replica.call(&session, "made-up", "session 1").send().await?;
    ensure!(kind(&made_up) == "log-in-again", "{}", made_up.status());
    client.revoke(&bobs.refresh_token).await?;
    let ended = replica.call(&bobs_session, &bobs_grant, "session 1").send().await?;
    ensure!(kind(&ended) == "log-in-again", "{} {}", ended.status(), ended.text().await?);

    // Limits hold here as well, and there is nothing else.
    let large = call("session 1").body(vec![b' '; 5 << 20]).send().await?;
    ensure!(large.status() == StatusCode::PAYLOAD_TOO_LARGE, "{}", large.status());
    let put = replica
        .http
        .put(&replica.url)
        .header("fjmcp-to", &replica.replica)
        .header("fjmcp-grant", &alices_grant)
        .header("fjmcp-held", "session 1")
        .send()
        .await?;
    ensure!(put.status() == StatusCode::METHOD_NOT_ALLOWED, "{}", put.status());
    let elsewhere = replica.url.replace("/mcp", "/oauth/token");
    ensure!(replica.http.post(elsewhere).send().await?.status() == 404);
    // All that has spoiled nothing.
    ensure!(session.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    Ok(())
}

#[tokio::test]
async fn headers_between_replicas_mean_nothing_on_the_public_listener() -> Result<()> {
    let replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let (_, bobs) = replicas.log_in("bob").await?;
    let session = replicas.session(0, &tokens).await?;
    let (alices_grant, id) = (grant_of(&replicas, &tokens)?, session.session.clone().context("no session")?);
    let http = Client::builder().no_proxy().build()?;
    for (index, broker) in replicas.brokers.iter().enumerate() {
        for (token, status) in [(None, 401), (Some(&bobs.access_token), 404)] {
            let mut request = http
                .post(format!("{}/mcp", broker.url))
                .header("fjmcp-grant", &alices_grant)
                .header("fjmcp-held", "session 1")
                .header("mcp-session-id", &id)
                .header("content-type", "application/json")
                .body(request(&json!(1), "ping", &json!({})));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await?;
            ensure!(answer.status() == status, "replica {index}: {}", answer.status());
        }
    }
    Ok(())
}
