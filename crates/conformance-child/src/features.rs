//! What the server offers, the same in both eras.

pub(crate) mod completion;
pub(crate) mod prompts;
pub(crate) mod resources;
pub(crate) mod samples;
pub(crate) mod tools;

use serde_json::{Value, json};

use crate::dialogue::Interruption;
use crate::fault::Fault;
use crate::message::Members;
use crate::visit::Visit;

/// For models, as every server may say something to them.
pub(crate) const INSTRUCTIONS: &str = "A server for the public conformance suite. Its tools do nothing of use.";

/// The tool, and the prompt, that triggers add and remove.
pub(crate) const EXTRA: &str = "test_comes_and_goes";

/// The methods that both eras have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    ListTools,
    CallTool,
    ListPrompts,
    GetPrompt,
    ListResources,
    ListTemplates,
    ReadResource,
    Complete,
}

pub(crate) fn server_info() -> Value {
    json!({ "name": "conformance-child", "title": "Conformance child", "version": env!("CARGO_PKG_VERSION") })
}

/// `ServerCapabilities`. The list of resources never changes.
pub(crate) fn capabilities() -> Value {
    json!({
        "logging": {},
        "completions": {},
        "tools": { "listChanged": true },
        "prompts": { "listChanged": true },
        "resources": { "subscribe": true },
    })
}

// === impl Feature ===

impl Feature {
    pub(crate) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "tools/list" => Self::ListTools,
            "tools/call" => Self::CallTool,
            "prompts/list" => Self::ListPrompts,
            "prompts/get" => Self::GetPrompt,
            "resources/list" => Self::ListResources,
            "resources/templates/list" => Self::ListTemplates,
            "resources/read" => Self::ReadResource,
            "completion/complete" => Self::Complete,
            _ => return None,
        })
    }

    /// Who may share a kept result; `None` if it may not be kept (D02).
    pub(crate) fn cache_scope(self) -> Option<&'static str> {
        match self {
            Self::ListTools | Self::ListPrompts | Self::ListResources | Self::ListTemplates => Some("public"),
            Self::ReadResource => Some("private"),
            Self::CallTool | Self::GetPrompt | Self::Complete => None,
        }
    }

    /// The result, without what the era adds to it.
    pub(crate) async fn answer(self, params: &Members, mut visit: Visit) -> Result<Value, Interruption> {
        match self {
            Self::CallTool => return tools::call(params, &mut visit).await,
            Self::GetPrompt => return prompts::get(params, &mut visit).await,
            Self::ReadResource => return Ok(resources::read(params, visit.modern)?),
            Self::Complete => return Ok(completion::complete(params)?),
            Self::ListTools | Self::ListPrompts | Self::ListResources | Self::ListTemplates => {}
        }
        // Every list fits on one page, so no cursor can be one of ours (D07).
        if params.contains_key("cursor") {
            return Err(Fault::invalid_params("`cursor` is none of ours").into());
        }
        Ok(match self {
            Self::ListTools => json!({ "tools": tools::list(visit.house.has_extra_tool()) }),
            Self::ListPrompts => json!({ "prompts": prompts::list(visit.house.has_extra_prompt()) }),
            Self::ListResources => json!({ "resources": resources::list() }),
            _ => json!({ "resourceTemplates": resources::templates() }),
        })
    }
}

/// A string argument that has to be there.
fn text<'a>(arguments: &'a Members, name: &str) -> Result<&'a str, String> {
    arguments.get(name).and_then(Value::as_str).ok_or_else(|| format!("the argument `{name}` is missing or no string"))
}

/// `params.arguments`, which may be absent.
fn arguments(params: &Members) -> Result<Members, Fault> {
    match params.get("arguments") {
        None => Ok(Members::new()),
        Some(Value::Object(arguments)) => Ok(arguments.clone()),
        Some(_) => Err(Fault::invalid_params("`arguments` is not an object")),
    }
}

/// `params.name`, which has to be there.
fn name(params: &Members) -> Result<&str, Fault> {
    params.get("name").and_then(Value::as_str).ok_or_else(|| Fault::invalid_params("`name` is missing"))
}
