//! The database is away, slow or cut off: trouble that passes, never a logout, and nothing minted twice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::broker::{Settings, http_client};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::{OAuthClient, Tokens};
use e2e::stack::{Stack, postgres, until_ok};
use e2e::wire::Wire;
use forgejo_sim::SimConfig;
use reqwest::{Response, StatusCode, header};
use scratch_postgres::Cluster;
use serde_json::{Value, json};

fn impatient() -> Settings {
    Settings::default()
        .with("DATABASE_CONNECT_TIMEOUT", "1s")
        .with("DATABASE_STATEMENT_TIMEOUT", "1s")
        .with("DATABASE_LOCK_TIMEOUT", "1s")
}

async fn house_at(url: String) -> Result<Stack> {
    let settings = impatient().with("DATABASE_URL", url);
    Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await
}

async fn get(stack: &Stack, path: &str) -> Result<Response> {
    let request = http_client()?.get(format!("{}{path}", stack.broker.url)).header("accept", "text/html");
    Ok(request.send().await?)
}

fn ensure_later(response: &Response) -> Result<()> {
    ensure!(response.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", response.status());
    let after = response.headers().get(header::RETRY_AFTER).context("no Retry-After")?.to_str()?;
    ensure!(after.parse::<u32>().is_ok(), "{after}");
    Ok(())
}

/// Every form of answer says: later. None says: log in.
async fn ensure_all_say_later(stack: &Stack, client: &OAuthClient, tokens: &Tokens) -> Result<()> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh_token), ("client_id", &client.id)];
    let token = http_client()?.post(format!("{}/oauth/token", stack.broker.url)).form(&form).send().await?;
    ensure_later(&token).context("/oauth/token")?;
    let body: Value = token.json().await?;
    ensure!(body["error"] == "temporarily_unavailable", "{body}");

    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let mcp = http_client()?
        .post(format!("{}/mcp", stack.broker.url))
        .bearer_auth("a-token-that-nobody-has-seen-yet-0123456789abc")
        .header("accept", "application/json, text/event-stream")
        .json(&call)
        .send()
        .await?;
    ensure_later(&mcp).context("/mcp")?;
    ensure!(mcp.headers().get(header::WWW_AUTHENTICATE).is_none(), "/mcp asks to log in");
    let body: Value = mcp.json().await?;
    ensure!(body["jsonrpc"] == "2.0" && body["error"]["message"].is_string(), "{body}");

    let authorization = client.authorize(None)?;
    let page = http_client()?.get(authorization.url).header("accept", "text/html").send().await?;
    ensure_later(&page).context("the consent page")?;
    ensure!(page.headers()[header::CONTENT_TYPE].to_str()?.starts_with("text/html"), "no page");

    ensure!(get(stack, "/healthz").await?.status() == StatusCode::OK, "a process that lives must not be restarted");
    until_ok("the balancer is told", || async {
        let ready = get(stack, "/readyz").await?;
        ensure!(ready.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", ready.status());
        let body: Value = ready.json().await?;
        ensure!(body["store"] == "the store does not answer", "{body}");
        Ok(())
    })
    .await
}

async fn ensure_all_is_well(stack: &Stack, mcp: &Mcp, client: &OAuthClient, tokens: &Tokens) -> Result<()> {
    until_ok("it is ready again", || async {
        ensure!(get(stack, "/readyz").await?.status() == StatusCode::OK);
        Ok(())
    })
    .await?;
    let renewed = client.refresh(&tokens.refresh_token).await.context("nothing was consumed")?;
    ensure!(mcp.with_token(&renewed.access_token).call_text("get_my_user_info", &json!({})).await?.contains("alice"));
    stack.log_in("bob").await?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_stopped_and_started_costs_nobody_his_login() -> Result<()> {
    let cluster = Cluster::start("", &[])?;
    let place = cluster.database()?;
    let stack = house_at(place.url()).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    cluster.stop()?;
    ensure_all_say_later(&stack, &client, &tokens).await?;
    let known = mcp.call("echo", &json!({})).await;
    cluster.resume()?;
    ensure!(known.is_ok() || format!("{known:?}").contains("503"), "{known:?}");
    ensure_all_is_well(&stack, &mcp, &client, &tokens).await?;
    let good = "SELECT count(*) FROM refresh_tokens WHERE used_at IS NULL \
                AND grant_id = (SELECT grant_id FROM refresh_tokens WHERE used_at IS NOT NULL)";
    ensure!(place.run(good)? == "1", "one pair was minted");
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_restarted_under_an_idle_broker_is_not_even_noticed() -> Result<()> {
    let cluster = Cluster::start("", &[])?;
    let place = cluster.database()?;
    let stack = house_at(place.url()).await?;
    let (_, client, mut tokens) = stack.session("alice").await?;
    for _ in 0..3 {
        cluster.stop()?;
        cluster.resume()?;
        // Every connection of the pool is broken, and nobody is told.
        tokens = client.refresh(&tokens.refresh_token).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_cut_off_without_a_word_is_given_up_in_time_and_found_again() -> Result<()> {
    let cluster = postgres()?;
    let place = cluster.database()?;
    let wire = Wire::to(cluster.port()).await?;
    let stack = house_at(place.url_at(wire.port)).await?;
    let (mcp, client, tokens) = stack.session("alice").await?;
    wire.stall();
    ensure_all_say_later(&stack, &client, &tokens).await?;
    wire.mend();
    ensure_all_is_well(&stack, &mcp, &client, &tokens).await?;
    Ok(())
}

#[tokio::test]
async fn while_the_wire_is_cut_again_and_again_one_refresh_token_gives_one_pair() -> Result<()> {
    let cluster = postgres()?;
    let place = cluster.database()?;
    let wire = Wire::to(cluster.port()).await?;
    let stack = house_at(place.url_at(wire.port)).await?;
    let (mut client, mut tokens) = stack.log_in("alice").await?;
    for round in 0..6 {
        let before: u32 = place.run("SELECT count(*) FROM refresh_tokens")?.parse()?;
        let cutting = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(15 + round * 7)).await;
                wire.cut();
                wire.mend();
            }
        };
        let asking = (0..24).map(|_| client.refresh_raw(&tokens.refresh_token));
        let (answers, ()) = tokio::join!(futures_util::future::join_all(asking), cutting);
        let mut won = Vec::new();
        for answer in answers {
            let (status, body) = answer?;
            match status {
                StatusCode::OK => won.push(body),
                StatusCode::BAD_REQUEST => ensure!(body["error"] == "invalid_grant", "{body}"),
                StatusCode::SERVICE_UNAVAILABLE => ensure!(body["error"] == "temporarily_unavailable", "{body}"),
                status => anyhow::bail!("{status} {body}"),
            }
        }
        let minted = place.run("SELECT count(*) FROM refresh_tokens")?.parse::<u32>()? - before;
        ensure!(won.len() <= 1 && minted <= 1, "{} callers were given tokens, {minted} pairs are stored", won.len());
        if let Some(body) = won.pop() {
            tokens = serde_json::from_value(body)?;
        } else {
            // Nobody won, or the winner's answer was lost with the wire: this connection is at its end, as with any lost answer.
            (client, tokens) = stack.log_in("alice").await?;
        }
    }
    Ok(())
}
