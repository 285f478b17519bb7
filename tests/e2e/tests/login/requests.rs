//! Authorization requests that are not valid: who is told, and how (OAuth 2.1 §4.1.2.1; oauth.md §4.2).

use anyhow::{Context as _, Result};
use e2e::browser::{Arrival, Browser};
use e2e::children::fixture;
use e2e::oauth_client::OAuthClient;
use e2e::stack::Stack;
use url::Url;

use super::{STRANGER, assert_refused, parameter};

#[tokio::test]
async fn without_a_known_client_and_its_address_only_the_user_is_told() -> Result<()> {
    // B09: no redirect, whatever was asked
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register_with(&stack.broker.url, "e2e", STRANGER).await?;
    let good = client.authorize(None)?.url;
    let browser = Browser::new()?;
    for (change, status, word) in [
        (("client_id", Some("gone")), 400, "not known here any more"),
        (("client_id", None), 400, "client_id"),
        (("redirect_uri", Some("https://app.example/callback/")), 400, "has not registered"),
        (("redirect_uri", Some("https://app.example/callback?x=1")), 400, "has not registered"),
        (("redirect_uri", Some("https://app.example:444/callback")), 400, "has not registered"),
        (("redirect_uri", Some("http://app.example/callback")), 400, "has not registered"),
        (("redirect_uri", Some("https://evil.example/callback")), 400, "has not registered"),
        (("redirect_uri", Some("javascript:alert(1)")), 400, "has not registered"),
    ] {
        let page = assert_refused(browser.open(&changed(&good, change), STRANGER).await?, status, word)?;
        let strange = page.links().into_iter().find(|link| !link.as_str().starts_with(&stack.broker.url));
        assert_eq!(strange, None, "{change:?} is not made into a link");
    }
    let mut twice = good.clone();
    twice.query_pairs_mut().append_pair("redirect_uri", "https://evil.example/");
    assert_refused(browser.open(&twice, STRANGER).await?, 400, "more than once")?;
    Ok(())
}

#[tokio::test]
async fn what_a_link_brought_along_is_shown_short_clean_and_as_text() -> Result<()> {
    // Content spoofing: a link to our page must not put a message of its author's on it.
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register_with(&stack.broker.url, "e2e", STRANGER).await?;
    let good = client.authorize(None)?.url;
    let message = format!("<b>Your account is locked.</b> \u{202e}{} call 555 0100", "Please read on. ".repeat(40));
    let browser = Browser::new()?;
    for name in ["client_id", "redirect_uri"] {
        let page = browser.open(&changed(&good, (name, Some(&message))), STRANGER).await?.page()?;
        let text = page.text();
        assert!(page.status == 400 && text.contains("<b>Your account"), "{name}: {text}");
        assert!(!text.contains("555") && !page.body.contains('\u{202e}') && text.len() < 1000, "{name}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_program_on_this_computer_is_told_what_is_wrong_with_its_request() -> Result<()> {
    // B04, B17, B18
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "e2e").await?;
    let authorization = client.authorize(None)?;
    let browser = Browser::new()?;
    for (change, error) in [
        (("code_challenge", None), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("code_challenge", Some("short")), "invalid_request"),
        (("response_type", None), "invalid_request"),
        (("response_type", Some("token")), "unsupported_response_type"),
        (("scope", Some("admin sudo")), "invalid_scope"),
        (("resource", Some("https://other.example/mcp")), "invalid_target"),
    ] {
        let back = browser.open(&changed(&authorization.url, change), &client.redirect_uri).await?.redirect()?;
        assert_eq!(parameter(&back, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(parameter(&back, "state").as_ref(), Some(&authorization.state), "{change:?}");
        assert_eq!(parameter(&back, "iss").as_ref(), Some(&stack.broker.url), "{change:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_stranger_is_told_only_if_the_user_follows_the_link() -> Result<()> {
    // B14: an invalid request must not make us an open redirector
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register_with(&stack.broker.url, "e2e", STRANGER).await?;
    let url = changed(&client.authorize(None)?.url, ("scope", Some("nonsense")));
    let page = assert_refused(Browser::new()?.open(&url, STRANGER).await?, 400, "app.example")?;
    let link = page.links().into_iter().find(|link| link.as_str().starts_with(STRANGER)).context("no link")?;
    assert_eq!(parameter(&link, "error").as_deref(), Some("invalid_scope"));
    Ok(())
}

#[tokio::test]
async fn what_real_clients_add_or_spell_differently_is_taken() -> Result<()> {
    // oauth.md §7, §8; clients.md §2: ports of their own, offline_access, unknown scopes beside known ones, the bare origin
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let url = stack.broker.url.as_str();
    let client = OAuthClient::register_with(url, "e2e", "http://localhost/callback").await?;
    let good = client.authorize(None)?.url;
    let (upper, slash) = (url.to_uppercase().replace("HTTP", "http"), format!("{url}/mcp/"));
    for change in [
        ("redirect_uri", Some("http://localhost:3118/callback")),
        ("redirect_uri", Some("http://localhost:49999/callback")),
        ("redirect_uri", None),
        ("scope", Some("read write offline_access")),
        ("scope", Some("openid profile read")),
        ("scope", Some("")),
        ("resource", Some(url)),
        ("resource", Some(&slash)),
        ("resource", Some(&format!("{upper}/mcp"))),
        ("resource", None),
        ("state", None),
        ("prompt", Some("consent")),
    ] {
        let arrival = Browser::new()?.open(&changed(&good, change), &client.redirect_uri).await?;
        let Arrival::Page(page) = arrival else { panic!("{change:?}: {arrival:?}") };
        assert!(page.status.is_success() && page.form().is_some(), "{change:?}: {}", page.text());
    }
    Ok(())
}

/// The request with one parameter replaced, or taken away.
fn changed(url: &Url, (name, value): (&str, Option<&str>)) -> Url {
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().filter(|(known, _)| known != name).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(pairs);
    changed
}
