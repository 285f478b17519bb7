//! Whether a firewall on the way lets hosted clients in. "Bot protection" often answers 403 or a puzzle to what is no browser.

use http::{StatusCode, header};
use reqwest::RequestBuilder;

use super::endpoint::INITIALIZE;
use super::finding::Finding;
use super::listener::Listener;
use super::patient::Patient;
use super::web::ask;
use crate::examination;

const CHECK: &str = "hosted-clients";
/// As claude.ai and ChatGPT call themselves.
const USER_AGENTS: [&str; 2] = ["Claude-User", "openai-mcp/1.0.0"];

pub(super) async fn examine(patient: &Patient, listener: &Listener, can_be_judged: bool) -> Finding {
    if !can_be_judged {
        return Finding::skip(CHECK, "the public URL does not answer as it should, whoever asks");
    }
    for agent in USER_AGENTS {
        for (what, request, wanted) in requests(patient, listener) {
            let answer = match ask(request.header(header::USER_AGENT, agent)).await {
                Ok(answer) => answer,
                Err(trouble) => {
                    return refused(agent, what, &format!("the connection was broken off: {}", trouble.reason));
                }
            };
            if answer.status != wanted {
                return refused(agent, what, &format!("{}, where HTTP {} is due", answer.in_words(), wanted.as_u16()));
            }
        }
    }
    Finding::ok(
        CHECK,
        format!("requests of {} get through (asked from here, not from their addresses)", USER_AGENTS.join(" and ")),
    )
}

fn requests(patient: &Patient, listener: &Listener) -> Vec<(&'static str, RequestBuilder, StatusCode)> {
    let (web, public) = (&patient.web, &patient.config.http.public_url);
    if !listener.is_whole() {
        let proof = patient.proof().unwrap_or_default();
        let request = web.get(public.join(examination::PATH)).header(header::AUTHORIZATION, proof);
        return vec![("the broker", request, StatusCode::OK)];
    }
    let json = |request: RequestBuilder| request.header(header::CONTENT_TYPE, "application/json").body(INITIALIZE);
    let form = [("grant_type", "none")];
    vec![
        ("/mcp", json(web.post(public.mcp())), StatusCode::UNAUTHORIZED),
        ("/.well-known/", web.get(public.join("/.well-known/oauth-protected-resource/mcp")), StatusCode::OK),
        ("/oauth/token", web.post(public.join("/oauth/token")).form(&form), StatusCode::BAD_REQUEST),
    ]
}

fn refused(agent: &str, what: &str, how: &str) -> Finding {
    let remedy = "make an exception in the firewall, WAF or bot protection for /mcp, /.well-known/ and /oauth/, whatever the User-Agent, and for \
                  claude.ai's addresses (160.79.104.0/21)";
    Finding::fail(CHECK, format!("{what} does not let `{agent}` in: {how}"), remedy)
}
