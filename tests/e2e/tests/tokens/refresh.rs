//! Refresh tokens: rotation, races, the replay window (B13; design §5).

use std::collections::HashSet;

use anyhow::Result;
use e2e::broker::Settings;
use e2e::browser::Person;
use e2e::children::fixture;
use e2e::oauth_client::{OAuthClient, Tokens};
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use futures_util::future::join_all;
use reqwest::StatusCode;

use super::{assert_error, ping};

async fn with_window() -> Result<Stack> {
    let settings = Settings::default().with("REFRESH_REPLAY_WINDOW", "120s");
    Stack::start_with(&fixture("2.18.0")?, SimConfig::default(), settings).await
}

/// How many pairs the broker has minted for refresh tokens, by its audit; stops it.
async fn minted(stack: &mut Stack) -> Result<usize> {
    Ok(stack.broker.whole_log().await?.matches("\"tokens_refreshed\"").count())
}

#[tokio::test]
async fn of_64_concurrent_refreshes_without_window_exactly_one_wins_and_one_pair_is_minted() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let answers = join_all((0..64).map(|_| client.refresh_raw(&tokens.refresh_token))).await;
    let mut pairs = Vec::new();
    for answer in answers {
        let answer = answer?;
        if answer.0 == StatusCode::OK {
            pairs.push(serde_json::from_value::<Tokens>(answer.1)?);
        } else {
            assert_error(&answer, 400, "invalid_grant");
        }
    }
    assert_eq!(pairs.len(), 1);
    // A race of a client with itself harms nothing: the family lives.
    assert_eq!(ping(&stack, &pairs[0].access_token).await?.status, StatusCode::OK);
    client.refresh(&pairs[0].refresh_token).await?;
    assert_eq!(minted(&mut stack).await?, 2, "one pair in the race, one just now");
    Ok(())
}

#[tokio::test]
async fn of_64_concurrent_refreshes_within_the_window_all_get_the_same_pair() -> Result<()> {
    // clients.md 2.1: claude.ai refreshes from several nodes
    let mut stack = with_window().await?;
    let (client, tokens) = stack.log_in("alice").await?;
    let answers = join_all((0..64).map(|_| client.refresh(&tokens.refresh_token))).await;
    let mut pairs = HashSet::new();
    for answer in answers {
        let pair = answer?;
        assert!((3590..=3600).contains(&pair.expires_in), "{}", pair.expires_in);
        pairs.insert((pair.access_token, pair.refresh_token));
    }
    assert_eq!(pairs.len(), 1);
    assert_eq!(minted(&mut stack).await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_window_closes_when_the_successor_is_used() -> Result<()> {
    let stack = with_window().await?;
    let (client, first) = stack.log_in("alice").await?;
    let second = client.refresh(&first.refresh_token).await?;
    let again = client.refresh(&first.refresh_token).await?;
    assert_eq!((&again.access_token, &again.refresh_token), (&second.access_token, &second.refresh_token));

    let third = client.refresh(&second.refresh_token).await?;
    assert_ne!(third.refresh_token, second.refresh_token);
    assert_error(&client.refresh_raw(&first.refresh_token).await?, 400, "invalid_grant");
    // The predecessor of the newest still gets it; the refused replay was a moment ago and ended nothing.
    let again = client.refresh(&second.refresh_token).await?;
    assert_eq!(again.refresh_token, third.refresh_token);
    client.refresh(&third.refresh_token).await?;
    Ok(())
}

#[tokio::test]
async fn the_window_outlives_the_broker() -> Result<()> {
    // The answer is sealed in the store under a key derived from the presented token, so another process can repeat it.
    let mut stack = with_window().await?;
    let (client, first) = stack.log_in("alice").await?;
    let second = client.refresh(&first.refresh_token).await?;
    stack.broker.kill().await?;
    stack.restart().await?;
    let again = client.refresh(&first.refresh_token).await?;
    assert_eq!((again.access_token, again.refresh_token), (second.access_token, second.refresh_token));
    Ok(())
}

#[tokio::test]
async fn what_another_client_presents_is_refused_and_harms_nothing() -> Result<()> {
    for stack in [Stack::start(&fixture("2.18.0")?).await?, with_window().await?] {
        let (client, first) = stack.log_in("alice").await?;
        let other = OAuthClient::register(&stack.broker.url, "another").await?;
        assert_error(&other.refresh_raw(&first.refresh_token).await?, 400, "invalid_grant");
        let second = client.refresh(&first.refresh_token).await?;
        assert_error(&other.refresh_raw(&first.refresh_token).await?, 400, "invalid_grant");
        assert_error(&other.refresh_raw(&second.refresh_token).await?, 400, "invalid_grant");
        client.refresh(&second.refresh_token).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refresh_keeps_the_scope_whatever_is_asked() -> Result<()> {
    // OAuth 2.1 §4.3: never wider
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, mut tokens) = stack.log_in_as(&Person::named("alice").read_only()).await?;
    for scope in ["read write", "write", "admin", "offline_access", ""] {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &tokens.refresh_token),
            ("client_id", &client.id),
            ("scope", scope),
        ];
        let (status, body) = client.token(&form).await?;
        assert_eq!(status, StatusCode::OK, "{scope}: {body}");
        tokens = serde_json::from_value(body)?;
        assert_eq!(tokens.scope, "read", "{scope}");
    }
    Ok(())
}

#[tokio::test]
async fn an_access_token_is_no_refresh_token_and_the_old_one_is_good_until_it_expires() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, first) = stack.log_in("alice").await?;
    assert_error(&client.refresh_raw(&first.access_token).await?, 400, "invalid_grant");
    assert_error(&client.refresh_raw("fjb_rt_unknown").await?, 400, "invalid_grant");
    client.refresh(&first.refresh_token).await?;
    // Calls that are under way with it must not fail.
    assert_eq!(ping(&stack, &first.access_token).await?.status, StatusCode::OK);
    Ok(())
}
