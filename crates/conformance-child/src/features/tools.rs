//! Tools: which there are and which function each is.

mod asking;
mod catalogue;
mod plain;

use serde_json::{Value, json};

use super::{EXTRA, arguments, name};
use crate::dialogue::Interruption;
use crate::fault::Fault;
use crate::message::Members;
use crate::visit::Visit;

pub(crate) use catalogue::list;

/// `CallToolResult` of one text.
fn said(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// `CallToolResult` of a tool that failed.
pub(crate) fn failure(text: &str) -> Value {
    let mut result = said(text);
    result["isError"] = true.into();
    result
}

pub(crate) async fn call(params: &Members, visit: &mut Visit) -> Result<Value, Interruption> {
    let name = name(params)?;
    let arguments = arguments(params)?;
    if let Some(result) = plain::call(name, &arguments, visit).await {
        return Ok(result);
    }
    if let Some(outcome) = asking::call(name, &arguments, visit).await {
        return outcome;
    }
    if name == EXTRA && visit.house.has_extra_tool() {
        return Ok(said("I am here."));
    }
    Err(Fault::invalid_params(format!("Unknown tool: {name}")).into())
}
