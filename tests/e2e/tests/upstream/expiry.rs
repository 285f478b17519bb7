//! The user's Forgejo token ends, which nobody is to notice.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::broker::Settings;
use e2e::children;
use e2e::mcp::Mcp;
use e2e::stack::{Stack, until_ok};
use forgejo_sim::SimConfig;
use futures_util::future::try_join_all;

use super::{ensure_served, house};

const TOKEN_ENDPOINT: &str = "/login/oauth/access_token";

/// W3: Forgejo counts its tokens per user and application, so of two refreshes one would be lost.
#[tokio::test]
async fn sixteen_sessions_at_once_cost_one_refresh_and_lose_no_call() -> Result<()> {
    let stack = house().await?;
    let (first, _, tokens) = stack.session("alice").await?;
    let mut sessions = vec![first];
    for _ in 1..16 {
        let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await?;
        sessions.push(mcp);
    }
    let mut workers = stack.broker.workers();
    stack.sim.advance(Duration::from_hours(2));
    try_join_all(sessions.iter().map(|mcp| ensure_served(mcp, "alice"))).await?;
    ensure!(stack.sim.refreshes() == 1, "{} refreshes", stack.sim.refreshes());
    ensure!(stack.sim.most_at_once(TOKEN_ENDPOINT) == 1, "two at the token endpoint at once");
    try_join_all(sessions.iter().map(|mcp| ensure_served(mcp, "alice"))).await?;
    ensure!(stack.sim.refreshes() == 1, "{} refreshes", stack.sim.refreshes());
    // W24: rotation needs no restart.
    let mut after = stack.broker.workers();
    workers.sort_unstable();
    after.sort_unstable();
    ensure!(workers.len() == 16 && workers == after, "workers {workers:?} became {after:?}");
    Ok(())
}

/// A write whose first try met the expired token is made once.
#[tokio::test]
async fn a_write_that_meets_the_expired_token_is_made_exactly_once() -> Result<()> {
    let stack = house().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    stack.sim.advance(Duration::from_hours(2));
    let issue = serde_json::json!({"owner": "alice", "repo": "hello", "title": "just once"});
    mcp.call("create_issue", &issue).await?;
    let made = stack.sim.count_requests(|request| request.method == "POST" && request.status == Some(201));
    ensure!(made == 1, "{made} issues were made");
    Ok(())
}

/// Ahead of its end, while calls go on with the one that is still good.
#[tokio::test]
async fn a_token_is_refreshed_before_it_ends() -> Result<()> {
    let sim = SimConfig { access_token_life: Duration::from_secs(10), ..SimConfig::default() };
    let stack = Stack::start_with(&children::fixture("2.34.1")?, sim, Settings::default()).await?;
    let (mcp, _, _) = stack.session("alice").await?;
    until_ok("the token is refreshed", || async {
        ensure_served(&mcp, "alice").await?;
        ensure!(stack.sim.refreshes() > 0, "no refresh");
        Ok(())
    })
    .await?;
    ensure_served(&mcp, "alice").await?;
    let refused = stack.sim.count_requests(|request| request.status == Some(401));
    ensure!(refused == 0, "{refused} requests met an ended token");
    Ok(())
}

/// Forgejo kills the first login's refresh token with the second login.
#[tokio::test]
async fn a_second_login_does_not_disturb_the_first_client() -> Result<()> {
    let stack = house().await?;
    let (first, first_client, first_tokens) = stack.session("alice").await?;
    let (second, second_client, second_tokens) = stack.session("alice").await?;
    for mcp in [&first, &second] {
        ensure_served(mcp, "alice").await?;
    }
    stack.sim.advance(Duration::from_hours(2));
    for mcp in [&first, &second] {
        ensure_served(mcp, "alice").await?;
    }
    ensure!(stack.sim.refreshes() == 1, "{} refreshes for one user", stack.sim.refreshes());
    for (mcp, client, tokens) in [(&first, &first_client, &first_tokens), (&second, &second_client, &second_tokens)] {
        let renewed = client.refresh(&tokens.refresh_token).await?;
        ensure_served(&mcp.with_token(&renewed.access_token), "alice").await?;
    }
    Ok(())
}

/// Two users whose tokens end at the same moment: one refresh each.
#[tokio::test]
async fn users_do_not_wait_for_each_other_nor_share_a_token() -> Result<()> {
    let stack = house().await?;
    let (alice, _, _) = stack.session("alice").await?;
    let (bob, _, _) = stack.session("bob").await?;
    stack.sim.advance(Duration::from_hours(2));
    tokio::try_join!(ensure_served(&alice, "alice"), ensure_served(&bob, "bob"))?;
    ensure!(stack.sim.refreshes() == 2, "{} refreshes for two users", stack.sim.refreshes());
    Ok(())
}
