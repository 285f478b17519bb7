//! The `_meta` that requests of 2026-07-28 carry (mcp.md §3.8).

use serde_json::{Value, json};

/// The revision.
pub(crate) const STATELESS_VERSION: &str = "2026-07-28";
pub(crate) const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What the broker's own requests carry. It can be asked nothing.
pub(crate) fn of_the_broker() -> Value {
    json!({
        VERSION: STATELESS_VERSION,
        CAPABILITIES: {},
        CLIENT_INFO: { "name": "fjmcp-broker", "version": env!("CARGO_PKG_VERSION") },
    })
}

/// The params of a request of the broker's own, with `_meta` in them.
pub(crate) fn params_of_the_broker(params: &Value) -> String {
    let mut params = params.as_object().cloned().unwrap_or_default();
    params.insert("_meta".to_owned(), of_the_broker());
    Value::Object(params).to_string()
}
