//! Behind a pooler that gives out connections by the transaction.

use anyhow::{Result, ensure};
use e2e::broker::Settings;
use e2e::children::fixture;
use e2e::command::run;
use e2e::mcp::Mcp;
use e2e::stack::{Stack, postgres, until_ok};
use forgejo_sim::SimConfig;
use reqwest::StatusCode;
use scratch_postgres::{Place, Pooler};
use serde_json::json;

async fn house() -> Result<(Stack, Pooler, Place)> {
    let cluster = postgres()?;
    let place = cluster.database()?;
    let pooler = Pooler::start(cluster, &place)?;
    let settings = Settings::default()
        .with("DATABASE_URL", place.url_at(pooler.port()))
        .with("DATABASE_POOLER", "true")
        .with("DATABASE_LISTEN_URL", place.url());
    Ok((Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await?, pooler, place))
}

#[tokio::test]
async fn logins_refreshes_and_sessions_of_many_at_once_go_through_a_pooler() -> Result<()> {
    let (stack, _pooler, place) = house().await?;
    let connections = (0..12).map(|index| {
        let stack = &stack;
        async move {
            let login = if index % 2 == 0 { "alice" } else { "bob" };
            let (mcp, client, mut tokens) = stack.session(login).await?;
            for _ in 0..4 {
                tokens = client.refresh(&tokens.refresh_token).await?;
            }
            let text = mcp.with_token(&tokens.access_token).call_text("get_my_user_info", &json!({})).await?;
            ensure!(text.contains(login), "{login} was given {text}");
            anyhow::Ok((client, tokens))
        }
    });
    let mut last = None;
    for connection in futures_util::future::join_all(connections).await {
        last = Some(connection?);
    }
    let Some((client, tokens)) = last else { anyhow::bail!("nobody connected") };
    let asked = (0..64).map(|_| client.refresh_raw(&tokens.refresh_token));
    let answers: Vec<_> = futures_util::future::join_all(asked).await.into_iter().collect::<Result<_>>()?;
    ensure!(answers.iter().filter(|(status, _)| *status == StatusCode::OK).count() == 1, "{answers:?}");
    // Nothing of a session's stays behind on a connection that somebody else gets next.
    ensure!(place.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")? == "0");
    Ok(())
}

#[tokio::test]
async fn what_an_operator_ends_through_the_pooler_is_heard_around_it() -> Result<()> {
    let (stack, _pooler, _place) = house().await?;
    let (mcp, _, tokens) = stack.session("alice").await?;
    let settings = stack.store_settings().with("DATABASE_POOLER", "true");
    let ended = run(&["admin", "users", "revoke", "alice"], &settings).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    until_ok("the token is refused", || async {
        let status = mcp.send("ping", &json!({})).await?.status;
        ensure!(status == StatusCode::UNAUTHORIZED, "{status}");
        Ok(())
    })
    .await?;
    let mut again = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    ensure!(again.initialize("2025-11-25").await.is_err(), "the token still serves");
    Ok(())
}
