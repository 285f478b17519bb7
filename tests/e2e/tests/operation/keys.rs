//! Keys come and go: a rotation while the broker runs, and a key that is lost.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Broker, Settings};
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::{KEY, Stack};
use serde_json::json;

/// Bytes 31 down to 0.
const NEW_KEY: &str = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA";

async fn keys(arguments: &[&str], settings: &Settings) -> Result<(Option<i32>, String)> {
    let ended = run(&[&["keys"], arguments].concat(), settings).await?;
    let text = format!("{}{}", ended.stdout, ended.stderr);
    for key in [KEY, NEW_KEY] {
        ensure!(!text.contains(key), "a key is shown");
    }
    Ok((ended.code, text))
}

async fn ensure_serves(mcp: &e2e::mcp::Mcp) -> Result<()> {
    let whoami = fixture("2.18.0")?.words.whoami("alice");
    let text = mcp.call_text(whoami.tool, &whoami.arguments).await?;
    ensure!(text.contains("alice"), "{text}");
    Ok(())
}

/// The whole way of an operator: new key in front, restart, rotate beside the running broker, old key out, restart.
#[tokio::test]
async fn a_key_is_replaced_while_the_broker_runs_and_nobody_notices() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    ensure_serves(&mcp).await?;
    let both = stack.settings.clone().with("ENCRYPTION_KEYS", format!("{NEW_KEY},{KEY}"));
    let (code, told) = keys(&["rotate"], &both).await?;
    ensure!(code == Some(1) && told.contains("restart the broker"), "before a broker has the key: {code:?} {told}");

    stack.broker.terminate().await?;
    stack.settings = both.clone();
    stack.restart().await?;
    let (code, listed) = keys(&["list"], &both).await?;
    ensure!(
        code == Some(0) && listed.contains("seals and opens") && listed.contains("users.access_token 1"),
        "{listed}"
    );
    let (code, told) = keys(&["rotate"], &both).await?;
    ensure!(code == Some(0) && told.contains("sealed anew"), "{code:?} {told}");
    ensure_serves(&mcp).await.context("beside the rotation")?;
    let (code, told) = keys(&["rotate"], &both).await?;
    ensure!(code == Some(0) && told.starts_with("0 values"), "nothing is left: {told}");

    stack.broker.terminate().await?;
    stack.settings = both.with("ENCRYPTION_KEYS", NEW_KEY);
    stack.restart().await?;
    ensure_serves(&mcp).await.context("without the old key")?;
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}

/// A clear error and a login, and no more than that.
#[tokio::test]
async fn a_lost_key_is_named_at_the_start_and_costs_those_concerned_a_login() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    stack.broker.terminate().await?;
    let (_, listed) = keys(&["list"], &stack.settings).await?;
    let id = listed.lines().nth(1).and_then(|line| line.split_whitespace().next()).context("no id")?.to_owned();

    stack.settings.set("ENCRYPTION_KEYS", NEW_KEY);
    let mut refused = Broker::spawn(&stack.settings)?;
    ensure!(!refused.wait().await?.success(), "it started without a key that is in use");
    let told = refused.wait_for_line("keys forget").await?;
    ensure!(told.contains(&id), "{told}");
    let (code, listed) = keys(&["list"], &stack.settings).await?;
    ensure!(code == Some(0) && listed.contains("MISSING"), "{listed}");
    let (code, told) = keys(&["rotate", "--offline"], &stack.settings).await?;
    ensure!(code == Some(1) && told.contains("keys forget"), "{code:?} {told}");
    let (code, told) = keys(&["forget", &id], &stack.settings).await?;
    ensure!(code == Some(0) && told.contains("1 users have to log in again"), "{code:?} {told}");

    stack.restart().await?;
    let answer = mcp.send("tools/list", &json!({})).await?;
    ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
    let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
    ensure!(status == 400 && body["error"] == "invalid_grant", "{status} {body}");
    let again = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    let lost = mcp.with_token(&again.access_token).send("ping", &json!({})).await?;
    ensure!(lost.status == 404, "the session is begun anew: {} {}", lost.status, lost.body);
    let mut fresh = e2e::mcp::Mcp::new(&stack.broker.url, &again.access_token)?;
    fresh.initialize("2025-11-25").await?;
    ensure_serves(&fresh).await?;
    client.refresh(&tokens.refresh_token).await.context("the older connection lives again, too")?;
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_there_is_not_forgotten_and_a_text_that_is_no_id_is_told() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (_, listed) = keys(&["list"], &stack.settings).await?;
    let id = listed.lines().nth(1).and_then(|line| line.split_whitespace().next()).context("no id")?.to_owned();
    let (code, told) = keys(&["forget", &id], &stack.settings).await?;
    ensure!(code == Some(1) && told.contains("is in the key ring"), "{code:?} {told}");
    let (code, told) = keys(&["forget", "rubbish"], &stack.settings).await?;
    ensure!(code == Some(2) && told.contains("hexadecimal"), "{code:?} {told}");
    Ok(())
}
