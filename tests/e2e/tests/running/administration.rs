//! `fjmcp-broker admin`, beside a running broker that hears of it.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::command::{Ended, run};
use e2e::mcp::request;
use e2e::oauth_client::OAuthClient;
use e2e::stack::{Stack, eventually, until_ok};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Runs `admin` with nothing but the name of the state file, as a shell without the broker's environment would.
async fn admin(stack: &Stack, arguments: &[&str]) -> Result<Ended> {
    let ended = run(&[&["admin"], arguments].concat(), &stack.store_settings()).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(ended)
}

async fn objects(stack: &Stack, arguments: &[&str]) -> Result<Vec<Value>> {
    let ended = admin(stack, &[arguments, &["--json"]].concat()).await?;
    Ok(serde_json::from_str(&ended.stdout)?)
}

#[tokio::test]
async fn a_revoked_user_is_out_within_seconds_with_session_stream_and_worker() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let (bob, _, _) = stack.session("bob").await?;
    let mut stream = mcp.open_stream().await?;
    let users = objects(&stack, &["users", "list"]).await?;
    let alice = users.iter().find(|user| user["login"] == "alice").context("alice is not listed")?;
    ensure!(alice["live_grants"] == 1 && alice["sessions"] == 1, "{alice}");
    let table = admin(&stack, &["users", "list"]).await?.stdout;
    ensure!(table.contains("LOGIN") && table.contains("alice") && table.contains("bob"), "{table}");

    let done = admin(&stack, &["users", "revoke", "alice"]).await?.stdout;
    ensure!(done == "grants ended: 1\n", "{done}");
    while stream.chunk().await?.is_some() {}
    until_ok("the token is refused", || async {
        let answer = mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?;
        ensure!(answer.status == StatusCode::UNAUTHORIZED, "{}", answer.status);
        Ok(())
    })
    .await?;
    eventually("only bob's worker is left", || stack.broker.workers().len() == 1).await?;
    ensure!(client.refresh(&tokens.refresh_token).await.is_err(), "the refresh token still serves");
    ensure!(bob.post(&request(&json!(1), "tools/list", &json!({}))).await?.status == StatusCode::OK);

    let events = objects(&stack, &["audit", "list", "--event", "admin.user_revoked"]).await?;
    ensure!(events.len() == 1 && events[0]["outcome"] == "1 grants", "{events:?}");
    ensure!(events[0]["actor"].as_str().is_some_and(|actor| actor.starts_with("operator (uid ")), "{events:?}");
    Ok(())
}

#[tokio::test]
async fn a_revoked_session_is_gone_and_its_connection_goes_on() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, tokens) = stack.session("alice").await?;
    let sessions = objects(&stack, &["sessions", "list", "--user", "alice"]).await?;
    let id = sessions[0]["id"].as_str().context("no id")?;
    ensure!(sessions.len() == 1 && sessions[0]["protocol_version"] == "2025-11-25", "{sessions:?}");
    admin(&stack, &["sessions", "revoke", &id[..12]]).await?;
    until_ok("the session is unknown", || async {
        let answer = mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?;
        ensure!(answer.status == StatusCode::NOT_FOUND, "{}", answer.status);
        Ok(())
    })
    .await?;
    let mut again = e2e::mcp::Mcp::new(&stack.broker.url, &tokens.access_token)?;
    again.initialize("2025-11-25").await?;
    Ok(())
}

#[tokio::test]
async fn grants_and_clients_are_shown_revoked_and_purged() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let grants = objects(&stack, &["grants", "list", "--user", "alice"]).await?;
    let (grant, client) = (grants[0]["id"].as_str().context("no id")?, grants[0]["client"].as_str().context("none")?);
    ensure!(grants[0]["scope"] == "read write" && grants[0]["client_name"] == "e2e", "{grants:?}");
    let shown = admin(&stack, &["grants", "show", grant]).await?.stdout;
    ensure!(shown.contains("client_name   e2e") || shown.contains("e2e"), "{shown}");
    ensure!(admin(&stack, &["clients", "show", client]).await?.stdout.contains("redirect_uris"));
    admin(&stack, &["grants", "revoke", grant]).await?;
    until_ok("the token is refused", || async {
        let answer = mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?;
        ensure!(answer.status == StatusCode::UNAUTHORIZED, "{}", answer.status);
        Ok(())
    })
    .await?;
    ensure!(objects(&stack, &["grants", "list"]).await?.is_empty());
    ensure!(objects(&stack, &["grants", "list", "--ended"]).await?.len() == 1);
    admin(&stack, &["clients", "purge", client]).await?;
    ensure!(objects(&stack, &["clients", "list"]).await?.is_empty());
    let stats = admin(&stack, &["stats", "--json"]).await?.stdout;
    let stats: Value = serde_json::from_str(&stats)?;
    ensure!(stats["users"] == 1 && stats["live_grants"] == 0 && stats["clients"] == 0, "{stats}");

    let settings = stack.store_settings();
    let nobody = run(&["admin", "users", "revoke", "nobody"], &settings).await?;
    ensure!(nobody.code == Some(1) && nobody.stderr.contains("admin users list"), "{nobody:?}");
    Ok(())
}

#[tokio::test]
async fn what_strangers_call_themselves_does_not_steer_the_operators_terminal() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let hostile = "\u{202e}edualC\u{1b}[2J\u{1b}]0;pwned\u{7}\u{9b}31m\r\nadmin  yes\u{200b}\u{2066}";
    OAuthClient::register(&stack.broker.url, hostile).await?;
    for arguments in [&["clients", "list"][..], &["clients", "list", "--json"], &["audit", "list"]] {
        let text = admin(&stack, arguments).await?.stdout;
        let bad = text.chars().find(|&c| (c.is_control() && c != '\n') || "\u{202e}\u{200b}\u{2066}\u{9b}".contains(c));
        ensure!(bad.is_none(), "{bad:?} in {text:?}");
    }
    let table = admin(&stack, &["clients", "list"]).await?.stdout;
    ensure!(table.lines().count() == 2, "a name made lines of its own:\n{table}");
    Ok(())
}

#[tokio::test]
async fn a_missing_or_foreign_file_is_told_in_words() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("broker.db");
    let settings = Settings::default().with("STORE_PATH", path.display().to_string());
    let missing = run(&["admin", "stats"], &settings).await?;
    ensure!(missing.code == Some(1) && missing.stderr.contains("there is no database at"), "{missing:?}");
    ensure!(!path.exists(), "the command made a database");
    Ok(())
}
