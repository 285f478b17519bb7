//! Coming in and going out: a login of its own purpose, a session of its own, no way between the two kinds of login.

use std::time::Duration;

use anyhow::Result;
use e2e::broker::http_client;
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::OAuthClient;
use e2e::stack::{Stack, until_ok};
use forgejo_sim::{Fault, FaultRule};
use reqwest::header;
use serde_json::json;
use url::Url;

use super::{Account, NOWHERE, log_in};

fn cookie(browser: &Browser, prefix: &str) -> Option<(String, String)> {
    browser.cookies().into_iter().find(|(name, _)| name.starts_with(prefix))
}

fn callback(stack: &Stack) -> String {
    format!("{}/oauth/callback", stack.broker.url)
}

/// A login to the account page that stands before its last step: where Forgejo sends the browser.
async fn paused(stack: &Stack, browser: &Browser) -> Result<Url> {
    let page = browser.page(&Url::parse(&format!("{}/account", stack.broker.url))?, NOWHERE).await?;
    let arrival = browser.submit(&page.form_to("/account/login")?, &callback(stack)).await?;
    let login = arrival.page()?.url;
    browser.log_in(&login, &Person::named("alice"), &callback(stack)).await
}

#[tokio::test]
async fn a_visitor_sees_nothing_before_he_has_logged_in() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("Hidden").await?;
    let stranger = Browser::new()?;
    for path in ["/account", "/account/activity", "/account/connections/x", "/account/repositories/x"] {
        let page = stranger.page(&account.url(path)?, NOWHERE).await?;
        assert_eq!(page.url.path(), "/account");
        assert!(page.text().contains("Log in with") && !page.text().contains("Hidden"), "{path}: {}", page.text());
        assert!(page.form_to("/account/logout").is_err());
    }
    Ok(())
}

#[tokio::test]
async fn every_login_makes_a_new_session_and_ends_the_one_before() -> Result<()> {
    // Session fixation: what an attacker planted or copied before is worth nothing after.
    let stack = Stack::start(&fixture("2.34.1")?).await?;
    let browser = Browser::new()?;
    let account = format!("{}/account", stack.broker.url);
    let knows = async |cookie: &str| -> Result<bool> {
        let answer =
            http_client()?.get(&account).header(header::COOKIE, format!("fjb_account={cookie}")).send().await?;
        Ok(answer.text().await?.contains("Log out"))
    };
    let page = log_in(&stack, &browser, &Person::named("alice")).await?;
    let (_, first) = cookie(&browser, "fjb_account").unwrap_or_default();
    assert!(knows(&first).await? && !knows("planted").await?);

    // The same browser logs in once more, by the form that a change which needs it leads to.
    assert!(
        browser.submit(&page.form_to("/account/logout")?, NOWHERE).await?.page()?.text().contains("logged out here")
    );
    assert!(!knows(&first).await?, "logging out ends the session, not just the cookie");
    assert!(cookie(&browser, "fjb_account").is_none());
    log_in(&stack, &browser, &Person::named("alice")).await?;
    let (_, second) = cookie(&browser, "fjb_account").unwrap_or_default();
    assert!(second != first && knows(&second).await?);

    let again = paused(&stack, &Browser::new()?).await?;
    assert!(again.as_str().contains("code="), "{again}");
    Ok(())
}

#[tokio::test]
async fn a_state_made_for_one_kind_of_login_completes_no_other() -> Result<()> {
    // design §5: the callback is one address, the purposes are two.
    let stack = Stack::start(&fixture("2.34.1")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let entry = paused(&stack, &browser).await?;
    let authorization = client.authorize(None)?;
    let login = browser.log_in(&authorization.url, &Person::named("alice"), &callback(&stack)).await?;
    let state = |url: &Url| url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
    let (entry_state, login_state) = (state(&entry).unwrap_or_default(), state(&login).unwrap_or_default());
    let swapped = |url: &Url, from: &str, to: &str| Url::parse(&url.as_str().replace(from, to));

    // The code of one with the state of the other: our own verifier does not fit, and each state is spent for its own purpose.
    let mixed = swapped(&login, &login_state, &entry_state)?;
    let page = browser.page(&mixed, &client.redirect_uri).await?;
    assert!(!page.status.is_success(), "{}", page.text());

    // A cookie under the other purpose's name does not help.
    let (name, value) = cookie(&browser, "fjb_login_").unwrap_or_default();
    let forged = format!("{}={value}", name.replace("fjb_login_", "fjb_entry_"));
    let answer = http_client()?.get(login.clone()).header(header::COOKIE, forged).send().await?;
    assert_eq!(answer.status(), 400);
    assert!(answer.headers().get(header::SET_COOKIE).is_none());

    let back = browser.open(&login, &client.redirect_uri).await?.redirect()?;
    client.redeem(&authorization, &client.code(&authorization, &back)?).await?;
    assert!(cookie(&browser, "fjb_account").is_none(), "an authorization logs nobody in to the account page");
    Ok(())
}

#[tokio::test]
async fn another_browser_cannot_finish_a_login_to_the_account_page() -> Result<()> {
    // Login CSRF: the attacker lets the victim's browser finish his own login.
    let stack = Stack::start(&fixture("2.34.1")?).await?;
    let (attacker, victim) = (Browser::new()?, Browser::new()?);
    let theirs = paused(&stack, &attacker).await?;
    log_in(&stack, &victim, &Person::named("bob")).await?;
    let page = victim.page(&theirs, NOWHERE).await?;
    assert_eq!(page.status, 400, "{}", page.text());
    let account = Url::parse(&format!("{}/account", stack.broker.url))?;
    assert!(victim.page(&account, NOWHERE).await?.text().contains("bob"));
    assert!(attacker.open(&theirs, account.as_str()).await?.redirect().is_ok(), "and it is still good where it began");
    assert!(attacker.open(&theirs, account.as_str()).await?.page()?.status == 400, "once");
    Ok(())
}

#[tokio::test]
async fn forms_that_begin_a_login_are_judged_like_all_others() -> Result<()> {
    let stack = Stack::start(&fixture("2.34.1")?).await?;
    let browser = Browser::new()?;
    let account = Url::parse(&format!("{}/account", stack.broker.url))?;
    let page = browser.page(&account, NOWHERE).await?;
    let form = page.form_to("/account/login")?;
    let own = stack.broker.url.as_str();
    stack.sim.clear_requests();
    for headers in [&[("sec-fetch-site", "cross-site"), ("origin", own)][..], &[("origin", "https://evil.example")]] {
        let page = browser.submit_with(&form, headers, stack.sim.url()).await?.page()?;
        assert_eq!(page.status, 403, "{}", page.text());
    }
    let page = browser.submit(&form.clone().with("csrf", "guess"), stack.sim.url()).await?.page()?;
    assert_eq!(page.status, 403, "{}", page.text());
    browser.forget_cookies();
    let page = browser.submit(&form, stack.sim.url()).await?.page()?;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("keeps no cookies"), "{}", page.text());
    assert_eq!(stack.sim.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_login_there_revives_connections_whose_login_at_forgejo_had_died() -> Result<()> {
    // design §5: any login of a user revives all his connections; the account page's is one like any other.
    let account = Account::of("alice").await?;
    let (client, tokens) = account.connect("Dormant").await?;
    let mut mcp = Mcp::new(&account.stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    let sim = &account.stack.sim;
    sim.add_fault(FaultRule::on("/login/oauth/access_token", Fault::DropAnswer).times(1));
    sim.advance(Duration::from_hours(2));
    until_ok("the broker notices", async || {
        let answer = mcp.send_call("get_my_user_info", &json!({})).await?;
        anyhow::ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
        Ok(())
    })
    .await?;
    assert_eq!(client.refresh_raw(&tokens.refresh_token).await?.0, 400);

    log_in(&account.stack, &Browser::new()?, &account.person).await?;
    let answer = mcp.send_call("get_my_user_info", &json!({})).await?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.result()?.to_string().contains("alice"));
    client.refresh(&tokens.refresh_token).await?;
    Ok(())
}

#[tokio::test]
async fn somebody_who_had_revoked_us_at_forgejo_finds_nothing_left() -> Result<()> {
    // design §5: a login with another Forgejo grant id ends earlier grants, tokens and sessions; those of the account page too.
    let account = Account::of("alice").await?;
    let (client, tokens) = account.connect("Gone").await?;
    let client_id = account.stack.client_id().unwrap_or_default();
    assert!(account.stack.sim.revoke_grant("alice", &client_id));
    let elsewhere = Browser::new()?;
    let page = log_in(&account.stack, &elsewhere, &account.person).await?;
    assert!(page.text().contains("No program is connected"), "{}", page.text());
    assert!(account.page("/account").await?.text().contains("Log in with"), "the older session has ended");
    assert_eq!(client.refresh_raw(&tokens.refresh_token).await?.0, 400);
    Ok(())
}
