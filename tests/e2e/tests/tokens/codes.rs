//! Authorization codes: good for one redemption by the one who began (OAuth 2.1 §4.1.3; oauth.md §4.3).

use anyhow::Result;
use e2e::children::fixture;
use e2e::oauth_client::{Authorization, OAuthClient};
use e2e::stack::Stack;
use futures_util::future::join_all;
use reqwest::StatusCode;

use super::{assert_error, ping, with_code};

#[tokio::test]
async fn of_64_concurrent_redemptions_of_one_code_exactly_one_succeeds() -> Result<()> {
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, authorization, code) = with_code(&stack).await?;
    let answers = join_all((0..64).map(|_| client.redeem_raw(&authorization, &code))).await;
    let mut issued = Vec::new();
    for answer in answers {
        let answer = answer?;
        if answer.0 == StatusCode::OK {
            issued.push(answer.1);
        } else {
            assert_error(&answer, 400, "invalid_grant");
        }
    }
    assert_eq!(issued.len(), 1);
    // The losers were quick repetitions and have ended nothing.
    let token = issued[0]["access_token"].as_str().unwrap_or_default();
    assert_eq!(ping(&stack, token).await?.status, StatusCode::OK);
    assert_eq!(stack.broker.whole_log().await?.matches("\"tokens_issued\"").count(), 1, "one pair is minted");
    Ok(())
}

#[tokio::test]
async fn an_attempt_that_is_wrong_in_anything_does_not_burn_the_code() -> Result<()> {
    // Whoever lacks the verifier must not be able to end a login (OA21 "Reuse of Authorization Codes").
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, authorization, code) = with_code(&stack).await?;
    let other = OAuthClient::register(&stack.broker.url, "another").await?;
    let (uri, verifier) = (client.redirect_uri.as_str(), authorization.verifier.as_str());
    for (id, redirect_uri, verifier, code) in [
        (&client.id, uri, "wrong-verifier-of-more-than-43-characters-aaaaaaaa", code.as_str()),
        (&client.id, uri, "", &code),
        (&client.id, "http://127.0.0.1:49152/other", verifier, &code),
        (&client.id, "http://127.0.0.1:49153/callback", verifier, &code),
        (&other.id, uri, verifier, &code),
        (&client.id, uri, verifier, "fjb_ac_unknown"),
    ] {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
            ("client_id", id),
        ];
        assert_error(&client.token(&form).await?, 400, "invalid_grant");
    }
    client.redeem(&authorization, &code).await?;
    Ok(())
}

#[tokio::test]
async fn the_redirect_uri_may_be_left_out() -> Result<()> {
    // OAuth 2.1 §10.2: not needed any more, compared if sent
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, Authorization { verifier, .. }, code) = with_code(&stack).await?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", &verifier),
        ("client_id", &client.id),
    ];
    assert_eq!(client.token(&form).await?.0, StatusCode::OK);
    Ok(())
}
