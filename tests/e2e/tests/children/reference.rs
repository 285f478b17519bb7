//! Any MCP server on stdio can be the worker by configuration: the reference server of the protocol's makers, under the custom profile.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::{Child, reference_server};
use e2e::mcp::Mcp;
use e2e::modern::Modern;
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use serde_json::{Value, json};

/// The reference server behind a broker, and alice; nothing if it is not installed.
async fn house() -> Result<Option<(Stack, String)>> {
    let child: Child = match reference_server()? {
        Ok(child) => child,
        Err(absent) => {
            writeln!(std::io::stderr().lock(), "{}: skipped: {}", absent.label, absent.reason)?;
            return Ok(None);
        }
    };
    let settings = Settings::default().with("WORKER_ENV", "GREETING=hello");
    let stack = Stack::start_with(&child, SimConfig::default(), settings).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    Ok(Some((stack, tokens.access_token)))
}

fn names(result: &Value, list: &str, name: &str) -> Vec<String> {
    let items = result[list].as_array().into_iter().flatten();
    items.filter_map(|item| Some(item[name].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn the_reference_server_serves_a_session_with_all_it_has() -> Result<()> {
    let Some((stack, token)) = house().await? else { return Ok(()) };
    let mut mcp = Mcp::new(&stack.broker.url, &token)?;
    let greeting = mcp.initialize("2025-11-25").await?;
    ensure!(greeting["serverInfo"]["name"] == "mcp-servers/everything", "{greeting}");
    ensure!(greeting["capabilities"]["tasks"].is_object(), "trap 19: a session is told of tasks: {greeting}");
    ensure!(mcp.call_text("echo", &json!({"message": "grüß dich"})).await?.contains("grüß dich"), "no echo");
    ensure!(mcp.call_text("get-sum", &json!({"a": 2, "b": 40})).await?.contains("42"), "no sum");
    let image = mcp.call("get-tiny-image", &json!({})).await?;
    ensure!(image["content"].to_string().contains("image/png"), "{image}");

    let params = json!({
        "name": "trigger-long-running-operation", "arguments": {"duration": 0.2, "steps": 2},
        "_meta": {"progressToken": "mine"},
    });
    let messages = mcp.send("tools/call", &params).await?.messages()?;
    let progress: Vec<&Value> =
        messages.iter().filter(|message| message["method"] == "notifications/progress").collect();
    ensure!(
        progress.len() == 2 && progress.iter().all(|told| told["params"]["progressToken"] == "mine"),
        "{messages:?}"
    );
    ensure!(messages.last().is_some_and(|last| last["result"].is_object()), "{messages:?}");

    let prompts = mcp.request("prompts/list", &json!({})).await?;
    let prompt =
        names(&prompts, "prompts", "name").into_iter().find(|name| name.contains("simple")).context("no prompt")?;
    let prompt = mcp.request("prompts/get", &json!({"name": prompt})).await?;
    ensure!(prompt["messages"][0].is_object(), "{prompt}");
    let resources = mcp.request("resources/list", &json!({})).await?;
    let uri = names(&resources, "resources", "uri").into_iter().next().context("no resource")?;
    let read = mcp.request("resources/read", &json!({"uri": uri})).await?;
    ensure!(read["contents"][0]["text"].is_string(), "{read}");
    ensure!(mcp.delete().await? == 204, "the session did not end");
    Ok(())
}

#[tokio::test]
async fn the_reference_server_serves_a_stateless_client_and_its_questions_reach_him() -> Result<()> {
    let Some((stack, token)) = house().await? else { return Ok(()) };
    let alice = Modern::new(&stack.broker.url, &token)?.able();
    let discovered = alice.request("server/discover", &json!({})).await?;
    ensure!(discovered["capabilities"]["prompts"].is_object(), "{discovered}");
    ensure!(discovered["capabilities"].get("tasks").is_none(), "trap 19: {discovered}");
    ensure!(alice.call_text("get-sum", &json!({"a": 2, "b": 40})).await?.contains("42"), "no sum");

    let params = json!({"name": "trigger-sampling-request", "arguments": {"prompt": "say hello", "maxTokens": 10}});
    let asked = alice.request("tools/call", &params).await?;
    ensure!(asked["resultType"] == "input_required", "{asked}");
    let (key, question) =
        asked["inputRequests"].as_object().and_then(|all| all.iter().next()).context("no question")?;
    ensure!(question["method"] == "sampling/createMessage", "{question}");
    ensure!(question["params"].to_string().contains("say hello"), "{question}");
    let answer = json!({
        "role": "assistant", "model": "none", "content": {"type": "text", "text": "hello from the other side"},
    });
    let mut retry = params.clone();
    retry["requestState"] = asked["requestState"].clone();
    retry["inputResponses"] = json!({ key: answer });
    let result = alice.request("tools/call", &retry).await?;
    ensure!(result["resultType"] == "complete", "{result}");
    ensure!(result.to_string().contains("hello from the other side"), "{result}");
    Ok(())
}

#[tokio::test]
async fn a_program_has_the_variables_that_were_configured_and_no_other() -> Result<()> {
    let Some((stack, token)) = house().await? else { return Ok(()) };
    let alice = Modern::new(&stack.broker.url, &token)?;
    let text = alice.call_text("get-env", &json!({})).await?;
    let variables: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let mut found: Vec<&str> = variables.as_object().context("no variables")?.keys().map(String::as_str).collect();
    found.sort_unstable();
    ensure!(variables["GREETING"] == "hello", "{variables}");
    let given = ["FORGEJO_ACCESS_TOKEN", "FORGEJO_URL", "GREETING", "HOME", "LANG", "PATH", "TMPDIR", "TZ"];
    ensure!(found.iter().all(|name| given.contains(name)), "{found:?}");
    // Trap 32: what it prints of its own capability does not leave.
    let capability = variables["FORGEJO_ACCESS_TOKEN"].as_str().unwrap_or_default();
    ensure!(!capability.starts_with("fjb_"), "the capability is {capability}");
    ensure!(variables["FORGEJO_URL"] == stack.sim.url(), "{variables}");
    Ok(())
}
