//! Consent forms that do not count: sent by another site, without the cookie, with somebody else's token (BP26, login CSRF).

use anyhow::Result;
use e2e::browser::Browser;
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;

use super::{ask, assert_refused, to_forgejo};

#[tokio::test]
async fn a_form_that_another_site_sent_does_not_count() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let (_, page) = ask(&browser, &client).await?;
    let form = page.the_form()?.approved();
    let own = stack.broker.url.as_str();
    stack.sim.clear_requests();
    for headers in [
        &[("sec-fetch-site", "cross-site"), ("origin", own)][..],
        &[("sec-fetch-site", "same-site"), ("origin", own)],
        &[("sec-fetch-site", "none"), ("origin", own)],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        let arrival = browser.submit_with(&form, headers, stack.sim.url()).await?;
        assert_refused(arrival, 403, "another site")?;
    }
    assert_eq!(stack.sim.requests().len(), 0);
    assert!(browser.cookies().iter().all(|(name, _)| !name.starts_with("fjb_login")));

    // A browser that tells neither is judged by the token alone, and the form is still good.
    browser.submit_with(&form, &[], stack.sim.url()).await?.redirect()?;
    Ok(())
}

#[tokio::test]
async fn a_browser_without_cookies_is_told_so() -> Result<()> {
    // clients.md: webviews that keep no cookies
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let (_, page) = ask(&browser, &client).await?;
    browser.forget_cookies();
    let arrival = browser.submit(&page.the_form()?.approved(), stack.sim.url()).await?;
    assert_refused(arrival, 400, "keeps no cookies")?;
    Ok(())
}

#[tokio::test]
async fn a_form_with_a_wrong_token_does_not_count() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let (_, page) = ask(&browser, &client).await?;
    let form = page.the_form()?.approved();
    let zeros = "0".repeat(64);
    for csrf in ["", "guess", &zeros] {
        let arrival = browser.submit(&form.clone().with("csrf", csrf), stack.sim.url()).await?;
        assert_refused(arrival, 403, "CSRF")?;
    }
    Ok(())
}

#[tokio::test]
async fn a_form_that_another_browser_was_shown_does_not_count() -> Result<()> {
    // The attacker opens the page, and lures the victim into sending his request with the victim's own token.
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let (attacker, victim) = (Browser::new()?, Browser::new()?);
    let (_, page) = ask(&attacker, &client).await?;
    let theirs = page.the_form()?.approved();
    let (_, page) = ask(&victim, &client).await?;
    let own = page.the_form()?.approved();

    assert_refused(victim.submit(&theirs, stack.sim.url()).await?, 403, "CSRF")?;
    let mixed = own.clone().with("request", &theirs.fields["request"]);
    assert_refused(victim.submit(&mixed, stack.sim.url()).await?, 403, "another browser")?;
    let damaged = own.clone().with("request", &format!("{}A", &own.fields["request"]));
    assert_refused(victim.submit(&damaged, stack.sim.url()).await?, 403, "damaged")?;
    to_forgejo(&stack, &victim, &own).await?;
    Ok(())
}
