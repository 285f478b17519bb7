//! The user says no (B14, B18; OAuth 2.1 "AS as Open Redirector").

use anyhow::{Context as _, Result};
use e2e::browser::{Arrival, Browser};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use reqwest::StatusCode;

use super::{STRANGER, ask, callback_of, parameter, to_forgejo};

#[tokio::test]
async fn denying_a_stranger_shows_a_page_with_a_link_and_sends_nobody_anywhere() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register_with(&stack.broker.url, "e2e", STRANGER).await?;
    let browser = Browser::new()?;
    let (authorization, page) = ask(&browser, &client).await?;
    stack.sim.clear_requests();
    let denied = browser.submit(&page.the_form()?.with("decision", "deny"), STRANGER).await?.page()?;
    assert_eq!(denied.status, StatusCode::OK);
    assert!(denied.text().contains("app.example"), "the page names where the link leads:\n{}", denied.text());
    let link = denied.links().into_iter().find(|link| link.as_str().starts_with(STRANGER)).context("no link")?;
    assert_eq!(parameter(&link, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&link, "state"), Some(authorization.state));
    assert_eq!(parameter(&link, "iss").as_ref(), Some(&stack.broker.url));
    assert_eq!(parameter(&link, "code"), None);
    assert_eq!(stack.sim.requests().len(), 0);
    assert!(browser.cookies().iter().all(|(name, _)| !name.starts_with("fjb_login")));
    Ok(())
}

#[tokio::test]
async fn denying_a_program_on_this_computer_tells_it_at_once() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let (authorization, page) = ask(&browser, &client).await?;
    let form = page.the_form()?.with("decision", "deny");
    let back = browser.submit(&form, &client.redirect_uri).await?.redirect()?;
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "state"), Some(authorization.state));
    assert_eq!(parameter(&back, "iss").as_ref(), Some(&stack.broker.url));
    Ok(())
}

#[tokio::test]
async fn a_form_without_a_decision_grants_nothing() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let (_, page) = ask(&browser, &client).await?;
    let back = browser.submit(&page.the_form()?, &client.redirect_uri).await?.redirect()?;
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    Ok(())
}

#[tokio::test]
async fn denying_at_forgejo_tells_the_client_the_same() -> Result<()> {
    // forgejo.md §4: access_denied comes back with our state
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register_with(&stack.broker.url, "e2e", STRANGER).await?;
    let browser = Browser::new()?;
    let (authorization, page) = ask(&browser, &client).await?;
    let upstream = to_forgejo(&stack, &browser, &page.the_form()?.approved()).await?;
    let login = browser.page(&upstream, STRANGER).await?.the_form()?;
    let login = login.with("user_name", "alice").with("password", "alice-password");
    let grant = browser.submit(&login, &callback_of(&stack)).await?.page()?.the_form()?;
    let back = browser.submit(&grant.with("granted", "false"), STRANGER).await?;
    let Arrival::Redirect(back) = back else { panic!("no redirect: {back:?}") };
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "state"), Some(authorization.state));
    assert_eq!(parameter(&back, "iss").as_ref(), Some(&stack.broker.url));
    assert!(stack.sim.issued_secrets().iter().all(|secret| secret.kind != forgejo_sim::SecretKind::AccessToken));
    Ok(())
}
