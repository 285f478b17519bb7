//! `raw_request`: any HTTP request with the worker's token, to try doors through a worker.

use std::time::Duration;

use serde_json::json;

use super::{Call, Parameter, Running, Tool};
use crate::go;
use crate::output::Answer;
use crate::raw_http::RawRequest;
use crate::server::Fixture;

pub(crate) const TOOLS: &[Tool] = &[Tool {
    name: "raw_request",
    about: "Send one HTTP/1.1 request exactly as given and report the answer",
    parameters: &[
        Parameter("method", "string", false),
        Parameter("path", "string", true),
        Parameter("headers", "object", false),
        Parameter("body", "string", false),
        Parameter("connect", "string", false),
        Parameter("token", "boolean", false),
        Parameter("timeout_ms", "number", false),
    ],
    run: raw_request,
}];

/// `path` is the request target, sent as it stands behind the configured path prefix; an absolute-form or authority
/// target goes out alone. `headers` is an object or a list of pairs (for repeated names). `connect` (host:port) sends
/// it elsewhere; `timeout_ms` is 60 000 if not given. The token goes along unless `token` is false or an Authorization header is given.
fn raw_request<'a>(fixture: &'a Fixture, call: &'a Call) -> Running<'a> {
    Box::pin(async {
        let path = call.text("path").unwrap_or_default();
        let (host, port) = fixture.api.authority();
        let own = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut headers = match headers(call) {
            Ok(headers) => headers,
            Err(message) => return Answer::invalid_params(message),
        };
        let has =
            |headers: &[(String, String)], name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        let send_token = call.raw("token").is_none_or(|raw| raw.get() != "false");
        if send_token && !fixture.api.token().is_empty() && !has(&headers, "authorization") {
            headers.push(("Authorization".into(), format!("token {}", fixture.api.token())));
        }
        if !has(&headers, "user-agent") {
            headers.push(("User-Agent".into(), fixture.api.agent().to_owned()));
        }
        let request = RawRequest {
            address: call.text("connect").unwrap_or(own),
            method: call.text("method").unwrap_or_else(|| "GET".into()),
            target: if path.starts_with('/') { format!("{}{path}", fixture.api.prefix()) } else { path },
            headers,
            body: call.text("body").unwrap_or_default().into_bytes(),
        };
        let wait = Duration::from_millis(call.count("timeout_ms").unwrap_or(60_000));
        let sent = tokio::time::timeout(wait, request.send()).await;
        match sent.unwrap_or_else(|_| Err(format!("no answer in {} ms", wait.as_millis()))) {
            Ok(answer) => {
                let report = json!({
                    "status": answer.status,
                    "headers": answer.headers,
                    "body": String::from_utf8_lossy(&answer.body),
                });
                Answer::structured(&go::escape_html(&report.to_string()))
            }
            Err(message) => fixture.tool_failure(&format!("raw_request err: {message}")),
        }
    })
}

fn headers(call: &Call) -> Result<Vec<(String, String)>, String> {
    let Some(raw) = call.raw("headers") else {
        return Ok(Vec::new());
    };
    let text = raw.get();
    if let Ok(pairs) = serde_json::from_str::<Vec<(String, String)>>(text) {
        return Ok(pairs);
    }
    serde_json::from_str::<std::collections::BTreeMap<String, String>>(text)
        .map(|map| map.into_iter().collect())
        .map_err(|_| "headers must be an object of strings or a list of [name, value]".into())
}
