//! Prompts.

use serde_json::{Value, json};

use super::samples::PNG;
use super::{EXTRA, arguments, name, text};
use crate::capabilities::Kind;
use crate::dialogue::{Interruption, Memory, Question};
use crate::fault::Fault;
use crate::message::Members;
use crate::visit::Visit;

const SIMPLE: &str = "test_simple_prompt";
const ARGUMENTS: &str = "test_prompt_with_arguments";
const RESOURCE: &str = "test_prompt_with_embedded_resource";
const IMAGE: &str = "test_prompt_with_image";
const ASKING: &str = "test_input_required_result_prompt";

pub(crate) fn list(with_extra: bool) -> Vec<Value> {
    let required =
        |name: &str| json!({ "name": name, "description": format!("Goes into the text as {name}"), "required": true });
    let mut prompts = vec![
        json!({ "name": SIMPLE, "description": "A text" }),
        json!({ "name": ARGUMENTS, "description": "A text with arguments", "arguments": [required("arg1"), required("arg2")] }),
        json!({ "name": RESOURCE, "description": "A resource and a text", "arguments": [required("resourceUri")] }),
        json!({ "name": IMAGE, "description": "A picture and a text" }),
        json!({ "name": ASKING, "description": "A text that the client is asked about" }),
    ];
    if with_extra {
        prompts.push(json!({ "name": EXTRA, "description": "Is there after every other test_trigger_prompt_change" }));
    }
    prompts
}

pub(crate) fn exists(name: &str) -> bool {
    list(true).iter().any(|prompt| prompt["name"] == name)
}

pub(crate) async fn get(params: &Members, visit: &mut Visit) -> Result<Value, Interruption> {
    let arguments = arguments(params)?;
    let argument = |name: &str| text(&arguments, name).map_err(Fault::invalid_params);
    let content = match name(params)? {
        SIMPLE => vec![text_block("This is a simple prompt for testing.")],
        ARGUMENTS => {
            let (first, second) = (argument("arg1")?, argument("arg2")?);
            vec![text_block(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
        }
        RESOURCE => {
            let uri = argument("resourceUri")?;
            let resource =
                json!({ "uri": uri, "mimeType": "text/plain", "text": "Embedded resource content for testing." });
            vec![
                json!({ "type": "resource", "resource": resource }),
                text_block("Please process the embedded resource above."),
            ]
        }
        IMAGE => vec![
            json!({ "type": "image", "data": PNG, "mimeType": "image/png" }),
            text_block("Please analyze the image above."),
        ],
        ASKING => {
            let question = Question {
                key: "user_context",
                kind: Kind::Elicitation,
                params: json!({
                    "message": "What context should the prompt use?",
                    "requestedSchema": {
                        "type": "object", "properties": { "context": { "type": "string" } }, "required": ["context"],
                    },
                }),
            };
            let answer = visit.dialogue.ask_one(Memory::None, question).await?;
            vec![text_block(&format!("Use this context: {}", answer["content"]["context"]))]
        }
        EXTRA if visit.house.has_extra_prompt() => vec![text_block("I am here.")],
        unknown => return Err(Fault::invalid_params(format!("Unknown prompt: {unknown}")).into()),
    };
    let messages: Vec<_> = content.into_iter().map(|content| json!({ "role": "user", "content": content })).collect();
    Ok(json!({ "messages": messages }))
}

fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}
