//! Two brokers on one database.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::broker::Settings;
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::stack::{Stack, postgres, until_ok};
use e2e::wire::Wire;
use reqwest::StatusCode;
use serde_json::json;

use super::{house, house_with};

async fn ensure_refused(mcp: &Mcp) -> Result<()> {
    let status = mcp.send("ping", &json!({})).await?.status;
    ensure!(status == StatusCode::UNAUTHORIZED, "{status}");
    Ok(())
}

/// An MCP client of alice's at each of two brokers, both of which have seen her token.
async fn at_both(stack: &Stack, other: &str) -> Result<(Mcp, OAuthClient, String)> {
    let (client, tokens) = stack.log_in("alice").await?;
    for url in [&stack.broker.url, other] {
        Mcp::new(url, &tokens.access_token)?.initialize("2025-11-25").await?;
    }
    let mut there = Mcp::new(other, &tokens.access_token)?;
    there.initialize("2025-11-25").await?;
    Ok((there, client, tokens.refresh_token))
}

#[tokio::test]
async fn what_ends_at_one_broker_ends_at_the_other_at_once() -> Result<()> {
    let (stack, _place) = house().await?;
    let folder = tempfile::tempdir()?;
    let other = stack.start_beside(folder.path(), Settings::default()).await?;
    let (there, client, refresh_token) = at_both(&stack, &other.url).await?;
    client.revoke(&refresh_token).await?;
    until_ok("the other broker refuses the token", || ensure_refused(&there)).await?;
    Ok(())
}

#[tokio::test]
async fn what_ends_at_one_broker_ends_at_the_other_also_if_notifications_are_lost() -> Result<()> {
    let (stack, _place) = house_with(Settings::default()).await?;
    let folder = tempfile::tempdir()?;
    // It listens where nobody speaks.
    let deaf = Settings::default().with("DATABASE_LISTEN_URL", "postgres://nobody@127.0.0.1:1/nowhere");
    let other = stack.start_beside(folder.path(), deaf).await?;
    other.wait_for_line("notifications of the database cannot be heard").await?;
    let (there, client, refresh_token) = at_both(&stack, &other.url).await?;
    client.revoke(&refresh_token).await?;
    until_ok("the other broker refuses the token", || ensure_refused(&there)).await?;
    Ok(())
}

/// A broker that hears nothing at all does not go on serving what it remembers.
#[tokio::test]
async fn a_broker_that_is_cut_off_from_the_database_serves_nobody_for_long() -> Result<()> {
    let (stack, place) = house().await?;
    let folder = tempfile::tempdir()?;
    let wire = Wire::to(postgres()?.port()).await?;
    let through = Settings::default()
        .with("DATABASE_URL", place.url_at(wire.port))
        .with("DATABASE_CONNECT_TIMEOUT", "1s")
        .with("DATABASE_STATEMENT_TIMEOUT", "1s");
    let other = stack.start_beside(folder.path(), through).await?;
    let (there, client, refresh_token) = at_both(&stack, &other.url).await?;
    wire.stall();
    client.revoke(&refresh_token).await?;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(3);
    while there.send("ping", &json!({})).await?.status != StatusCode::SERVICE_UNAVAILABLE {
        ensure!(tokio::time::Instant::now() < deadline, "it still serves what it remembers");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    wire.mend();
    until_ok("it hears what was ended", || ensure_refused(&there)).await
}

#[tokio::test]
async fn of_many_that_refresh_at_two_brokers_one_wins() -> Result<()> {
    let (stack, place) = house().await?;
    let folder = tempfile::tempdir()?;
    let other = stack.start_beside(folder.path(), Settings::default()).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let elsewhere = OAuthClient::known(&other.url, &client.id, &client.redirect_uri)?;
    let at: Vec<_> = (0..64).map(|index| if index % 2 == 0 { &client } else { &elsewhere }).collect();
    let answers = at.iter().map(|client| client.refresh_raw(&tokens.refresh_token));
    let answers = futures_util::future::join_all(answers).await;
    let mut won = 0;
    for answer in answers {
        let (status, body) = answer?;
        won += usize::from(status == StatusCode::OK);
        ensure!(status == StatusCode::OK || status == StatusCode::BAD_REQUEST, "{status} {body}");
    }
    ensure!(won == 1, "{won} callers were given tokens");
    ensure!(place.run("SELECT count(*) FROM refresh_tokens")? == "2");
    Ok(())
}

/// Design §5: one upstream credential per user, refreshed by one flight, wherever his sessions are.
#[tokio::test]
async fn sixteen_sessions_at_two_brokers_whose_forgejo_token_has_expired_cost_one_refresh() -> Result<()> {
    let (stack, _place) = house().await?;
    let folder = tempfile::tempdir()?;
    let other = stack.start_beside(folder.path(), Settings::default()).await?;
    let (_, tokens) = stack.log_in("alice").await?;
    let mut sessions = Vec::new();
    for index in 0..16 {
        let url = if index % 2 == 0 { &stack.broker.url } else { &other.url };
        let mut mcp = Mcp::new(url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await?;
        sessions.push(mcp);
    }
    let before = stack.sim.requests_to("/login/oauth/access_token").len();
    stack.sim.advance(Duration::from_hours(2));
    let nothing = json!({});
    let calls = sessions.iter().map(|mcp| mcp.call_text("get_my_user_info", &nothing));
    for text in futures_util::future::join_all(calls).await {
        ensure!(text?.contains("alice"));
    }
    let refreshes = stack.sim.requests_to("/login/oauth/access_token").len() - before;
    ensure!(refreshes == 1, "{refreshes} refreshes");
    Ok(())
}
