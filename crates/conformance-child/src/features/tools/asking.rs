//! Tools that ask the client something. Most are run again from the start with every answer in 2026-07-28, so nothing before a question
//! may have an effect that counts twice.

use serde_json::{Value, json};

use super::super::text;
use super::{failure, said};
use crate::capabilities::Kind;
use crate::dialogue::{Interruption, Memory, Question};
use crate::message::Members;
use crate::visit::Visit;

type Outcome = Result<Value, Interruption>;

/// The outcome, or `None` for a tool that is not of these.
pub(super) async fn call(name: &str, arguments: &Members, visit: &mut Visit) -> Option<Outcome> {
    Some(match name {
        "test_sampling" => match text(arguments, "prompt") {
            Ok(prompt) => sampled(visit, Memory::None, "response", prompt).await,
            Err(problem) => Ok(failure(&problem)),
        },
        "test_elicitation" => match text(arguments, "message") {
            Ok(message) => user_response(visit, message).await,
            Err(problem) => Ok(failure(&problem)),
        },
        "test_elicitation_sep1034_defaults" => elicited(visit, "Please review the values", &defaults()).await,
        "test_elicitation_sep1330_enums" => elicited(visit, "Please choose", &enums()).await,
        "test_missing_capability" => sampled(visit, Memory::None, "response", "Say anything").await,
        "test_streaming_elicitation" => {
            visit.voice.progress(0, 1).await;
            elicited(visit, "Please go on", &object("ok", "boolean")).await
        }
        "test_input_required_result_elicitation" => greeting(visit).await,
        "test_input_required_result_sampling" => {
            sampled(visit, Memory::None, "capital_question", "What is the capital of France?").await
        }
        "test_input_required_result_list_roots" => roots(visit).await,
        "test_input_required_result_request_state" => confirmed(visit, "state-ok").await,
        "test_input_required_result_tampered_state" => confirmed(visit, "The state is the one that was given").await,
        "test_input_required_result_multiple_inputs" => multiple(visit).await,
        "test_input_required_result_multi_round" => two_rounds(visit).await,
        "test_input_required_result_capabilities" => what_is_declared(visit).await,
        _ => return None,
    })
}

async fn sampled(visit: &mut Visit, memory: Memory, key: &'static str, prompt: &str) -> Outcome {
    let answer = visit.dialogue.ask_one(memory, sampling(key, prompt)).await?;
    Ok(said(&format!("LLM response: {}", words(&answer))))
}

async fn user_response(visit: &mut Visit, message: &str) -> Outcome {
    let schema = json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    });
    let answer = visit.dialogue.ask_one(Memory::None, elicitation("user", message, &schema)).await?;
    Ok(said(&format!("User response: {answer}")))
}

async fn elicited(visit: &mut Visit, message: &str, schema: &Value) -> Outcome {
    let answer = visit.dialogue.ask_one(Memory::None, elicitation("answer", message, schema)).await?;
    let (action, content) = (answer["action"].as_str().unwrap_or_default(), &answer["content"]);
    Ok(said(&format!("Elicitation completed: action={action}, content={content}")))
}

async fn greeting(visit: &mut Visit) -> Outcome {
    let question = elicitation("user_name", "What is your name?", &object("name", "string"));
    let answer = visit.dialogue.ask_one(Memory::None, question).await?;
    Ok(said(&format!("Hello, {}!", answer["content"]["name"].as_str().unwrap_or("stranger"))))
}

async fn roots(visit: &mut Visit) -> Outcome {
    let question = Question { key: "client_roots", kind: Kind::Roots, params: json!({}) };
    let answer = visit.dialogue.ask_one(Memory::None, question).await?;
    Ok(said(&format!("Roots: {}", uris(&answer))))
}

async fn confirmed(visit: &mut Visit, text: &str) -> Outcome {
    let question = elicitation("confirm", "Please confirm", &object("ok", "boolean"));
    visit.dialogue.ask_one(Memory::Sealed, question).await?;
    Ok(said(text))
}

async fn multiple(visit: &mut Visit) -> Outcome {
    let questions = vec![
        elicitation("user_name", "What is your name?", &object("name", "string")),
        sampling("greeting", "Generate a greeting"),
        Question { key: "client_roots", kind: Kind::Roots, params: json!({}) },
    ];
    let answers = visit.dialogue.ask(Memory::Sealed, questions).await?;
    let [name, greeting, roots] = answers.as_slice() else { return Ok(failure("not every question was answered")) };
    Ok(said(&format!("{} {} {}", words(greeting), name["content"]["name"], uris(roots))))
}

async fn two_rounds(visit: &mut Visit) -> Outcome {
    let first = elicitation("step1", "Step 1: What is your name?", &object("name", "string"));
    let name = visit.dialogue.ask_one(Memory::Sealed, first).await?;
    let second = elicitation("step2", "Step 2: What is your favorite color?", &object("color", "string"));
    let color = visit.dialogue.ask_one(Memory::Sealed, second).await?;
    Ok(said(&format!("{} likes {}", name["content"]["name"], color["content"]["color"])))
}

/// Asks for whatever the client has declared (R03).
async fn what_is_declared(visit: &mut Visit) -> Outcome {
    let all = vec![
        elicitation("user_name", "What is your name?", &object("name", "string")),
        sampling("greeting", "Generate a greeting"),
        Question { key: "client_roots", kind: Kind::Roots, params: json!({}) },
    ];
    let declared = visit.dialogue.capabilities().clone();
    let questions: Vec<_> = all.into_iter().filter(|question| declared.declare(question.kind)).collect();
    if questions.is_empty() {
        return Ok(said("The client can be asked for nothing"));
    }
    let answers = visit.dialogue.ask(Memory::None, questions).await?;
    Ok(said(&format!("The client has answered {} questions", answers.len())))
}

fn elicitation(key: &'static str, message: &str, schema: &Value) -> Question {
    let params = json!({ "message": message, "requestedSchema": schema });
    Question { key, kind: Kind::Elicitation, params }
}

fn sampling(key: &'static str, prompt: &str) -> Question {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    Question { key, kind: Kind::Sampling, params: json!({ "messages": [message], "maxTokens": 100 }) }
}

/// The schema of an object with one required member.
fn object(member: &str, kind: &str) -> Value {
    json!({ "type": "object", "properties": { member: { "type": kind } }, "required": [member] })
}

/// The text of a `CreateMessageResult`, whose content is one block or several.
fn words(answer: &Value) -> String {
    let content = &answer["content"];
    let blocks = content.as_array().map_or_else(|| std::slice::from_ref(content), Vec::as_slice);
    blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join(" ")
}

fn uris(answer: &Value) -> String {
    let roots = answer["roots"].as_array().map(Vec::as_slice).unwrap_or_default();
    roots.iter().filter_map(|root| root["uri"].as_str()).collect::<Vec<_>>().join(", ")
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "default": true },
        },
        "required": [],
    })
}

fn enums() -> Value {
    let titled = |values: [(&str, &str); 3]| values.map(|(value, title)| json!({ "const": value, "title": title }));
    let options = ["option1", "option2", "option3"];
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": {
                "type": "string",
                "oneOf": titled([("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option")]),
            },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": {
                "type": "array",
                "items": { "anyOf": titled([("value1", "First Choice"), ("value2", "Second Choice"), ("value3", "Third Choice")]) },
            },
        },
        "required": [],
    })
}
