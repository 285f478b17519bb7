//! Resources and the template.

use serde_json::{Value, json};

use super::samples::PNG;
use crate::fault::Fault;
use crate::message::Members;

pub(crate) const TEMPLATE: &str = "test://template/{id}/data";
pub(crate) const WATCHED: &str = "test://watched-resource";
const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";

pub(crate) fn list() -> Value {
    json!([
        { "uri": TEXT, "name": "static-text", "description": "A text that never changes", "mimeType": "text/plain" },
        { "uri": BINARY, "name": "static-binary", "description": "A picture of one pixel", "mimeType": "image/png" },
        { "uri": WATCHED, "name": "watched-resource", "description": "A text to subscribe to", "mimeType": "text/plain" },
    ])
}

pub(crate) fn templates() -> Value {
    json!([{
        "uriTemplate": TEMPLATE,
        "name": "template",
        "description": "Data of an id",
        "mimeType": "application/json",
    }])
}

/// Whether there is something at `uri`.
pub(crate) fn exists(uri: &str) -> bool {
    contents(uri).is_some()
}

pub(crate) fn read(params: &Members, modern: bool) -> Result<Value, Fault> {
    let uri = params.get("uri").and_then(Value::as_str).ok_or_else(|| Fault::invalid_params("`uri` is missing"))?;
    let contents = contents(uri).ok_or_else(|| Fault::no_resource(uri, modern))?;
    Ok(json!({ "contents": [contents] }))
}

fn contents(uri: &str) -> Option<Value> {
    let text = |text: &str| Some(json!({ "uri": uri, "mimeType": "text/plain", "text": text }));
    match uri {
        TEXT => text("This is the content of the static text resource."),
        WATCHED => text("This is the content of the watched resource."),
        BINARY => Some(json!({ "uri": uri, "mimeType": "image/png", "blob": PNG })),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            if id.is_empty() || id.contains('/') {
                return None;
            }
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            Some(json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() }))
        }
    }
}
