//! Bodies that two decoders read differently, and workers that print what they like (design.md §6; traps 21, 22).

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use serde_json::json;

use super::{ensure_error, house, received};

/// Go's decoder folds case and takes the last of several members: the worker would do what nobody judged.
#[tokio::test]
async fn a_member_that_is_there_twice_or_in_another_spelling_reaches_no_worker() -> Result<()> {
    const BODIES: &[&str] = &[
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","METHOD":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","\u006dethod":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"Params":{"name":"smuggled"}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{},\"param\u{17f}\":{\"name\":\"smuggled\"}}",
        r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","JsonRpc":"1.0","id":1,"method":"tools/call","params":{"name":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{},"_Meta":{"progressToken":1},"x":"smuggled"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"progressToken":1,"ProgressToken":2},"x":"smuggled"}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"_meta\":{\"progressToken\":1,\"progressTo\u{212a}en\":2},\"x\":\"smuggled\"}}",
        r#"{"jsonrpc":"2.0","method":"notifications/x","Id":1,"params":{"name":"smuggled"}}"#,
    ];
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for body in BODIES {
        for mcp in [&alice, &alice.without_session()] {
            ensure_error(&mcp.post(body).await?, 400, -32600).with_context(|| (*body).to_owned())?;
        }
    }
    let lines = received(&alice, None).await?;
    ensure!(!lines.is_empty() && lines.iter().all(|line| !line.contains("smuggled")), "{lines:#?}");
    Ok(())
}

/// Trap 22.
#[tokio::test]
async fn line_ends_outside_of_strings_do_not_make_two_lines_for_a_worker() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let body = "{\r\n  \"jsonrpc\": \"2.0\",\n  \"id\": 1,\r  \"method\": \"tools/call\",\n\n  \"params\": {\"name\": \"echo\",\n\
                \"arguments\": {\"text\": \"two\\nlines\"}}\n}\n";
    let answer = alice.post(body).await?;
    ensure!(answer.result()?["structuredContent"]["text"] == "two\nlines", "{}", answer.body);
    ensure!(received(&alice, Some("tools/call")).await?.len() == 2, "the worker read something else");
    Ok(())
}

#[tokio::test]
async fn what_is_no_json_rpc_is_refused_with_an_error_that_says_so() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}1{}}}}}"#, "[".repeat(500), "]".repeat(500));
    for body in ["", "{", "nonsense", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"} trailing", "\u{0}"] {
        ensure_error(&alice.post(body).await?, 400, -32700).with_context(|| body.to_owned())?;
    }
    for body in [
        "1",
        "\"text\"",
        "null",
        "{}",
        r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#,
        r#"{"id":1,"method":"x"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#,
        deep.as_str(),
    ] {
        ensure_error(&alice.post(body).await?, 400, -32600).with_context(|| body.to_owned())?;
    }
    ensure!(!alice.tools().await?.is_empty(), "the session was harmed");
    Ok(())
}

/// W32. The answer comes before the body is read; a client that is still sending has to see it all the same.
#[tokio::test]
async fn a_client_that_is_still_sending_sees_an_early_refusal() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let (fits, too_long) = ("x".repeat(3 * 1024 * 1024), "x".repeat(6 * 1024 * 1024));
    for _ in 0..5 {
        let message = ensure_error(&alice.send_call("echo", &json!({"x": too_long})).await?, 413, -32600)?;
        ensure!(message.contains("max-body-bytes"), "what to do is not said: {message}");
        let expired = alice.with_token("no-such-token").send_call("echo", &json!({"x": fits})).await?;
        ensure!(expired.status == 401 && expired.header("www-authenticate").is_some(), "{}", expired.status);
    }
    alice.call("echo", &json!({"x": fits})).await?;
    Ok(())
}

/// Trap 21.
#[tokio::test]
async fn lines_of_a_worker_that_are_no_messages_are_passed_over() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    for text in ["<html>", "{", "{}", "[]", "null", "", "\u{1b}[31mred", r#"{"jsonrpc":"2.0","id":{},"result":1}"#] {
        let answer =
            alice.call_text("garbage", &json!({"text": text, "times": 3})).await.with_context(|| text.to_owned())?;
        ensure!(answer.contains("printed"), "{text}: {answer}");
    }
    let mcp_unharmed = alice.call_text("stray", &json!({})).await?;
    ensure!(mcp_unharmed.contains("proper"), "{mcp_unharmed}");
    // Answered twice: the first one counts, the second one goes to nobody.
    let own = alice.send_call("stray", &json!({"id": "own"})).await?;
    ensure!(own.messages()?.len() == 1, "{}", own.body);
    for number in 0..5 {
        let echo = alice.call("echo", &json!({"number": number})).await?;
        ensure!(echo["structuredContent"]["number"] == number, "an answer to another call: {echo}");
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_that_prints_nothing_but_rubbish_is_replaced() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let answer = alice.send_call("garbage", &json!({"times": 5000})).await?;
    let message = ensure_error(&answer, 200, -32000)?;
    ensure!(message.contains("no MCP"), "{message}");
    alice.call("echo", &json!({})).await.context("the session did not go on")?;
    Ok(())
}

#[tokio::test]
async fn a_line_beyond_the_limit_is_passed_over_and_one_without_end_costs_only_its_call() -> Result<()> {
    let settings = Settings::default().with("CALL_DEADLINE", "3s");
    let stack = Stack::start_with(&children::fixture("2.34.1")?, SimConfig::default(), settings).await?;
    let (alice, _, _) = stack.session("alice").await?;
    let long = alice.call_text("endless_line", &json!({"bytes": 33 * 1024 * 1024})).await?;
    ensure!(long.contains("written"), "{long}");
    let endless = alice.send_call("endless_line", &json!({})).await?;
    let message = endless.error()?["message"].as_str().map(str::to_owned).unwrap_or_default();
    ensure!(message.contains("no answer within 3 s"), "{}", endless.body);
    let memory = resident_kib(stack.broker.pid)?;
    ensure!(memory < 512 * 1024, "the broker holds {memory} KiB");
    Ok(())
}

fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// A result of many megabytes passes whole.
#[tokio::test]
async fn a_large_answer_passes_whole() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let text = alice.call_text("large", &json!({"bytes": 8 * 1024 * 1024})).await?;
    ensure!(text.len() == 8 * 1024 * 1024, "{} bytes", text.len());
    Ok(())
}
