//! The way back from Forgejo: bound to one browser, good for once (BP26 rules 5 and 6).

use anyhow::{Context as _, Result};
use e2e::broker::http_client;
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::oauth_client::{Authorization, OAuthClient};
use e2e::stack::Stack;
use reqwest::{StatusCode, header};
use url::Url;

use super::{ask, assert_refused, callback_of, parameter, to_forgejo};

/// A login that stands before its last step.
struct Paused {
    stack: Stack,
    client: OAuthClient,
    browser: Browser,
    authorization: Authorization,
    /// Where Forgejo sends the browser.
    callback: Url,
}

async fn paused() -> Result<Paused> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let (browser, authorization) = (Browser::new()?, client.authorize(None)?);
    let callback = browser.log_in(&authorization.url, &Person::named("alice"), &callback_of(&stack)).await?;
    Ok(Paused { stack, client, browser, authorization, callback })
}

impl Paused {
    /// Finishes the login in the browser where it began.
    async fn finish(&self) -> Result<()> {
        let back = self.browser.open(&self.callback, &self.client.redirect_uri).await?.redirect()?;
        let code = self.client.code(&self.authorization, &back)?;
        self.client.redeem(&self.authorization, &code).await?;
        Ok(())
    }
}

#[tokio::test]
async fn another_browser_cannot_finish_a_login_nor_end_it() -> Result<()> {
    // The attacker logs in as himself and sends the victim his callback, or steals the victim's.
    let login = paused().await?;
    let stranger = Browser::new()?;
    let arrival = stranger.open(&login.callback, &login.client.redirect_uri).await?;
    assert_refused(arrival, 400, "in this browser")?;

    // Nor does the cookie of another login of his own help.
    let (_, page) = ask(&stranger, &login.client).await?;
    to_forgejo(&login.stack, &stranger, &page.the_form()?.approved()).await?;
    let arrival = stranger.open(&login.callback, &login.client.redirect_uri).await?;
    assert_refused(arrival, 400, "in this browser")?;

    assert_eq!(login.stack.sim.code_exchanges(), 0, "Forgejo is not asked for what is not ours");
    login.finish().await
}

#[tokio::test]
async fn a_state_that_is_not_ours_is_refused() -> Result<()> {
    let login = paused().await?;
    let address = callback_of(&login.stack);
    let state = parameter(&login.callback, "state").context("no state")?;
    for query in [
        "code=x".to_owned(),
        "code=x&state=".to_owned(),
        "code=x&state=fjb_st_unknown".to_owned(),
        format!("code=x&state={state}&state=fjb_st_other"),
        format!("code=x&code=y&state={state}"),
        format!("code=x&state={state}A"),
    ] {
        let url = Url::parse(&format!("{address}?{query}"))?;
        let arrival = login.browser.open(&url, &login.client.redirect_uri).await?;
        assert_refused(arrival, 400, "cannot be finished")?;
    }
    assert_eq!(login.stack.sim.code_exchanges(), 0);
    login.finish().await
}

#[tokio::test]
async fn the_state_of_a_finished_login_is_spent_even_with_its_cookie() -> Result<()> {
    let login = paused().await?;
    let cookies: Vec<String> =
        login.browser.cookies().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    login.finish().await?;
    let names = login.browser.cookies();
    assert!(names.iter().all(|(name, _)| !name.starts_with("fjb_login")), "the cookie of the login is removed");

    let arrival = login.browser.open(&login.callback, &login.client.redirect_uri).await?;
    assert_refused(arrival, 400, "finished before")?;
    let again = http_client()?.get(login.callback.clone()).header(header::COOKIE, cookies.join("; ")).send().await?;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    assert_eq!(login.stack.sim.code_exchanges(), 1);
    Ok(())
}

#[tokio::test]
async fn a_login_survives_the_death_of_the_broker_at_any_point_after_consent() -> Result<()> {
    // design §4: durable, a restart in the middle of a login loses nothing
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let (authorization, page) = ask(&browser, &client).await?;

    stack.broker.kill().await?;
    stack.restart().await?;
    let upstream = to_forgejo(&stack, &browser, &page.the_form()?.approved()).await?;

    stack.broker.kill().await?;
    stack.restart().await?;
    let callback = browser.log_in(&upstream, &Person::named("alice"), &callback_of(&stack)).await?;

    stack.broker.kill().await?;
    stack.restart().await?;
    let back = browser.open(&callback, &client.redirect_uri).await?.redirect()?;
    let code = client.code(&authorization, &back)?;

    stack.broker.kill().await?;
    stack.restart().await?;
    let tokens = client.redeem(&authorization, &code).await?;

    stack.broker.kill().await?;
    stack.restart().await?;
    let mut mcp = e2e::mcp::Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}
