//! What a request of 2026-07-28 has to satisfy before anything reaches a worker, in the order of mcp.md §6.3: the first rung
//! that fails answers.

use bytes::Bytes;
use serde_json::json;

use super::driver::Driver;
use super::mirror::{decode, mismatch};
use super::offer::Offer;
use super::param_headers;
use super::request::{ClientCapabilities, LogLevel, Method, Request};
use crate::envelope::{Message, RawId};
use crate::era::MODERN_VERSION;
use crate::refusal::{INVALID_PARAMS, METHOD_NOT_FOUND, Refusal, UNSUPPORTED_VERSION};
use crate::reply::{PostHead, Principal};

const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";

/// The rungs that need nothing but the request.
pub(super) fn check(who: &Principal, head: &PostHead, message: Message, id: RawId) -> Result<Request, Refusal> {
    check_version(head, &message)?;
    let capabilities = message.meta(CAPABILITIES_KEY).filter(|raw| raw.starts_with(b"{"));
    let capabilities = capabilities.ok_or_else(|| missing(CAPABILITIES_KEY, "an object"))?;
    let log_level = match message.meta(LOG_LEVEL_KEY) {
        None => None,
        Some(raw) => Some(LogLevel::read(&raw).ok_or_else(|| missing(LOG_LEVEL_KEY, "one of the eight log levels"))?),
    };
    check_mirrors(head, &message)?;
    let method = Method::find(message.method()).ok_or_else(|| unknown_method(message.method()))?;
    let request = Request {
        who: who.clone(),
        message,
        id,
        method,
        // A copy: what is parked must not keep the whole body.
        capabilities: ClientCapabilities(Bytes::copy_from_slice(&capabilities)),
        log_level,
    };
    Ok(request)
}

/// The rungs that need to know what the worker offers.
pub(super) fn check_against(
    request: &Request,
    head: &PostHead,
    offer: &Offer,
    driver: &dyn Driver,
) -> Result<(), Refusal> {
    if request.method.capability().is_some_and(|capability| !offer.has(&[capability])) {
        return Err(unknown_method(request.method.name()));
    }
    if request.method == Method::ToolsCall
        && let Some(tool) = text(&request.message, "name")
        && let Some(declared) = driver.param_headers(&tool)
    {
        param_headers::check(&declared, &head.params, request.message.param("arguments").map(|(_, raw)| raw))?;
    }
    Ok(())
}

/// M13, and M03 for the version.
fn check_version(head: &PostHead, message: &Message) -> Result<(), Refusal> {
    let version = message.meta(VERSION_KEY).and_then(|raw| serde_json::from_slice::<String>(&raw).ok());
    let version = version.ok_or_else(|| missing(VERSION_KEY, "a string"))?;
    if head.protocol_version.as_ref().is_some_and(|header| *header != version) {
        return Err(mismatch(
            "MCP-Protocol-Version and params._meta name different revisions; they have to be the same",
        ));
    }
    if version != MODERN_VERSION {
        let text = format!("revision {version:?} is not served to requests without a session; use {MODERN_VERSION}");
        return Err(Refusal::new(400, UNSUPPORTED_VERSION, "unsupported_version", text)
            .with_data(&json!({ "supported": [MODERN_VERSION], "requested": version })));
    }
    Ok(())
}

/// H01, H02. A name that the body lacks is left to the worker's own check (mcp.md, trap 30).
fn check_mirrors(head: &PostHead, message: &Message) -> Result<(), Refusal> {
    if head.protocol_version.is_none() {
        return Err(mismatch("the header MCP-Protocol-Version is missing; it repeats the revision in params._meta"));
    }
    let Some(method) = &head.mcp_method else {
        return Err(mismatch("the header Mcp-Method is missing; it repeats \"method\""));
    };
    if *method != message.method() {
        return Err(mismatch("the header Mcp-Method and \"method\" differ; they have to be the same"));
    }
    let Some(member) = Method::find(message.method()).and_then(Method::named_by) else { return Ok(()) };
    let Some(name) = text(message, member) else { return Ok(()) };
    let Some(header) = &head.mcp_name else {
        return Err(mismatch(format!("the header Mcp-Name is missing; it repeats \"params.{member}\"")));
    };
    match decode(header) {
        Some(value) if value == name => Ok(()),
        Some(_) => {
            Err(mismatch(format!("the header Mcp-Name and \"params.{member}\" differ; they have to be the same")))
        }
        None => Err(mismatch("the header Mcp-Name is marked as Base64 of UTF-8 and is not")),
    }
}

fn text(message: &Message, param: &'static str) -> Option<String> {
    serde_json::from_slice(&message.param(param)?.1).ok()
}

fn missing(key: &str, what: &str) -> Refusal {
    let text = format!("params._meta[\"{key}\"] is missing or not {what}");
    Refusal::new(400, INVALID_PARAMS, "missing_meta", text)
}

/// M14.
pub(super) fn unknown_method(method: &str) -> Refusal {
    let text = format!("this server has no method {method:?} in revision {MODERN_VERSION}");
    Refusal::new(404, METHOD_NOT_FOUND, "unknown_method", text)
}
