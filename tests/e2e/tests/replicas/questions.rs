//! A call that waits for its client's answer is at one replica.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::house;

fn retry(params: &Value, asked: &Value) -> Result<Value> {
    let key = asked["inputRequests"].as_object().and_then(|requests| requests.keys().next()).context("no question")?;
    let mut retry = params.clone();
    retry["requestState"] = asked["requestState"].clone();
    retry["inputResponses"] = json!({ key: {"action": "accept", "content": {"answer": "yes"}} });
    Ok(retry)
}

#[tokio::test]
async fn an_answer_finds_the_replica_that_asked_once_and_is_told_to_start_again_when_that_is_gone() -> Result<()> {
    let mut replicas = house(2).await?;
    let (_, tokens) = replicas.log_in("alice").await?;
    let (here, there) = (replicas.modern(0, &tokens)?.able(), replicas.modern(1, &tokens)?.able());
    let params = json!({"name": "ask", "arguments": {"kind": "elicitation"}});
    let asked = here.request("tools/call", &params).await?;
    ensure!(asked["resultType"] == "input_required", "{asked}");
    let answer = retry(&params, &asked)?;
    let (_, bobs) = replicas.log_in("bob").await?;
    let stolen = replicas.modern(1, &bobs)?.able().send("tools/call", &answer).await?;
    ensure!(stolen.error()?["code"] == -32602, "{}", stolen.body);
    let result = there.request("tools/call", &answer).await?;
    ensure!(result["resultType"] == "complete", "{result}");
    for client in [&here, &there] {
        let again = client.send("tools/call", &answer).await?;
        ensure!(again.error()?["code"] == -32602, "{}", again.body);
    }

    let asked = here.request("tools/call", &params).await?;
    replicas.brokers[0].kill().await?;
    let gone = there.send("tools/call", &retry(&params, &asked)?).await?;
    ensure!(gone.error()?["code"] == -32602, "{}", gone.body);
    let asked = there.request("tools/call", &params).await?;
    replicas.restart(0).await?;
    let result = here.request("tools/call", &retry(&params, &asked)?).await?;
    ensure!(result["resultType"] == "complete", "{result}");
    // An earlier life of the asked one is as gone as a dead one.
    let asked = here.request("tools/call", &params).await?;
    replicas.brokers[0].kill().await?;
    replicas.restart(0).await?;
    let gone = there.send("tools/call", &retry(&params, &asked)?).await?;
    ensure!(gone.error()?["code"] == -32602, "{}", gone.body);
    Ok(())
}
