//! Forgejo is not what it should be when the browser comes back (forgejo.md §4.6, §4.10; C01).

use anyhow::{Context as _, Result};
use e2e::browser::{Arrival, Browser, Person};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use forgejo_sim::{Fault, FaultRule, UserState};
use url::Url;

use super::{assert_refused, callback_of, parameter};

/// A login of alice up to Forgejo's redirect back.
async fn paused(stack: &Stack) -> Result<(OAuthClient, Browser, Url)> {
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let (browser, authorization) = (Browser::new()?, client.authorize(None)?);
    let callback = browser.log_in(&authorization.url, &Person::named("alice"), &callback_of(stack)).await?;
    Ok((client, browser, callback))
}

#[tokio::test]
async fn a_user_whom_forgejo_keeps_out_gets_a_page_that_says_so() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    for state in [UserState::Deactivated, UserState::Prohibited, UserState::MustChangePassword] {
        let (client, browser, callback) = paused(&stack).await?;
        assert!(stack.sim.set_user_state("alice", state));
        let arrival = browser.open(&callback, &client.redirect_uri).await?;
        assert_refused(arrival, 403, "does not let this account in")?;
        assert!(stack.sim.set_user_state("alice", UserState::Active));
    }
    Ok(())
}

#[tokio::test]
async fn a_forgejo_that_does_not_answer_gives_a_page_to_try_again_later() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    for (path, fault) in [
        ("/login/oauth/access_token", Fault::Reset),
        ("/login/oauth/access_token", Fault::Status(502)),
        ("/api/v1/user", Fault::Reset),
        ("/api/v1/user", Fault::Status(503)),
    ] {
        let (client, browser, callback) = paused(&stack).await?;
        stack.sim.add_fault(FaultRule::on(path, fault));
        let arrival = browser.open(&callback, &client.redirect_uri).await?;
        assert_refused(arrival, 503, "Forgejo does not answer")?;
        stack.sim.clear_faults();
    }
    let (client, browser, callback) = paused(&stack).await?;
    assert!(matches!(browser.open(&callback, &client.redirect_uri).await?, Arrival::Redirect(_)));
    Ok(())
}

#[tokio::test]
async fn a_code_that_forgejo_does_not_take_ends_the_login_with_a_page() -> Result<()> {
    // forgejo.md trap: unauthorized_client for a wrong code, too
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, browser, callback) = paused(&stack).await?;
    let forged = returned_with(&callback, &[("code", "gta_guess")]);
    assert_refused(browser.open(&forged, &client.redirect_uri).await?, 502, "did not succeed")?;
    Ok(())
}

#[tokio::test]
async fn an_error_in_forgejos_redirect_is_shown_as_text_and_ends_the_login() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, browser, callback) = paused(&stack).await?;
    let error = [("error", "server_error"), ("error_description", "<script>alert(1)</script>")];
    let page = assert_refused(
        browser.open(&returned_with(&callback, &error), &client.redirect_uri).await?,
        502,
        "Forgejo refused the login",
    )?;
    assert!(!page.body.contains("<script>"), "{}", page.body);
    assert_refused(browser.open(&callback, &client.redirect_uri).await?, 400, "finished before")?;
    Ok(())
}

#[tokio::test]
async fn a_user_whose_forgejo_granted_less_is_told_and_may_go_on() -> Result<()> {
    // forgejo.md §4.2: for a known grant of a confidential application a wider scope is ignored without a word
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    assert!(stack.sim.grant_tokens("alice", &client_id(&stack), "read:repository read:user").is_some());
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let (browser, authorization) = (Browser::new()?, client.authorize(None)?);
    let callback = browser.log_in(&authorization.url, &Person::named("alice"), &callback_of(&stack)).await?;
    let page = browser.page(&callback, &client.redirect_uri).await?;
    let text = page.text();
    assert!(text.contains("write:issue") && text.contains("revoke this application"), "{text}");
    let link = page.links().into_iter().find(|link| link.as_str().starts_with(&client.redirect_uri));
    let code = client.code(&authorization, &link.context("no link to go on")?)?;
    client.redeem(&authorization, &code).await?;
    Ok(())
}

#[tokio::test]
async fn an_application_that_forgejo_does_not_know_any_more_gives_a_page_and_a_line_for_the_operator() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (client, browser, callback) = paused(&stack).await?;
    assert!(stack.sim.rotate_client_secret(&client_id(&stack)).is_some());
    assert_refused(browser.open(&callback, &client.redirect_uri).await?, 502, "request id")?;
    let line = stack.broker.wait_for_line("a login failed").await?;
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains("OAuth client id or secret"), "{line}");
    Ok(())
}

/// Forgejo's redirect with other news than a code.
fn returned_with(callback: &Url, news: &[(&str, &str)]) -> Url {
    let mut url = callback.clone();
    url.query_pairs_mut().clear().extend_pairs(news);
    if let Some(state) = parameter(callback, "state") {
        url.query_pairs_mut().append_pair("state", &state);
    }
    url
}

/// The broker's application at Forgejo.
fn client_id(stack: &Stack) -> String {
    let mut settings = stack.settings.variables();
    settings
        .find(|(name, _)| name.ends_with("FORGEJO_OAUTH_CLIENT_ID"))
        .map(|(_, id)| id.to_owned())
        .unwrap_or_default()
}
