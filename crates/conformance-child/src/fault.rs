//! JSON-RPC errors (mcp.md §4).

use serde_json::{Value, json};

/// The error member of a response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    code: i64,
    message: String,
    data: Option<Value>,
}

// === impl Fault ===

impl Fault {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn parse(message: impl Into<String>) -> Self {
        Self::new(-32700, message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(-32600, message)
    }

    pub(crate) fn unknown_method(method: &str) -> Self {
        Self::new(-32601, format!("Method not found: {method}"))
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(-32603, message)
    }

    /// No such resource. The code is the era's: -32002 was reserved away in 2026-07-28 (E01).
    pub(crate) fn no_resource(uri: &str, modern: bool) -> Self {
        let code = if modern { -32602 } else { -32002 };
        Self { data: Some(json!({ "uri": uri })), ..Self::new(code, "Resource not found") }
    }

    /// M06.
    pub(crate) fn undeclared(required: &Value) -> Self {
        let data = json!({ "requiredCapabilities": required });
        Self { data: Some(data), ..Self::new(-32021, "The client has not declared a capability that this needs") }
    }

    /// M13.
    pub(crate) fn unsupported_version(supported: &[&str], requested: &Value) -> Self {
        let data = json!({ "supported": supported, "requested": requested });
        Self { data: Some(data), ..Self::new(-32022, "Unsupported protocol version") }
    }

    pub(crate) fn into_value(self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = data;
        }
        error
    }
}
