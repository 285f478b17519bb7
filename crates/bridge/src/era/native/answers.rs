//! A worker's answers in the terms of the client.

use bytes::Bytes;
use serde_json::json;

use super::Native;
use crate::call::Call;
use crate::envelope::{Kind, Message};
use crate::era::modern::request::Method;
use crate::errand::{Errand, Modern};
use crate::refusal::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, Refusal, UNAVAILABLE};

/// Codes that 2026-07-28 reserves and forbids: resource not found, and URL elicitation required.
const OLD_NOT_FOUND: i64 = -32002;
const OLD_ELICITATION: i64 = -32042;
/// Header mismatch, missing capability, unsupported version: what the HTTP transport answers with 400.
const ENVELOPE_ERRORS: std::ops::RangeInclusive<i64> = -32022..=-32020;

/// `None` if the call has got its answer.
pub(super) fn converted(native: &Native, call: Box<Call>, answer: &Message) -> Option<(Box<Call>, Bytes)> {
    let Some(Errand::Modern(errand)) = &call.errand else {
        return for_legacy(call, answer);
    };
    let id = call.id.as_bytes();
    if answer.kind() == (Kind::Response { error: true }) {
        let (status, line) = error(answer, id);
        if status == 200 {
            return Some((call, line));
        }
        let (exchange, _) = call.close();
        exchange.answer_with_status(status, line);
        return None;
    }
    if asks_for_input(answer) {
        let line = sealed(native, errand, answer, id);
        return match line {
            Ok(line) => Some((call, line)),
            Err(refusal) => {
                call.refuse(&refusal);
                None
            }
        };
    }
    if errand.first_page {
        native.listens.saw(errand.method, answer);
    }
    if errand.method == Method::ToolsList
        && let Some(list) = answer.result()
    {
        native.saw_tools(&list, errand.first_page);
    }
    let line =
        if errand.method.is_cacheable() && !errand.retry { with_hints(answer, id) } else { answer.with_id(id, None) };
    Some((call, line))
}

/// A legacy client without a session can be asked nothing, and its worker has been told so.
fn for_legacy(call: Box<Call>, answer: &Message) -> Option<(Box<Call>, Bytes)> {
    if asks_for_input(answer) {
        let text = "the tool wants to ask for something, which needs a session; send initialize and then the Mcp-Session-Id that it answers";
        call.refuse(&Refusal::in_band(UNAVAILABLE, "needs_session", text));
        return None;
    }
    let line = answer.with_id(call.id.as_bytes(), None);
    Some((call, line))
}

fn asks_for_input(answer: &Message) -> bool {
    answer.kind() == (Kind::Response { error: false })
        && answer.payload_member("resultType").is_some_and(|kind| *kind == b"\"input_required\""[..])
}

/// The HTTP status, for an answer that is no stream, and the error.
fn error(answer: &Message, id: &[u8]) -> (u16, Bytes) {
    let code = answer.in_payload(&["code"]);
    let number: Option<i64> = code.as_ref().and_then(|(_, raw)| serde_json::from_slice(raw).ok());
    let status = match number {
        Some(code) if code == i64::from(METHOD_NOT_FOUND) => 404,
        Some(code) if ENVELOPE_ERRORS.contains(&code) => 400,
        _ => 200,
    };
    let replacement = match number {
        Some(OLD_NOT_FOUND) => Some(INVALID_PARAMS),
        Some(OLD_ELICITATION) => Some(INTERNAL_ERROR),
        _ => None,
    };
    let line = match (code, replacement) {
        (Some((range, _)), Some(code)) => answer.edit().id(id, None).replace(range, code.to_string().as_bytes()).made(),
        _ => answer.with_id(id, None),
    };
    (status, line)
}

/// With the worker's `requestState` sealed.
fn sealed(native: &Native, errand: &Modern, answer: &Message, id: &[u8]) -> Result<Bytes, Refusal> {
    if !errand.method.may_ask() {
        let text = "the worker asked for input where it must not";
        return Err(Refusal::in_band(INTERNAL_ERROR, "input_required", text));
    }
    let Some((range, state)) = answer.in_payload(&["requestState"]) else {
        return Ok(answer.with_id(id, None));
    };
    let no_random = || Refusal::in_band(INTERNAL_ERROR, "no_random", "the system gives no random numbers");
    let sealed = native.shop.vault.seal(&errand.binding.get(), &state).ok_or_else(no_random)?;
    Ok(answer.edit().id(id, None).replace(range, json!(sealed).to_string().as_bytes()).made())
}

/// With the hints that every cacheable result has to have (D02). `public` becomes `private`: what a user sees is his own.
fn with_hints(answer: &Message, id: &[u8]) -> Bytes {
    let mut set: Vec<(&'static str, &[u8])> = Vec::new();
    if answer.payload_member("cacheScope").is_none_or(|scope| *scope != b"\"private\""[..]) {
        set.push(("cacheScope", b"\"private\""));
    }
    if answer.payload_member("ttlMs").is_none() {
        set.push(("ttlMs", b"0"));
    }
    answer.edit().id(id, None).result(&set).made()
}

/// What a client brings back, opened. The error is for a state that is not good.
pub(super) fn opened(native: &Native, errand: &Modern, message: Message) -> Result<Message, Refusal> {
    let Some((range, raw)) = message.param("requestState").filter(|(_, raw)| **raw != b"null"[..]) else {
        return Ok(message);
    };
    let not_good = || {
        let text = "\"requestState\" is none that this request was answered with, too old, or has been used; make the call again without it";
        Refusal::in_band(INVALID_PARAMS, "bad_request_state", text)
    };
    let sealed: String = serde_json::from_slice(&raw).map_err(|_| not_good())?;
    let state = native.shop.vault.open(&errand.binding.get(), &sealed).map_err(|_| not_good())?;
    Message::of_client(&message.edit().replace(range, &state).made()).ok_or_else(not_good)
}
