//! What a client without a token meets at the public URL: the challenge and the documents that lead it on.

use http::{StatusCode, header};
use serde_json::Value;

use super::finding::Finding;
use super::listener::Listener;
use super::patient::Patient;
use super::web::{Answer, ask};

const CHECK: &str = "mcp-endpoint";
/// A first message, as any client would send it.
pub(super) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"fjmcp-broker doctor","version":"1"}}}"#;

/// What was found, and whether others can build on it.
pub(super) struct Endpoint {
    pub(super) finding: Finding,
    pub(super) is_good: bool,
}

pub(super) async fn examine(patient: &Patient, listener: &Listener, answers: bool) -> Endpoint {
    if !answers {
        return Endpoint { finding: Finding::skip(CHECK, "the public URL does not answer"), is_good: false };
    }
    if !listener.is_whole() {
        let why = "the broker does not run; start it and ask again";
        return Endpoint { finding: Finding::skip(CHECK, why), is_good: true };
    }
    match judge(patient).await {
        Ok(seen) => Endpoint { finding: Finding::ok(CHECK, seen), is_good: true },
        Err(finding) => Endpoint { finding, is_good: false },
    }
}

async fn judge(patient: &Patient) -> Result<String, Finding> {
    let public = &patient.config.http.public_url;
    let request = patient.web.post(public.mcp()).header(header::CONTENT_TYPE, "application/json");
    let request = request.header(header::ACCEPT, "application/json, text/event-stream").body(INITIALIZE);
    let answer = ask(request).await.map_err(|trouble| {
        Finding::fail(
            CHECK,
            format!("no answer from {}: {}", public.mcp(), trouble.reason),
            "let the proxy pass POST /mcp on",
        )
    })?;
    let challenge = answer.header(header::WWW_AUTHENTICATE);
    let metadata = public.join("/.well-known/oauth-protected-resource");
    if answer.status != StatusCode::UNAUTHORIZED || !challenge.contains(&metadata) {
        return Err(wrong_challenge(patient, &answer));
    }
    let url = public.join("/.well-known/oauth-authorization-server");
    let document = ask(patient.web.get(&url)).await.ok().filter(|answer| answer.status == StatusCode::OK);
    let issuer = document.and_then(|answer| answer.json::<Value>()).map(|body| body["issuer"].clone());
    if issuer.as_ref().and_then(Value::as_str) == Some(public.origin()) {
        return Ok(format!("{} asks for a login, and its documents name {public} as issuer", public.mcp()));
    }
    let said = issuer.map_or_else(|| "no document".to_owned(), |issuer| issuer.to_string());
    let remedy = "let the proxy pass /.well-known/ on to the broker (Caddy and nginx may answer some of it themselves), and give the running broker the same public-url";
    Err(Finding::fail(CHECK, format!("{url} should name {public} as issuer; it gives {said}"), remedy))
}

fn wrong_challenge(patient: &Patient, answer: &Answer) -> Finding {
    let public = &patient.config.http.public_url;
    let url = public.mcp();
    let body = answer.json::<Value>();
    let ours = body.as_ref().and_then(|body| body["error"]["message"].as_str());
    if answer.status == StatusCode::FORBIDDEN && ours.is_some_and(|message| message.contains("Host")) {
        let remedy = "let the proxy send Host as the client wrote it (nginx: proxy_set_header Host $http_host), or add the name to allowed-hosts";
        return Finding::fail(
            CHECK,
            format!("{url} is refused because the proxy sends another Host than {}", public.authority()),
            remedy,
        );
    }
    let seen =
        format!("{url} should answer 401 and name {public} in WWW-Authenticate; it answers {}", answer.in_words());
    Finding::fail(CHECK, seen, "let the proxy and any firewall pass /mcp on unchanged, WWW-Authenticate included")
}
