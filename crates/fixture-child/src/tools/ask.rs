//! `ask`: a request from the server to its client, in the middle of a call.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Call, Parameter, Running, Tool};
use crate::go;
use crate::members::Members;
use crate::output::Answer;
use crate::server::Fixture;

pub(crate) const TOOLS: &[Tool] = &[Tool {
    name: "ask",
    about: "Ask the client (sampling, elicitation, roots, ping or any method) and return its answer",
    parameters: &[
        Parameter("kind", "string", true),
        Parameter("params", "object", false),
        Parameter("timeout_ms", "number", false),
    ],
    run: ask,
}];

/// Waits at most `timeout_ms` (30 000). The answer's result, or its error, comes back as text.
fn ask<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let kind = call.text("kind").unwrap_or_default();
        let (method, usual) = request_of(&kind);
        let params = call.raw("params").map_or(usual, RawValue::get);
        let wait = Duration::from_millis(call.count("timeout_ms").unwrap_or(30_000));
        let (id, answer) = fixture.asks.open();
        fixture
            .output
            .line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#, go::string(method)));
        if let Ok(Ok(message)) = tokio::time::timeout(wait, answer).await {
            return report(&message);
        }
        fixture.asks.forget(id);
        fixture.tool_failure(&format!("ask err: no answer to {method} in {} ms", wait.as_millis()))
    })
}

fn request_of(kind: &str) -> (&str, &'static str) {
    match kind {
        "sampling" => (
            "sampling/createMessage",
            r#"{"messages":[{"role":"user","content":{"type":"text","text":"Say yes"}}],"maxTokens":10}"#,
        ),
        "elicitation" => (
            "elicitation/create",
            r#"{"message":"Go on?","requestedSchema":{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"]}}"#,
        ),
        "roots" => ("roots/list", "{}"),
        other => (other, "{}"),
    }
}

fn report(message: &str) -> Answer {
    let members: Members = serde_json::from_str(message).unwrap_or_default();
    match (members.field("result"), members.field("error")) {
        (_, Some(error)) if error.get() != "null" => Answer::structured(&format!("{{\"error\":{}}}", error.get())),
        (Some(result), _) => Answer::structured(&format!("{{\"result\":{}}}", result.get())),
        _ => Answer::internal("ask err: the answer has neither result nor error"),
    }
}
