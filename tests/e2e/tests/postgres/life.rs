//! A user's way from login to logout.

use anyhow::{Result, ensure};
use e2e::mcp::request;
use e2e::stack::until_ok;
use reqwest::StatusCode;
use serde_json::json;

use super::house;

#[tokio::test]
async fn logins_tokens_and_sessions_are_kept_and_outlive_a_kill_of_the_broker() -> Result<()> {
    let (mut stack, place) = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let (bob, bobs_client, bobs) = stack.session("bob").await?;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    ensure!(place.run("SELECT count(*) FROM sessions")? == "2");
    bobs_client.revoke(&bobs.refresh_token).await?;

    stack.broker.kill().await?;
    stack.restart().await?;
    let mcp = mcp.with_token(&renewed.access_token);
    ensure!(mcp.call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    ensure!(bob.send("ping", &json!({})).await?.status == StatusCode::UNAUTHORIZED, "a revoked token is back");
    let once_more = client.refresh(&renewed.refresh_token).await?;
    ensure!(mcp.with_token(&once_more.access_token).tools().await.is_ok());
    let (status, _) = client.refresh_raw(&tokens.refresh_token).await?;
    ensure!(status == StatusCode::BAD_REQUEST, "a spent refresh token serves: {status}");
    Ok(())
}

#[tokio::test]
async fn nothing_that_can_be_spent_is_readable_in_the_database() -> Result<()> {
    let (stack, place) = house().await?;
    let (_, _, tokens) = stack.session("alice").await?;
    let rows = "SELECT string_agg(t::text, ' ') FROM (SELECT * FROM users) t UNION ALL \
                SELECT string_agg(t::text, ' ') FROM (SELECT * FROM access_tokens) t UNION ALL \
                SELECT string_agg(t::text, ' ') FROM (SELECT * FROM refresh_tokens) t UNION ALL \
                SELECT string_agg(t::text, ' ') FROM (SELECT * FROM sessions) t";
    let stored = place.run(rows)?;
    ensure!(stored.contains("alice"), "the search finds what is there");
    for secret in [&tokens.access_token, &tokens.refresh_token] {
        ensure!(!stored.contains(secret.as_str()) && !stored.contains(&hex::encode(secret)), "{stored}");
    }
    Ok(())
}

#[tokio::test]
async fn what_an_operator_revokes_beside_it_ends_at_once() -> Result<()> {
    let (stack, _place) = house().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let done = e2e::command::run(&["admin", "users", "revoke", "alice"], &stack.store_settings()).await?;
    ensure!(done.stdout == "grants ended: 1\n", "{done:?}");
    until_ok("the token is refused", || async {
        let answer = mcp.post(&request(&json!(1), "tools/list", &json!({}))).await?;
        ensure!(answer.status == StatusCode::UNAUTHORIZED, "{}", answer.status);
        Ok(())
    })
    .await
}
