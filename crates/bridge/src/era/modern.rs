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

/// The `_meta` key of the server's name and version.
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The `_meta` key by which messages of a listen tell which one they belong to.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
