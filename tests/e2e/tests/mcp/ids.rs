//! Ids and numbers come back as they were sent, whatever the worker makes of them (traps 1, 2, 4).

use anyhow::{Context as _, Result, ensure};
use e2e::events::Events;
use e2e::mcp::request;
use serde_json::{Value, json};

use super::{ensure_error, house};

/// The Go programs pass ids through a float64.
#[tokio::test]
async fn an_id_comes_back_with_its_type_and_every_digit() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for mcp in [alice.clone(), alice.without_session()] {
        for id in [
            "1",
            "0",
            "-7",
            "1152921504606846976",
            "1152921504606846977",
            "9007199254740993",
            "\"1\"",
            "\"\"",
            "\"0\"",
            "\"ein Wort\"",
            "\"\\u00e9\\n\"",
            "\"😀\"",
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo"}}}}"#);
            let answer = mcp.post(&body).await?;
            ensure!(answer.status == 200, "{id}: {} {}", answer.status, answer.body);
            // As text: a number that is read and written again could lose digits here, too.
            ensure!(answer.body.contains(&format!(r#""id":{id},"#)), "{id} came back as {}", answer.body);
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_id_that_is_neither_text_nor_whole_number_is_refused() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for id in ["null", "1.5", "true", "[1]", "{}", "1e400"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        ensure_error(&alice.post(&body).await?, 400, -32600).with_context(|| id.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn numbers_in_arguments_reach_the_worker_digit_by_digit() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let arguments = r#"{"big":1152921504606846977,"long":3.14159265358979323846264338327950288,"huge":1E400,"zero":-0,"text":"é 😀 \\u0041"}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}"#
    );
    let answer = alice.post(&body).await?;
    ensure!(answer.body.contains(&format!(r#""structuredContent":{arguments}"#)), "{}", answer.body);
    Ok(())
}

/// Trap 4: the client's token, with its type, in every notification.
#[tokio::test]
async fn a_progress_token_comes_back_as_it_was_sent() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for token in [json!(1), json!("1"), json!(""), json!(1_152_921_504_606_846_977_i64), json!("ein Wort")] {
        let params = json!({"name": "progress", "arguments": {"n": 3}, "_meta": {"progressToken": token}});
        let mut events = Events::of(alice.open_post(&request(&json!("p"), "tools/call", &params)).await?)?;
        let messages = events.rest().await?;
        let [progress @ .., answer] = messages.as_slice() else { anyhow::bail!("nothing came") };
        ensure!(answer["id"] == "p" && answer["result"].is_object(), "{answer}");
        let steps: Vec<&Value> = progress.iter().map(|message| &message["params"]).collect();
        ensure!(steps.len() == 3, "{progress:?}");
        for (index, step) in steps.iter().enumerate() {
            ensure!(step["progressToken"] == token && step["progress"] == json!(index + 1), "{token}: {step}");
        }
    }
    Ok(())
}

/// Trap 24 for a session; ids are free again with their answer.
#[tokio::test]
async fn an_id_that_is_open_is_refused_and_free_again_after_its_answer() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let ask = request(&json!(5), "tools/call", &json!({"name": "ask", "arguments": {"kind": "elicitation"}}));
    let mut open = Events::of(alice.open_post(&ask).await?)?;
    let question = open.message().await?;
    ensure_error(&alice.post(&request(&json!(5), "tools/list", &json!({}))).await?, 400, -32600)?;
    // The same digits as text are another id.
    alice.post(&request(&json!("5"), "tools/list", &json!({}))).await?.result()?;
    alice.post(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}).to_string()).await?;
    ensure!(open.message().await?["id"] == 5, "the open call lost its answer");
    alice.post(&request(&json!(5), "tools/list", &json!({}))).await?.result()?;
    Ok(())
}
