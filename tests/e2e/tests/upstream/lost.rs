//! The login at Forgejo dies, and what brings it back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::browser::{Browser, Person};
use e2e::events::Events;
use e2e::mcp::{Mcp, request};
use e2e::oauth_client::OAuthClient;
use e2e::stack::{Stack, eventually, until_ok};
use forgejo_sim::{Fault, FaultRule, UserState};
use serde_json::json;

use super::{ensure_challenged, ensure_served, house, whoami};

const TOKEN_ENDPOINT: &str = "/login/oauth/access_token";

fn two_hours_pass(stack: &Stack) {
    stack.sim.advance(Duration::from_hours(2));
}

async fn log_in_again(client: &OAuthClient) -> Result<()> {
    client.log_in(&Browser::new()?, &Person::named("alice")).await.map(drop)
}

/// W19: a rotation that Forgejo counted and whose answer never came. The user has to log in; nothing else is lost.
#[tokio::test]
async fn a_refresh_whose_answer_is_lost_ends_in_a_login_that_revives_everything() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    stack.sim.add_fault(FaultRule::on(TOKEN_ENDPOINT, Fault::DropAnswer).times(1));
    two_hours_pass(&stack);
    // What the broker can't know is first told as trouble, and never as success.
    let first = whoami(&mcp).await?;
    ensure!(first.status == 401 || first.result().is_err(), "{}", first.body);
    until_ok("the broker notices", || async { ensure_challenged(&whoami(&mcp).await?) }).await?;
    log_in_again(&client).await?;
    ensure_served(&mcp, "alice").await.context("the old session with the old token")?;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    ensure_served(&mcp.with_token(&renewed.access_token), "alice").await?;
    Ok(())
}

/// W19: the broker dies between Forgejo's rotation and its own note of it.
#[tokio::test]
async fn a_broker_killed_in_the_middle_of_a_refresh_is_mended_by_a_login() -> Result<()> {
    let mut stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    stack.sim.add_fault(FaultRule::on(TOKEN_ENDPOINT, Fault::HoldAnswer).times(1));
    two_hours_pass(&stack);
    let cut = mcp.clone();
    let cut = tokio::spawn(async move { whoami(&cut).await });
    eventually("the refresh is under way", || stack.sim.refreshes() == 1).await?;
    stack.broker.kill().await?;
    ensure!(cut.await?.is_err(), "answered by nobody");
    stack.restart().await?;
    // Nobody may be told that he is logged out for good before that is known, nor be served with what is not his.
    let first = whoami(&mcp).await?;
    ensure!(first.status == 401 || first.result().is_err(), "{}", first.body);
    log_in_again(&client).await?;
    ensure_served(&mcp, "alice").await.context("the old session with the old token")?;
    let renewed = client.refresh(&tokens.refresh_token).await?;
    ensure_served(&mcp.with_token(&renewed.access_token), "alice").await
}

/// design.md §5: 401 before a worker is reached, `invalid_grant` that consumes nothing, any login revives all connections.
#[tokio::test]
async fn a_deactivated_user_is_out_until_he_is_back_and_logs_in() -> Result<()> {
    for state in [UserState::Deactivated, UserState::Prohibited, UserState::MustChangePassword] {
        let stack = house().await?;
        let (mcp, client, tokens) = stack.session("alice").await?;
        let (other, other_client, other_tokens) = stack.session("alice").await?;
        let (bob, _, _) = stack.session("bob").await?;
        stack.sim.set_user_state("alice", state);
        // Forgejo's own word reaches the tool for as long as its token is good.
        let told = whoami(&mcp).await?;
        ensure!(told.status == 401 || told.result().is_err(), "{state:?}: {}", told.body);
        two_hours_pass(&stack);
        until_ok("the broker notices", || async { ensure_challenged(&whoami(&mcp).await?) }).await?;
        ensure_challenged(&other.send("ping", &json!({})).await?)?;
        ensure!(mcp.open_stream().await?.status() == 401, "GET");
        for (client, tokens) in [(&client, &tokens), (&other_client, &other_tokens)] {
            let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
            ensure!(status == 400 && body["error"] == "invalid_grant", "{status} {body}");
        }
        ensure_served(&bob, "bob").await.context("somebody else")?;

        stack.sim.set_user_state("alice", UserState::Active);
        log_in_again(&client).await?;
        ensure_served(&mcp, "alice").await.with_context(|| format!("{state:?}: the first session"))?;
        ensure_served(&other, "alice").await.with_context(|| format!("{state:?}: the other session"))?;
        for (client, tokens, mcp) in [(&client, &tokens, &mcp), (&other_client, &other_tokens, &other)] {
            let renewed = client.refresh(&tokens.refresh_token).await.context("it was consumed")?;
            ensure_served(&mcp.with_token(&renewed.access_token), "alice").await?;
        }
    }
    Ok(())
}

/// The user takes the application's authorization back in Forgejo's settings. His next login is another grant of Forgejo, and what
/// hung on the one that he took back has ended.
#[tokio::test]
async fn a_revocation_at_forgejo_ends_the_old_connections_for_good() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    let (other, other_client, other_tokens) = stack.session("alice").await?;
    ensure!(stack.sim.revoke_grant("alice", &application(&stack)?), "nothing to revoke");
    ensure_challenged(&whoami(&mcp).await?)?;
    ensure_challenged(&whoami(&other).await?)?;
    let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
    ensure!(status == 400 && body["error"] == "invalid_grant", "{status} {body}");

    let again = client.log_in(&Browser::new()?, &Person::named("alice")).await?;
    let mut fresh = Mcp::new(&stack.broker.url, &again.access_token)?;
    fresh.initialize("2025-11-25").await?;
    ensure_served(&fresh, "alice").await?;
    for (mcp, client, tokens) in [(&mcp, &client, &tokens), (&other, &other_client, &other_tokens)] {
        ensure_challenged(&whoami(mcp).await?).context("an old token")?;
        let (status, body) = client.refresh_raw(&tokens.refresh_token).await?;
        ensure!(status == 400 && body["error"] == "invalid_grant", "an old refresh token: {status} {body}");
        let lost = mcp.with_token(&again.access_token);
        ensure!(lost.send("ping", &json!({})).await?.status == 404, "an old session");
    }
    Ok(())
}

/// Calls whose answer has not begun become 401; an open stream gets an error that says what to do.
#[tokio::test]
async fn what_is_open_when_the_login_dies_is_told() -> Result<()> {
    let stack = house().await?;
    let (mcp, _, _) = stack.session("alice").await?;
    let mut stream = Events::of(mcp.open_stream().await?)?;
    let ask = json!({"name": "ask", "arguments": {"kind": "elicitation", "timeout_ms": 600_000}});
    let mut open = Events::of(mcp.open_post(&request(&json!("open"), "tools/call", &ask)).await?)?;
    open.message().await?;
    let slow = json!({"name": "slow", "arguments": {"ms": 600_000}});
    let slow = request(&json!("slow"), "tools/call", &slow);
    let waiting = mcp.post(&slow);
    let dies = async {
        ensure!(stack.sim.revoke_grant("alice", &application(&stack)?), "nothing to revoke");
        ensure_challenged(&whoami(&mcp).await?)
    };
    let (waiting, ()) = tokio::try_join!(waiting, dies)?;
    // If its stream had begun by then, it ends with the error instead.
    ensure!(waiting.status == 401 || waiting.error()?["message"].is_string(), "{} {}", waiting.status, waiting.body);
    let last = open.message().await?;
    let text = last["error"]["message"].as_str().unwrap_or_default();
    ensure!(last["id"] == "open" && text.contains("log in again"), "{last}");
    let told = stream.message().await?;
    ensure!(told["error"]["message"].as_str().is_some_and(|text| text.contains("log in again")), "{told}");
    ensure!(stream.next().await?.is_none(), "the stream goes on");
    Ok(())
}

/// The application is gone, or its secret is another: the operator's trouble, not the user's.
#[tokio::test]
async fn a_rejected_application_is_nobodys_logout() -> Result<()> {
    let stack = house().await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    stack.sim.rotate_client_secret(&application(&stack)?).context("no application")?;
    two_hours_pass(&stack);
    let answer = whoami(&mcp).await?;
    ensure!(answer.status != 401, "the user was logged out");
    ensure!(answer.result().is_err(), "the tool succeeded: {}", answer.body);
    client.refresh(&tokens.refresh_token).await.context("the client's own tokens are good")?;
    stack.broker.wait_for_line("does not accept this broker").await?;
    Ok(())
}

fn application(stack: &Stack) -> Result<String> {
    stack.client_id().context("no FORGEJO_OAUTH_CLIENT_ID")
}
