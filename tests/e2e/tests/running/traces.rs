//! Traces: taken from headers and `_meta`, sent to a collector, passed on to workers.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use e2e::broker::{Settings, http_client};
use e2e::children::fixture;
use e2e::mcp::request;
use e2e::stack::{Stack, until_ok};
use e2e::through_worker::WorkerRequest;
use forgejo_sim::SimConfig;
use parking_lot::Mutex;
use serde_json::json;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER: &str = "11111111111111112222222222222222";

/// What a collector has got, as it came.
type Got = Arc<Mutex<Vec<u8>>>;

/// A collector for OTLP over HTTP that keeps the bytes.
async fn collector() -> Result<(String, Got)> {
    let got: Got = Arc::default();
    let take = async |State(got): State<Got>, body: Bytes| got.lock().extend_from_slice(&body);
    let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&got));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, got))
}

fn holds(got: &Got, text: &[u8]) -> bool {
    got.lock().windows(text.len()).any(|window| window == text)
}

fn bytes(hexadecimal: &str) -> Result<Vec<u8>> {
    hex::decode(hexadecimal).context("no hexadecimal digits")
}

async fn traced() -> Result<(Stack, Got)> {
    let (address, got) = collector().await?;
    let settings = Settings::default().with("TRACES_ENDPOINT", address);
    Ok((Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?, got))
}

#[tokio::test]
async fn a_request_belongs_to_the_trace_of_its_header_and_a_call_to_that_of_its_meta() -> Result<()> {
    let (stack, got) = traced().await?;
    let (mcp, _, tokens) = stack.session("alice").await?;
    http_client()?
        .get(format!("{}/mcp", stack.broker.url))
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))
        .header("baggage", "secret-of-the-client=1")
        .send()
        .await?;
    let meta = json!({"_meta": {"traceparent": format!("00-{OTHER}-b7ad6b7169203331-01")}});
    mcp.post(&request(&json!(1), "tools/list", &meta)).await?;
    let (trace, other) = (bytes(TRACE)?, bytes(OTHER)?);
    until_ok("both traces are at the collector", || async {
        ensure!(holds(&got, &trace) && holds(&got, &other));
        Ok(())
    })
    .await?;
    ensure!(holds(&got, b"tools/list") && holds(&got, b"/mcp") && holds(&got, b"fjmcp-broker"));
    for secret in ["secret-of-the-client", "baggage", &tokens.access_token, &tokens.refresh_token] {
        ensure!(!holds(&got, secret.as_bytes()), "the collector got {secret}");
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_gets_the_trace_in_meta_and_the_call_stays_what_it_was() -> Result<()> {
    let (stack, got) = traced().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let echo = json!({"name": "echo", "arguments": {"text": "hello"}, "_meta": {"traceparent": parent, "kept": 1}});
    let answer = mcp.post(&request(&json!("x"), "tools/call", &echo)).await?;
    ensure!(answer.body.contains("\"id\":\"x\""), "{}", answer.body);
    let whoami = fixture("2.18.0")?.words.whoami("alice");
    ensure!(mcp.call_text(whoami.tool, &whoami.arguments).await?.contains("alice"));
    let trace = bytes(TRACE)?;
    until_ok("the trace is at the collector", || async {
        ensure!(holds(&got, &trace));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_workers_request_to_forgejo_is_a_span_of_the_trace_that_it_names() -> Result<()> {
    let (address, got) = collector().await?;
    let settings = Settings::default().with("TRACES_ENDPOINT", address);
    let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), settings).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let named = format!("00-{TRACE}-b7ad6b7169203331-01");
    let request = WorkerRequest::get("/api/v1/repos/alice/hello").header("traceparent", &named);
    ensure!(request.send(&mcp).await?.status == 200);
    let logged = stack.sim.requests();
    let at_forgejo = logged.iter().rev().find(|request| request.path == "/api/v1/repos/alice/hello");
    let told = at_forgejo.and_then(|request| request.headers.iter().find(|(name, _)| name == "traceparent"));
    let told = told.map(|(_, value)| value.as_str()).context("Forgejo was told no trace")?;
    let parts: Vec<&str> = told.split('-').collect();
    ensure!(parts.len() == 4 && parts[1] == TRACE && parts[2] != "b7ad6b7169203331", "{told}");
    let (trace, span, parent) = (bytes(TRACE)?, bytes(parts[2])?, bytes("b7ad6b7169203331")?);
    until_ok("the span is at the collector", || async {
        ensure!(holds(&got, &trace) && holds(&got, &span) && holds(&got, &parent) && holds(&got, b"gateway"));
        Ok(())
    })
    .await?;
    ensure!(!holds(&got, b"alice/hello"), "the collector got a path");
    Ok(())
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_traced_and_without_a_collector_nothing_suffers() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    ensure!(!stack.broker.log().contains("traces"), "{}", stack.broker.log());
    let settings = Settings::default().with("TRACES_ENDPOINT", "http://127.0.0.1:9");
    let mut stack = Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let whoami = fixture("2.18.0")?.words.whoami("alice");
    ensure!(mcp.call_text(whoami.tool, &whoami.arguments).await?.contains("alice"));
    let status = stack.broker.terminate().await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
