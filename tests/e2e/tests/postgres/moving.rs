//! From a file to a server, with everybody staying logged in.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Broker, Settings};
use e2e::children::fixture;
use e2e::command::run;
use e2e::stack::{Stack, postgres};
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn whoever_was_logged_in_on_a_file_is_logged_in_on_the_server() -> Result<()> {
    let mut stack =
        Stack::start_with(&fixture("2.18.0")?, forgejo_sim::SimConfig::default(), Settings::default()).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    let (gone, bobs, bobs_tokens) = stack.session("bob").await?;
    bobs.revoke(&bobs_tokens.refresh_token).await?;
    let file = stack.state.path().join("broker.db");
    if !file.exists() {
        // The whole suite runs on PostgreSQL: there is no file to move.
        return Ok(());
    }
    let place = postgres()?.database()?;
    let (from, to) = (format!("sqlite:{}", file.display()), place.url());
    let arguments = ["migrate", "--from", &from, "--to", &to];
    let refused = run(&arguments, &Settings::default()).await?;
    ensure!(refused.code == Some(1) && refused.stderr.contains("a broker is running on"), "{refused:?}");
    ensure!(place.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")? == "0");

    ensure!(stack.broker.terminate().await?.success());
    let moved = run(&arguments, &Settings::default()).await?;
    ensure!(moved.code == Some(0), "{moved:?}");
    let told = moved.stdout.lines().find(|line| line.starts_with("users ")).context("no line for users")?;
    ensure!(told.split_whitespace().nth(1) == Some("2") && moved.stdout.contains("moving grants"), "{}", moved.stdout);
    ensure!(!moved.stdout.contains(&format!(":{}@", place.password())), "{}", moved.stdout);

    stack.settings = stack.settings.clone().without("STORE_PATH").with("DATABASE_URL", place.url());
    let folder = tempfile::tempdir()?;
    stack.settings.set("STATE_DIR", folder.path().display().to_string());
    stack.restart().await?;
    let mcp = mcp.with_token(&renewed.access_token);
    ensure!(mcp.call_text("get_my_user_info", &json!({})).await?.contains("alice"), "the same token and session");
    client.refresh(&renewed.refresh_token).await.context("the same refresh token")?;
    let (status, _) = client.refresh_raw(&tokens.refresh_token).await?;
    ensure!(status == StatusCode::BAD_REQUEST, "what was spent stays spent: {status}");
    ensure!(gone.send("ping", &json!({})).await?.status == StatusCode::UNAUTHORIZED, "what was revoked stays so");

    let again = run(&arguments, &Settings::default()).await?;
    ensure!(again.code == Some(1) && again.stderr.contains("is not empty"), "{again:?}");
    Ok(())
}

#[tokio::test]
async fn two_brokers_of_different_versions_run_beside_each_other_if_the_schema_says_so() -> Result<()> {
    let (stack, place) = super::house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    // What a step of tomorrow that only adds leaves behind.
    let tomorrow = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                    VALUES (9999, 'of tomorrow', TRUE, 'x', 1); ALTER TABLE users ADD COLUMN of_tomorrow TEXT";
    place.run(tomorrow)?;
    let folder = tempfile::tempdir()?;
    let beside: Broker = stack.start_beside(folder.path(), Settings::default()).await?;
    ensure!(mcp.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    client.refresh(&tokens.refresh_token).await?;
    drop(beside);

    place.run("UPDATE oldest_program SET step = 9999")?;
    let refused = stack.start_beside(folder.path(), Settings::default()).await;
    let Err(refused) = refused else { anyhow::bail!("it started on a schema that is not for it") };
    ensure!(format!("{refused:?}").contains("written by a newer version"), "{refused:?}");
    Ok(())
}
