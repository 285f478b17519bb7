//! What the consent page shows and how it is protected (oauth.md §6, B15, B16; BP26 Confused Deputy).

use std::path::Path;

use anyhow::Result;
use e2e::browser::{Browser, Form, Person};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;

use super::{STRANGER, ask, parameter, to_forgejo};

#[tokio::test]
async fn the_page_names_the_client_its_host_and_what_it_may_do() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let name = "Nice <b>App</b> \u{202e}evil";
    let stranger =
        OAuthClient::register_with(&stack.broker.url, name, "https://xn--bcher-kva.example/callback").await?;
    let (_, page) = ask(&Browser::new()?, &stranger).await?;
    let text = page.text();
    assert!(text.contains("Nice <b>App</b>"), "the name is shown, and not as markup:\n{text}");
    assert!(!page.body.contains('\u{202e}'), "no character of a name turns the text round");
    assert!(text.contains("xn--bcher-kva.example"), "the host is shown in punycode:\n{text}");
    assert!(text.contains("unverified name"), "{text}");
    let forgejo = stack.sim.address().to_string();
    assert!(text.contains(&forgejo), "{text}");
    assert!(text.contains("Read and change") && text.contains("Only read"), "{text}");
    assert!(!text.contains("Any program on this device"), "{text}");

    let local = OAuthClient::register(&stack.broker.url, "local").await?;
    let (_, page) = ask(&Browser::new()?, &local).await?;
    assert!(page.text().contains("Any program on this device could be asking"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn the_page_cannot_be_framed_cached_or_scripted_and_its_form_may_lead_anywhere() -> Result<()> {
    // design §5: no form-action (Chromium applies it to every redirect that follows), no Cross-Origin-Opener-Policy
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let (_, page) = ask(&Browser::new()?, &client).await?;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("form-action"), "{policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.headers.keys().all(|name| !name.as_str().starts_with("cross-origin-opener")));

    let cookie = page.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    Ok(())
}

#[tokio::test]
async fn looking_at_the_page_writes_nothing_and_asks_forgejo_nothing() -> Result<()> {
    // design §5: GET writes nothing; BP26: the upstream state must not exist before consent
    let mut stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    // A fresh start whose sweep is over: from here on nobody writes of his own accord.
    assert!(stack.broker.terminate().await?.success());
    stack.restart().await?;
    stack.broker.wait_for_line("swept the store").await?;
    stack.sim.clear_requests();
    let before = contents(stack.state.path())?;

    let browser = Browser::new()?;
    for _ in 0..5 {
        ask(&browser, &client).await?;
        ask(&Browser::new()?, &client).await?;
    }
    assert_eq!(stack.sim.requests().len(), 0);
    assert!(contents(stack.state.path())? == before, "the GET changed the store");
    let names: Vec<String> = browser.cookies().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["fjb_consent"], "the cookie of a login comes with the consent");
    Ok(())
}

#[tokio::test]
async fn a_page_that_was_opened_twice_can_be_answered_from_either_copy() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let authorization = client.authorize(None)?;
    let first = browser.page(&authorization.url, &client.redirect_uri).await?;
    let second = browser.page(&authorization.url, &client.redirect_uri).await?;
    // One cookie for both, which lives from now on as long as the newer form.
    assert_eq!(second.header("set-cookie"), first.header("set-cookie"));
    assert!(second.header("set-cookie").contains("Max-Age=3600"), "{}", second.header("set-cookie"));
    let upstream = to_forgejo(&stack, &browser, &first.the_form()?.approved()).await?;
    let back = browser.log_in(&upstream, &Person::named("alice"), &client.redirect_uri).await?;
    client.redeem(&authorization, &client.code(&authorization, &back)?).await?;
    Ok(())
}

#[tokio::test]
async fn consent_begins_the_upstream_leg_with_a_state_and_pkce_of_our_own() -> Result<()> {
    // BP26: state random, single, stored only now; forgejo.md §4: S256, our redirect, the configured scopes
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register_with(&stack.broker.url, "e2e", STRANGER).await?;
    let browser = Browser::new()?;
    let (authorization, page) = ask(&browser, &client).await?;
    let upstream = to_forgejo(&stack, &browser, &page.the_form()?.approved()).await?;
    assert!(upstream.as_str().starts_with(&format!("{}/login/oauth/authorize?", stack.sim.url())), "{upstream}");
    assert_eq!(parameter(&upstream, "code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(parameter(&upstream, "redirect_uri"), Some(format!("{}/oauth/callback", stack.broker.url)));
    let scope = parameter(&upstream, "scope").unwrap_or_default();
    assert!(scope.contains("write:repository") && !scope.contains("admin"), "{scope}");
    let state = parameter(&upstream, "state").unwrap_or_default();
    assert!(state.len() >= 43 && state != authorization.state, "{state}");
    assert!(browser.cookies().iter().any(|(name, _)| name.starts_with("fjb_login_")));

    let (_, again) = ask(&browser, &client).await?;
    let second = to_forgejo(&stack, &browser, &again.the_form()?.approved()).await?;
    assert_ne!(parameter(&second, "state"), Some(state), "each login has a state of its own");
    Ok(())
}

#[tokio::test]
async fn choosing_read_only_narrows_the_grant() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (_, tokens) = stack.log_in_as(&Person::named("alice").read_only()).await?;
    assert_eq!(tokens.scope, "read");
    Ok(())
}

#[tokio::test]
async fn a_client_that_asks_to_read_gets_no_more_whatever_the_form_says() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let browser = Browser::new()?;
    let authorization = client.authorize(Some("read"))?;
    let page = browser.page(&authorization.url, &client.redirect_uri).await?;
    assert!(!page.text().contains("Read and change"), "{}", page.text());
    let forged: Form = page.the_form()?.with("access", "write").with("scope", "read write").with("decision", "approve");
    let upstream = to_forgejo(&stack, &browser, &forged).await?;
    let back = browser.log_in(&upstream, &Person::named("alice"), &client.redirect_uri).await?;
    let tokens = client.redeem(&authorization, &client.code(&authorization, &back)?).await?;
    assert_eq!(tokens.scope, "read");
    Ok(())
}

/// Every file of the store, byte for byte.
fn contents(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The index of the write-ahead log notes readers, too.
        if name.starts_with("broker.db") && !name.ends_with("-shm") {
            files.push((name, std::fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}
