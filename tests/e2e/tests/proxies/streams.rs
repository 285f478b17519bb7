//! Events pass the proxy one by one, over HTTP/1.1 and HTTP/2, and a stream stays open.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::events::Events;
use e2e::mcp::request;
use reqwest::{Certificate, Client, Response, Version, header};
use serde_json::json;

use super::process::Kind;
use super::{House, house};

/// How many keep-alive comments a stream has to carry: two prove it. 40 take ten minutes.
const KEEP_ALIVES: &str = "E2E_KEEP_ALIVES";

/// How long to wait for bytes before a test fails; a keep-alive comes every 15 s.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn caddy_passes_on_a_question_while_its_call_is_open() -> Result<()> {
    a_question_passes(Kind::Caddy).await
}

#[tokio::test]
async fn nginx_passes_on_a_question_while_its_call_is_open() -> Result<()> {
    a_question_passes(Kind::Nginx).await
}

#[tokio::test]
async fn caddy_keeps_a_stream_open() -> Result<()> {
    a_stream_stays_open(Kind::Caddy).await
}

#[tokio::test]
async fn nginx_keeps_a_stream_open() -> Result<()> {
    a_stream_stays_open(Kind::Nginx).await
}

/// The call ends only after the question has been answered: a proxy that collects the answer first would never deliver it.
async fn a_question_passes(kind: Kind) -> Result<()> {
    let Some(house) = house(kind, Settings::default()).await? else { return Ok(()) };
    let (mcp, _, _) = house.stack.session("alice").await?;
    let params = json!({"name": "ask", "arguments": {"kind": "elicitation", "timeout_ms": 600_000}});
    let mut events = Events::of(mcp.open_post(&request(&json!("call"), "tools/call", &params)).await?)?;
    let question = events.message().await.context("the question did not pass")?;
    let reply = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}});
    ensure!(mcp.post(&reply.to_string()).await?.status == 202, "the reply was refused");
    let answer = events.message().await?;
    ensure!(answer["id"] == "call" && answer["result"].is_object(), "{answer}");
    Ok(())
}

async fn a_stream_stays_open(kind: Kind) -> Result<()> {
    let Some(house) = house(kind, Settings::default()).await? else { return Ok(()) };
    let (mcp, _, tokens) = house.stack.session("alice").await?;
    let wanted = std::env::var(KEEP_ALIVES).ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let client = over_tls(&house)?;
    // Compression is what makes a careless proxy collect.
    let stream = client
        .get(format!("https://localhost:{}/mcp", house.ports.tls))
        .bearer_auth(&tokens.access_token)
        .header("mcp-session-id", mcp.session.as_deref().context("no session")?)
        .header("mcp-protocol-version", "2025-11-25")
        .header(header::ACCEPT, "text/event-stream")
        .header(header::ACCEPT_ENCODING, "gzip, zstd")
        .send();
    let stream = tokio::time::timeout(PATIENCE, stream).await.context("not even headers come through the proxy")??;
    ensure!(stream.status().is_success() && stream.version() == Version::HTTP_2, "{stream:?}");
    ensure!(!stream.headers().contains_key(header::CONTENT_ENCODING), "{:?}", stream.headers());
    let stream = with_keep_alives(stream, wanted).await?;
    mcp.call("list_changed", &json!({"kind": "tools"})).await?;
    let told = Events::of(stream)?.message().await?;
    ensure!(told["method"] == "notifications/tools/list_changed", "{told}");
    Ok(())
}

/// The stream, after so many keep-alive comments have come.
async fn with_keep_alives(mut stream: Response, wanted: usize) -> Result<Response> {
    let mut seen = 0;
    while seen < wanted {
        let chunk = tokio::time::timeout(PATIENCE, stream.chunk()).await.context("nothing comes through the proxy")?;
        let chunk = chunk.context("the stream broke")?.context("the stream ended")?;
        seen += String::from_utf8(chunk.to_vec())?.lines().filter(|line| line.starts_with(':')).count();
    }
    Ok(stream)
}

/// A client without any time limit that trusts the proxy's certificate.
fn over_tls(house: &House) -> Result<Client> {
    let certificate = Certificate::from_pem(&house.proxy.certificate()?)?;
    Ok(Client::builder()
        .no_proxy()
        .tls_certs_only([certificate])
        .resolve("localhost", ([127, 0, 0, 1], 0).into())
        .build()?)
}
