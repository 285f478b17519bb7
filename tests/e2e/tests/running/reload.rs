//! SIGHUP.

mod terms;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use e2e::broker::{Broker, Settings, http_client};
use e2e::children::fixture;
use e2e::mcp::request;
use e2e::oauth_client::OAuthClient;
use e2e::stack::{KEY, Stack, until_ok};
use forgejo_sim::SimConfig;
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::json;

const OTHER_KEY: &str = "HxweHRscGRoXGBUWExQREg8QDQ4LDAkKBwgFBgMEAQI";

/// A stack with a configuration file that can be changed.
async fn with_file(text: &str) -> Result<(Stack, PathBuf)> {
    let folder = tempfile::tempdir()?.keep();
    let file = folder.join("broker.toml");
    std::fs::write(&file, text)?;
    let settings = Settings::default().with("CONFIG", file.display().to_string());
    Ok((Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings.with("LOG_LEVEL", "")).await?, file))
}

/// Reloads, and waits for the line that says how it went.
async fn reload(broker: &Broker, line: &str) -> Result<String> {
    broker.signal(Signal::HUP)?;
    broker.wait_for_line(line).await
}

#[tokio::test]
async fn limits_lists_and_the_log_level_change_without_a_restart_and_sessions_stay() -> Result<()> {
    let (stack, file) = with_file("log-level = \"info\"\nmax-clients = 10\n").await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let evil = http_client()?.post(format!("{}/mcp", stack.broker.url)).header("origin", "https://inspector.example");
    ensure!(evil.body("{}").send().await?.status() == StatusCode::FORBIDDEN);

    std::fs::write(
        &file,
        "log-level = \"debug\"\nmax-clients = 10\nallowed-origins = [\"https://inspector.example\"]\n\
         rate-limit-register = \"1/h\"\nshutdown-grace = \"7s\"\n",
    )?;
    reload(&stack.broker, "configuration reloaded").await?;
    let asked = http_client()?.post(format!("{}/mcp", stack.broker.url)).header("origin", "https://inspector.example");
    ensure!(asked.body("{}").send().await?.status() == StatusCode::UNAUTHORIZED, "the origin is not allowed yet");
    OAuthClient::register(&stack.broker.url, "first").await?;
    ensure!(OAuthClient::register(&stack.broker.url, "second").await.is_err(), "the rate is not limited yet");
    ensure!(mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?.status == StatusCode::OK);

    let log = stack.broker.log();
    let line = |name: &str| log.lines().find(|line| line.contains(&format!("\"setting.name\":\"{name}\"")));
    for name in ["log-level", "allowed-origins", "rate-limit-register"] {
        ensure!(line(name).is_some_and(|line| line.contains("setting reloaded")), "{name} in\n{log}");
    }
    ensure!(line("shutdown-grace").is_some_and(|line| line.contains("needs a restart")), "{log}");
    ensure!(line("max-clients").is_none(), "what is as before is not told");
    http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
    until_ok("a debug line is there", || async {
        ensure!(stack.broker.log().lines().any(|line| line.contains("\"DEBUG\"")));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_says_why() -> Result<()> {
    let (stack, file) = with_file("rate-limit-register = \"1000/m\"\n").await?;
    std::fs::write(&file, "rate-limit-register = \"1/h\"\nmax-sessions = \"many\"\n")?;
    let line = reload(&stack.broker, "the configuration was not reloaded").await?;
    ensure!(line.contains("max-sessions") && line.contains("broker.toml"), "{line}");
    for name in ["a", "b", "c"] {
        OAuthClient::register(&stack.broker.url, name).await?;
    }
    std::fs::write(&file, "this is no TOML")?;
    stack.broker.signal(Signal::HUP)?;
    std::fs::remove_file(&file)?;
    stack.broker.signal(Signal::HUP)?;
    until_ok("all three were refused", || async {
        let refused = stack.broker.log().matches("the configuration was not reloaded").count();
        ensure!(refused >= 2, "{refused}");
        Ok(())
    })
    .await?;
    let alive = http_client()?.get(format!("{}/healthz", stack.broker.url)).send().await?;
    ensure!(alive.status() == StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_key_in_front_is_taken_and_a_ring_without_the_old_one_is_refused() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.broker.terminate().await?;
    let keys = stack.state.path().join("keys");
    std::fs::write(&keys, format!("{KEY}\n"))?;
    stack.settings =
        stack.settings.clone().without("ENCRYPTION_KEYS").with("ENCRYPTION_KEYS_FILE", keys.display().to_string());
    stack.restart().await?;
    let (mcp, _, _) = stack.session("alice").await?;

    std::fs::write(&keys, format!("{OTHER_KEY}\n"))?;
    let line = reload(&stack.broker, "the configuration was not reloaded").await?;
    ensure!(line.contains("can't be read with the configured encryption keys"), "{line}");
    ensure!(!stack.broker.log().contains(OTHER_KEY) && !stack.broker.log().contains(KEY));
    stack.session("bob").await?;
    ensure!(mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?.status == StatusCode::OK);

    std::fs::write(&keys, format!("{OTHER_KEY}\n{KEY}\n"))?;
    reload(&stack.broker, "configuration reloaded").await?;
    stack.session("bob").await?;
    stack.broker.terminate().await?;
    std::fs::write(&keys, format!("{KEY}\n"))?;
    let ended = e2e::command::run(&["serve"], &stack.settings).await?;
    ensure!(ended.code == Some(1) && ended.stderr.contains("encryption key"), "the new key was not used: {ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_configured_client_that_has_gone_is_not_known_any_more() -> Result<()> {
    let table = "[[clients]]\nid = \"desk\"\nredirect_uris = [\"https://desk.example/cb\"]\n";
    let (stack, file) = with_file(table).await?;
    let authorize = || async {
        let query = "response_type=code&client_id=desk&redirect_uri=https%3A%2F%2Fdesk.example%2Fcb&state=s\
                     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
        anyhow::Ok(http_client()?.get(format!("{}/oauth/authorize?{query}", stack.broker.url)).send().await?.status())
    };
    ensure!(authorize().await? == StatusCode::OK);
    std::fs::write(&file, "")?;
    reload(&stack.broker, "configuration reloaded").await?;
    ensure!(authorize().await? != StatusCode::OK, "the client is still known");
    Ok(())
}
