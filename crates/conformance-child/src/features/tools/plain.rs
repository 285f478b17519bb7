//! Tools that need nothing from the client but its arguments.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::samples::{PNG, WAV};
use super::super::{resources, text};
use super::{failure, said};
use crate::house::Change;
use crate::level::Level;
use crate::message::Members;
use crate::visit::Visit;

/// Between two steps of a tool whose steps are to be seen one by one.
const STEP: Duration = Duration::from_millis(50);

/// The result, or `None` for a tool that is not of these.
pub(super) async fn call(name: &str, arguments: &Members, visit: &Visit) -> Option<Value> {
    Some(match name {
        "test_simple_text" => said("This is a simple text response for testing."),
        "test_image_content" => content(&[image()]),
        "test_audio_content" => content(&[json!({ "type": "audio", "data": WAV, "mimeType": "audio/wav" })]),
        "test_embedded_resource" => {
            content(&[embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")])
        }
        "test_multiple_content_types" => content(&[
            json!({ "type": "text", "text": "Multiple content types test:" }),
            image(),
            embedded("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]),
        "test_tool_with_logging" => logging(visit).await,
        "test_logging_tool" => {
            visit.voice.log(Level::Debug, "This is a debug message").await;
            visit.voice.log(Level::Info, "This is an info message").await;
            visit.voice.log(Level::Error, "This is an error message").await;
            said("Logged at debug, info and error, as far as wanted")
        }
        "test_tool_with_progress" => progress(visit).await,
        "test_error_handling" => failure("This tool intentionally returns an error for testing"),
        "test_reconnection" => {
            // Long enough for a transport to drop the stream; stdio has none to drop.
            sleep(STEP * 4).await;
            said("The stream may have been dropped meanwhile")
        }
        "json_schema_2020_12_tool" => said(&format!("Called with {}", json!(arguments))),
        "test_mirrored_parameter" => match text(arguments, "region") {
            Ok(region) => said(&format!("The region is {region}")),
            Err(problem) => failure(&problem),
        },
        "test_trigger_tool_change" => {
            visit.house.change_tools().await;
            said("The list of tools has changed")
        }
        "test_trigger_prompt_change" => {
            visit.house.change_prompts().await;
            said("The list of prompts has changed")
        }
        "test_trigger_resource_update" => {
            visit.house.announce(Change::Resource(resources::WATCHED)).await;
            said("The watched resource has changed")
        }
        _ => return None,
    })
}

async fn logging(visit: &Visit) -> Value {
    visit.voice.log(Level::Info, "Tool execution started").await;
    sleep(STEP).await;
    visit.voice.log(Level::Info, "Tool processing data").await;
    sleep(STEP).await;
    visit.voice.log(Level::Info, "Tool execution completed").await;
    said("Tool with logging executed")
}

async fn progress(visit: &Visit) -> Value {
    visit.voice.progress(0, 100).await;
    sleep(STEP).await;
    visit.voice.progress(50, 100).await;
    sleep(STEP).await;
    visit.voice.progress(100, 100).await;
    said("Tool with progress executed")
}

fn content(blocks: &[Value]) -> Value {
    json!({ "content": blocks })
}

fn image() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}

fn embedded(uri: &str, mime_type: &str, text: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime_type, "text": text } })
}
