//! A worker's answers as a modern client is to see them: with what every result of 2026-07-28 carries (M02, M05, D02), spliced
//! in, and without the error codes that are not to be used any more.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::terms::Terms;
use crate::envelope::{Kind, Message, Object, RawId, first_member, splice};
use crate::era::modern::SERVER_INFO;
use crate::era::modern::offer::Offer;
use crate::era::modern::request::Method;
use crate::exchange::Exchange;
use crate::refusal::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND};

/// For lists whose changes the worker announces. A client that wants to know sooner listens.
const LIST_TTL_MS: u32 = 60_000;
/// What a worker may offer that a modern client can use. `tasks` is another protocol there (trap 19).
const CAPABILITIES: [&str; 5] = ["completions", "logging", "prompts", "resources", "tools"];

/// What is needed to finish a call besides its own terms.
pub(crate) struct Dressing {
    pub(crate) offer: Option<Arc<Offer>>,
}

/// What the answer to `initialize` says of the program. `None` if it is no such answer.
pub(crate) fn greeting_offer(greeting: &Message) -> Option<Offer> {
    let result = greeting.result()?;
    let result = Object::from_bytes(&result)?;
    let copied = |raw: &str| Bytes::copy_from_slice(raw.as_bytes());
    let object = |raw: &&str| raw.starts_with('{');
    let capabilities = result.get("capabilities").filter(object).unwrap_or("{}");
    let own = Object::read(capabilities)?;
    let cuts = own.without(|name| !CAPABILITIES.contains(&name)).into_iter().map(|cut| (cut, &b""[..])).collect();
    Some(Offer {
        capabilities: splice(capabilities.as_bytes(), cuts),
        instructions: result.get("instructions").filter(|raw| raw.starts_with('"')).map(copied),
        server_info: result.get("serverInfo").filter(object).map(copied),
    })
}

/// A good answer.
pub(super) fn result(message: &Message, id: &RawId, method: Method, offer: &Offer) -> Bytes {
    let dressed = edits(message, method, offer).unwrap_or_default();
    let mut all: Vec<(Range<usize>, &[u8])> =
        dressed.iter().map(|(range, text)| (range.clone(), text.as_bytes())).collect();
    all.extend(message.id_range().map(|range| (range, id.as_bytes())));
    splice(message.bytes(), all)
}

fn edits(message: &Message, method: Method, offer: &Offer) -> Option<Vec<(Range<usize>, String)>> {
    let place = message.payload_range()?;
    let text = std::str::from_utf8(&message.bytes()[place.clone()]).ok()?;
    let result = Object::read(text)?;
    let at = |range: Range<usize>| range.start + place.start..range.end + place.start;
    let mut edits = Vec::new();
    let mut added = Vec::new();
    let mut set = |name: &str, value: &str| match result.range(name) {
        Some(range) => edits.push((at(range), value.to_owned())),
        None => added.push(format!(r#""{name}":{value}"#)),
    };
    set("resultType", r#""complete""#);
    if method.is_cacheable() {
        let hint = result.get("ttlMs").filter(|raw| raw.bytes().all(|byte| byte.is_ascii_digit()));
        set("ttlMs", hint.unwrap_or(&ttl(method, offer).to_string()));
        // What a worker answers may depend on the user it works for.
        set("cacheScope", r#""private""#);
    }
    if let Some(info) = offer.server_info.as_deref().and_then(|info| std::str::from_utf8(info).ok()) {
        let info = format!(r#""{SERVER_INFO}":{info}"#);
        match result.range("_meta").map(|range| (range.clone(), Object::read(&text[range]))) {
            None => added.push(format!(r#""_meta":{{{info}}}"#)),
            Some((range, None)) => edits.push((at(range), format!("{{{info}}}"))),
            Some((_, Some(meta))) if meta.get(SERVER_INFO).is_some() => {}
            Some((range, Some(meta))) => {
                let inside = range.start + meta.inside();
                edits.push((at(inside..inside), first_member(&meta, &info)));
            }
        }
    }
    if !added.is_empty() {
        let inside = result.inside();
        edits.push((at(inside..inside), first_member(&result, &added.join(","))));
    }
    Some(edits)
}

fn ttl(method: Method, offer: &Offer) -> u32 {
    match method.capability() {
        Some(kind) if method.is_list() && offer.has(&[kind, "listChanged"]) => LIST_TTL_MS,
        _ => 0,
    }
}

/// An error, with the HTTP status that it has outside of a stream.
pub(super) fn error(message: &Message, id: &RawId, terms: &Terms) -> (u16, Bytes) {
    let code: Option<i64> = message.payload_member("code").and_then(|raw| serde_json::from_slice(&raw).ok());
    let place = message.payload_range().unwrap_or_default();
    let text = std::str::from_utf8(&message.bytes()[place.clone()]).unwrap_or_default();
    let error = Object::read(text);
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let at = |range: Range<usize>| range.start + place.start..range.end + place.start;
    let replaced = match code {
        // Resource not found (E01), with the URI in `data` where the client looks for it.
        Some(-32002) => Some(INVALID_PARAMS),
        // URL elicitation required (-32042), of a client that can't do it; and codes that mean something else, or nothing, in 2026-07-28.
        Some(-32099..=-32020) => Some(INTERNAL_ERROR),
        _ => None,
    };
    if let (Some(error), Some(replaced)) = (&error, replaced) {
        edits.extend(error.range("code").map(|range| (at(range), replaced.to_string())));
        if code == Some(-32002)
            && let Some(uri) = &terms.uri
            && error.get("data").is_none_or(|data| Object::read(data).is_none_or(|data| data.get("uri").is_none()))
        {
            let data = json!({ "uri": serde_json::from_slice::<Value>(uri).unwrap_or_default() }).to_string();
            if let Some(range) = error.range("data") {
                edits.push((at(range), data));
            } else {
                let inside = error.inside();
                edits.push((at(inside..inside), first_member(error, &format!(r#""data":{data}"#))));
            }
        }
    }
    let mut all: Vec<(Range<usize>, &[u8])> =
        edits.iter().map(|(range, text)| (range.clone(), text.as_bytes())).collect();
    all.extend(message.id_range().map(|range| (range, id.as_bytes())));
    let status = if code == Some(METHOD_NOT_FOUND.into()) { 404 } else { 200 };
    (status, splice(message.bytes(), all))
}

/// The result that asks the client. `requests` are members of an object, ready to be joined.
pub(super) fn input_required(id: &RawId, requests: &str, state: Option<&str>, offer: Option<&Offer>) -> Bytes {
    let id = String::from_utf8_lossy(id.as_bytes());
    let state = state.map(|state| format!(r#","requestState":{}"#, json!(state))).unwrap_or_default();
    let info = offer.and_then(|offer| offer.server_info.as_deref()).map(String::from_utf8_lossy);
    let meta = info.map(|info| format!(r#","_meta":{{"{SERVER_INFO}":{info}}}"#)).unwrap_or_default();
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"input_required","inputRequests":{{{requests}}}{state}{meta}}}}}"#
    ))
}

/// The pages that error -32042 of 2025-11-25 wants a person to visit, as members of `inputRequests`. The client's retry begins the
/// call anew, so it needs no state.
fn pages_to_visit(message: &Message) -> Option<String> {
    let data = message.payload_member("data")?;
    let elicitations: Vec<serde_json::Map<String, Value>> =
        serde_json::from_str(Object::from_bytes(&data)?.get("elicitations")?).ok()?;
    let request = |(number, mut params): (usize, serde_json::Map<String, Value>)| {
        // Neither known nor needed in 2026-07-28.
        params.remove("elicitationId");
        format!(r#""elicitation-{number}":{}"#, json!({ "method": "elicitation/create", "params": params }))
    };
    let requests: Vec<String> = elicitations.into_iter().enumerate().map(request).collect();
    (!requests.is_empty()).then(|| requests.join(","))
}

// === impl Dressing ===

impl Dressing {
    /// Gives the exchange the worker's answer.
    pub(crate) fn finish(&self, exchange: &Exchange, id: &RawId, terms: &Terms, message: &Message) {
        let bare = Offer { capabilities: Bytes::from_static(b"{}"), instructions: None, server_info: None };
        let offer = self.offer.as_deref().unwrap_or(&bare);
        if message.kind() == (Kind::Response { error: false }) {
            return exchange.answer(result(message, id, terms.method, offer));
        }
        let visit = message.payload_member("code").is_some_and(|code| &*code == b"-32042");
        if visit
            && terms.method.may_ask()
            && terms.capabilities.has(&["elicitation", "url"])
            && let Some(requests) = pages_to_visit(message)
        {
            return exchange.answer(input_required(id, &requests, None, Some(offer)));
        }
        match error(message, id, terms) {
            (200, body) => exchange.answer(body),
            (status, body) => exchange.answer_with_status(status, body),
        }
    }
}

#[cfg(test)]
mod tests;
