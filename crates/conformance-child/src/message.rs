//! One line of stdin as a JSON-RPC message.

use serde_json::{Map, Value, json};

use crate::fault::Fault;

/// Members of an object.
pub(crate) type Members = Map<String, Value>;

/// What the client sent.
#[derive(Debug)]
pub(crate) enum Incoming {
    Request(Request),
    Notification { method: String, params: Members },
    Response { id: Id, outcome: Result<Value, Value> },
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) params: Members,
}

/// A request's id: a string or an integer (M01).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id(Value);

/// A line that is no message, with the id of the answer that it gets.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) id: Option<Id>,
    pub(crate) fault: Fault,
}

// === impl Id ===

impl Id {
    pub(crate) fn number(number: u64) -> Self {
        Self(number.into())
    }

    pub(crate) fn read(value: &Value) -> Option<Self> {
        (value.is_string() || value.is_i64() || value.is_u64()).then(|| Self(value.clone()))
    }

    pub(crate) fn as_value(&self) -> &Value {
        &self.0
    }
}

// === impl Incoming ===

impl Incoming {
    /// Reads a line. A response is told by its lack of a method, never by its id: the two directions number independently.
    pub(crate) fn read(line: &[u8]) -> Result<Self, Unreadable> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| Unreadable { id: None, fault: Fault::parse(format!("Parse error: {error}")) })?;
        let Value::Object(mut members) = value else {
            return Err(Unreadable { id: None, fault: Fault::invalid_request("A message is one object") });
        };
        let given = members.remove("id");
        let id = given.as_ref().and_then(Id::read);
        let refuse = |text: &str| Err(Unreadable { id: id.clone(), fault: Fault::invalid_request(text) });
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return refuse("`jsonrpc` is not \"2.0\"");
        }
        if given.is_some() && id.is_none() {
            return refuse("`id` is neither a string nor an integer");
        }
        let Some(method) = members.remove("method") else {
            let outcome = match (members.remove("result"), members.remove("error")) {
                (Some(result), None) => Ok(result),
                (None, Some(error)) => Err(error),
                _ => return refuse("neither a request nor a response"),
            };
            return match id {
                Some(id) => Ok(Self::Response { id, outcome }),
                None => refuse("a response without id"),
            };
        };
        let Value::String(method) = method else {
            return refuse("`method` is not a string");
        };
        let params = match members.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return refuse("`params` is not an object"),
        };
        Ok(match id {
            Some(id) => Self::Request(Request { id, method, params }),
            None => Self::Notification { method, params },
        })
    }
}

pub(crate) fn result(id: &Id, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.as_value(), "result": result })
}

pub(crate) fn error(id: Option<&Id>, fault: Fault) -> Value {
    match id {
        Some(id) => json!({ "jsonrpc": "2.0", "id": id.as_value(), "error": fault.into_value() }),
        // Where the id cannot be known: null before 2026-07-28, absent since. Null is read by both.
        None => json!({ "jsonrpc": "2.0", "id": null, "error": fault.into_value() }),
    }
}

pub(crate) fn request(id: &Id, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.as_value(), "method": method, "params": params })
}

pub(crate) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}
