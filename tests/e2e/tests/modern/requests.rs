use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::events::Events;
use e2e::stack::until_ok;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::{client, house};

#[tokio::test]
async fn colliding_ids_and_progress_tokens_of_many_callers_never_meet() -> Result<()> {
    let (stack, alice) = house().await?;
    let bob = client(&stack, "bob").await?;
    let calls = (0..40).map(|number| {
        let (caller, login) = if number % 2 == 0 { (&alice, "alice") } else { (&bob, "bob") };
        async move {
            let params =
                json!({"name": "echo", "arguments": {"number": number, "of": login}, "_meta": {"progressToken": 1}});
            let mut message = caller.message("tools/call", &params);
            message["id"] = json!(1);
            let answer = e2e::modern::read(caller.open(&message, &[]).await?).await?;
            let echoed = answer.result()?["structuredContent"].clone();
            ensure!(echoed == params["arguments"], "{echoed} for {params}");
            Ok(())
        }
    });
    try_join_all(calls).await?;
    ensure!(stack.broker.workers().len() == 2, "{:?}", stack.broker.workers());
    Ok(())
}

#[tokio::test]
async fn progress_and_wanted_log_messages_come_before_the_answer() -> Result<()> {
    let (_stack, alice) = house().await?;
    let meta = json!({"progressToken": "p"});
    let message = alice.message("tools/call", &json!({"name": "progress", "arguments": {"n": 3}, "_meta": meta}));
    let all = Events::of(alice.open(&message, &[]).await?)?.rest().await?;
    ensure!(all.len() == 4 && all[..3].iter().all(|step| step["params"]["progressToken"] == "p"), "{all:?}");
    ensure!(all[3]["id"] == message["id"] && all[3]["result"]["resultType"] == "complete", "{all:?}");
    for (wanted, level, sent) in [(None, "error", false), (Some("info"), "info", true), (Some("error"), "info", false)]
    {
        let meta = wanted.map_or(json!({}), |level| json!({"io.modelcontextprotocol/logLevel": level}));
        let answer =
            alice.send("tools/call", &json!({"name": "log", "arguments": {"level": level}, "_meta": meta})).await?;
        let messages = answer.messages()?;
        let logged = messages.iter().any(|message| message["method"] == "notifications/message");
        ensure!(logged == sent, "{wanted:?} {level}: {messages:?}");
    }
    Ok(())
}

/// Trap 7.
#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_call_in_the_worker() -> Result<()> {
    let (_stack, alice) = house().await?;
    alice.call_text("echo", &json!({})).await?;
    let hung_up = {
        let (alice, slow) = (alice.clone(), json!({"name": "slow", "arguments": {"ms": 60_000}}));
        tokio::spawn(async move { alice.send("tools/call", &slow).await })
    };
    let slow_calls = async || -> Result<Vec<String>> {
        let text = alice.call_text("received", &json!({"method": "tools/call"})).await?;
        let report: Value = serde_json::from_str(&text)?;
        let lines: Vec<String> = serde_json::from_value(report["lines"].clone())?;
        Ok(lines.into_iter().filter(|line| line.contains("\"slow\"")).collect())
    };
    let call = until_ok("the call reaches the worker", async || {
        slow_calls().await?.pop().ok_or_else(|| anyhow::anyhow!("not there yet"))
    })
    .await?;
    let call: Value = serde_json::from_str(&call)?;
    ensure!(call["params"].get("_meta").is_none(), "{call}");
    hung_up.abort();
    until_ok("the cancellation reaches the worker", async || {
        let text = alice.call_text("received", &json!({"method": "notifications/cancelled"})).await?;
        let report: Value = serde_json::from_str(&text)?;
        let needle = format!("\"requestId\":{}", call["id"]);
        ensure!(report["lines"].to_string().replace('\\', "").contains(&needle), "{report}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced_and_the_call_that_it_had_is_told() -> Result<()> {
    let (_stack, alice) = house().await?;
    let answer = alice.send("tools/call", &json!({"name": "crash", "arguments": {}})).await?;
    ensure!(answer.status == 200 && answer.error()?["message"].is_string(), "{} {}", answer.status, answer.body);
    ensure!(alice.call_text("get_my_user_info", &json!({})).await?.contains("alice"), "no worker came back");
    Ok(())
}

/// Design §6: plain JSON while nothing has to go before it; a stream after 5 s.
#[tokio::test]
async fn a_call_that_takes_long_becomes_a_stream() -> Result<()> {
    let (_stack, alice) = house().await?;
    let message = alice.message("tools/call", &json!({"name": "slow", "arguments": {"ms": 6000}}));
    let begun = tokio::time::Instant::now();
    let mut events = Events::of(alice.open(&message, &[]).await?)?;
    ensure!(begun.elapsed() >= Duration::from_secs(4), "it was a stream from the start");
    ensure!(events.message().await?["id"] == message["id"], "no answer");
    Ok(())
}
