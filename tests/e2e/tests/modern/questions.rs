//! A worker's questions become input-required results (mcp.md §3.11, §7.5).

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{client, house};

fn ask(kind: &str) -> Value {
    json!({"name": "ask", "arguments": {"kind": kind}})
}

fn retry(params: &Value, asked: &Value, answer: &Value) -> Result<Value> {
    let key = asked["inputRequests"].as_object().and_then(|requests| requests.keys().next()).context("no question")?;
    let mut retry = params.clone();
    retry["requestState"] = asked["requestState"].clone();
    retry["inputResponses"] = json!({ key: answer });
    Ok(retry)
}

#[tokio::test]
async fn a_question_travels_to_the_client_and_its_answer_back() -> Result<()> {
    let (stack, alice) = house().await?;
    let able = alice.able();
    for (kind, method, answer) in [
        ("elicitation", "elicitation/create", json!({"action": "accept", "content": {"answer": "yes"}})),
        (
            "sampling",
            "sampling/createMessage",
            json!({"role": "assistant", "content": {"type": "text", "text": "yes"}}),
        ),
        ("roots", "roots/list", json!({"roots": [{"uri": "file:///yes"}]})),
    ] {
        let params = ask(kind);
        let asked = able.request("tools/call", &params).await?;
        ensure!(asked["resultType"] == "input_required", "{asked}");
        ensure!(asked["inputRequests"].to_string().contains(method), "{asked}");
        let retry = retry(&params, &asked, &answer)?;
        let mut tampered = retry.clone();
        tampered["requestState"] = json!(format!("{}x", asked["requestState"].as_str().context("no state")?));
        let bob = client(&stack, "bob").await?.able();
        for refused in [able.send("tools/call", &tampered).await?, bob.send("tools/call", &retry).await?] {
            ensure!(refused.error()?["code"] == -32602, "{}", refused.body);
        }
        let result = able.request("tools/call", &retry).await?;
        ensure!(result["resultType"] == "complete", "{result}");
        ensure!(result["structuredContent"] == json!({"result": answer}), "{result}");
        let again = able.send("tools/call", &retry).await?;
        ensure!(again.error()?["code"] == -32602, "{}", again.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_what_it_lacks() -> Result<()> {
    let (_stack, alice) = house().await?;
    for (kind, required) in
        [("sampling", json!({"sampling": {}})), ("elicitation", json!({"elicitation": {"form": {}}}))]
    {
        let answer = alice.send("tools/call", &ask(kind)).await?;
        let error = answer.error()?;
        ensure!(answer.status == 400 && error["code"] == -32021, "{} {}", answer.status, answer.body);
        ensure!(error["data"]["requiredCapabilities"] == required, "{error}");
    }
    // Trap 15: roots and ping hang no call.
    let text = alice.call_text("ask", &json!({"kind": "roots"})).await?;
    ensure!(text.contains("-32601"), "{text}");
    let text = alice.call_text("ask", &json!({"kind": "ping"})).await?;
    ensure!(text.contains("result"), "{text}");
    Ok(())
}
