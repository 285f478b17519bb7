//! The stateless era, revision 2026-07-28: every request brings what is needed to serve it.
//!
//! What is here knows nothing of the worker's era. It checks a request ([`ladder`]), asks the grant's [`driver::Driver`] for
//! the outcome and frames it: plain JSON if the response comes first, an event stream otherwise. A connection that is lost
//! cancels its request (mcp.md, trap 7).

mod discover;
pub(crate) mod driver;
mod ladder;
mod listen;
mod mirror;
pub(crate) mod offer;
pub(crate) mod param_headers;
mod post;
pub(crate) mod request;

pub(crate) use self::post::post;

/// A header (the first line) against the tool whose schema asks for it and against the arguments that it repeats (the rest).
#[cfg(fuzzing)]
pub(crate) fn mirrored(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (header, json) = text.split_once('\n').unwrap_or((&text, ""));
    let json = bytes::Bytes::copy_from_slice(json.as_bytes());
    for declared in param_headers::of_tools(&json).values() {
        let headers = [("region".to_owned(), header.to_owned())];
        let _ = param_headers::check(declared, &headers, Some(json.clone()));
    }
    let _ = mirror::decode(header);
}

/// The `_meta` key of the server's name and version.
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The `_meta` key by which messages of a listen tell which one they belong to.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
