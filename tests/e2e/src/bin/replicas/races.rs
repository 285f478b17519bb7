//! What only one may have, wanted by many at once at all replicas.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::broker::Settings;
use e2e::browser::{Browser, Person};
use e2e::farm::{Farm, REPLICAS};
use e2e::oauth_client::{OAuthClient, Tokens};
use futures_util::future::{join_all, try_join_all};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{say, without_rates};

const RIVALS: usize = 64;
const SESSIONS: usize = 16;

/// Without a replay window: with it all would win the same pair.
pub(crate) fn settings() -> Settings {
    without_rates().with("REFRESH_REPLAY_WINDOW", "0s")
}

pub(crate) async fn run(mut farm: Farm) -> Result<()> {
    refreshes(&farm).await?;
    redemptions(&farm).await?;
    expiry(&farm).await?;
    let spread = farm.nginx.spread();
    let (least, most) = (spread.values().min().copied().unwrap_or(0), spread.values().max().copied().unwrap_or(0));
    ensure!(spread.len() == REPLICAS && most <= least + 1, "nginx has not gone round: {spread:?}");
    say(&format!("races: requests to each replica: {:?}", spread.values().collect::<Vec<_>>()));
    farm.terminate().await
}

/// The one pair that they were given; all others were refused.
fn the_winner(answers: Vec<(StatusCode, Value)>) -> Result<Tokens> {
    let mut won = Vec::new();
    for (status, body) in answers {
        if status.is_success() {
            won.push(serde_json::from_value(body)?);
        } else {
            ensure!(status == StatusCode::BAD_REQUEST && body["error"] == "invalid_grant", "{status} {body}");
        }
    }
    ensure!(won.len() == 1, "{} of them won", won.len());
    Ok(won.remove(0))
}

async fn works(farm: &Farm, tokens: &Tokens) -> Result<()> {
    let text = farm.session(tokens).await?.call_text("get_my_user_info", &json!({})).await?;
    ensure!(text.contains("alice"), "{text}");
    Ok(())
}

async fn refreshes(farm: &Farm) -> Result<()> {
    let (client, tokens) = farm.log_in("alice").await?;
    let before = farm.count("SELECT count(*) FROM refresh_tokens")?;
    let answers = try_join_all((0..RIVALS).map(|_| client.refresh_raw(&tokens.refresh_token))).await?;
    let winner = the_winner(answers)?;
    let minted = farm.count("SELECT count(*) FROM refresh_tokens")? - before;
    ensure!(minted == 1, "{minted} refresh tokens were minted");
    works(farm, &winner).await?;
    say(&format!("races: {RIVALS} refreshes of one token: 1 won, {minted} pair minted"));
    Ok(())
}

async fn redemptions(farm: &Farm) -> Result<()> {
    let client = OAuthClient::register(&farm.url, "e2e").await?;
    let authorization = client.authorize(None)?;
    let back = Browser::new()?.log_in(&authorization.url, &Person::named("alice"), &client.redirect_uri).await?;
    let code = client.code(&authorization, &back)?;
    let before = farm.count("SELECT count(*) FROM access_tokens")?;
    let answers = try_join_all((0..RIVALS).map(|_| client.redeem_raw(&authorization, &code))).await?;
    let winner = the_winner(answers)?;
    let minted = farm.count("SELECT count(*) FROM access_tokens")? - before;
    ensure!(minted == 1, "{minted} access tokens were minted");
    works(farm, &winner).await?;
    say(&format!("races: {RIVALS} redemptions of one code: 1 won, {minted} pair minted"));
    Ok(())
}

async fn expiry(farm: &Farm) -> Result<()> {
    let (_, tokens) = farm.log_in("bob").await?;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(farm.session(&tokens).await?);
    }
    let owners = farm.count("SELECT count(DISTINCT owner) FROM sessions")?;
    ensure!(owners == REPLICAS as u64, "the sessions are at {owners} replicas");
    let before = farm.sim.refreshes();
    farm.sim.advance(Duration::from_hours(2));
    let nothing = json!({});
    for text in join_all(sessions.iter().map(|mcp| mcp.call_text("get_my_user_info", &nothing))).await {
        let text = text?;
        ensure!(text.contains("bob"), "{text}");
    }
    let refreshes = farm.sim.refreshes() - before;
    ensure!(refreshes == 1, "{refreshes} refreshes at Forgejo");
    say(&format!(
        "races: {SESSIONS} sessions of one user at {owners} replicas when Forgejo's token expired: {refreshes} refresh"
    ));
    Ok(())
}
