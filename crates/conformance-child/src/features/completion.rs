//! `completion/complete`.

use serde_json::{Value, json};

use super::prompts;
use super::resources;
use crate::fault::Fault;
use crate::message::Members;

const WORDS: [&str; 6] = ["hello", "paris", "park", "party", "test-one", "test-two"];

/// Words that begin as the argument does.
pub(crate) fn complete(params: &Members) -> Result<Value, Fault> {
    let reference = params.get("ref").unwrap_or(&Value::Null);
    let known = match reference["type"].as_str() {
        Some("ref/prompt") => reference["name"].as_str().is_some_and(prompts::exists),
        Some("ref/resource") => reference["uri"].as_str().is_some_and(|uri| uri == resources::TEMPLATE),
        _ => return Err(Fault::invalid_params("`ref.type` is neither ref/prompt nor ref/resource")),
    };
    if !known {
        return Err(Fault::invalid_params("`ref` names nothing that is here"));
    }
    let argument = params.get("argument").unwrap_or(&Value::Null);
    let (Some(_), Some(typed)) = (argument["name"].as_str(), argument["value"].as_str()) else {
        return Err(Fault::invalid_params("`argument` needs a name and a value"));
    };
    let values: Vec<_> = WORDS.into_iter().filter(|word| word.starts_with(typed)).collect();
    Ok(json!({ "completion": { "total": values.len(), "values": values, "hasMore": false } }))
}
