//! Several logins at once.

use anyhow::Result;
use e2e::browser::{Browser, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::{OAuthClient, Tokens};
use e2e::stack::Stack;

use super::{ask, to_forgejo};

#[tokio::test]
async fn two_tabs_of_one_browser_both_get_through() -> Result<()> {
    // One cookie per login: the second tab does not take the first one's.
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let (url, alice) = (&stack.broker.url, Person::named("alice"));
    let (one, two) = (OAuthClient::register(url, "one").await?, OAuthClient::register(url, "two").await?);
    let browser = Browser::new()?;
    let (first, first_page) = ask(&browser, &one).await?;
    let (second, second_page) = ask(&browser, &two).await?;
    let first_leg = to_forgejo(&stack, &browser, &first_page.the_form()?.approved()).await?;
    let second_leg = to_forgejo(&stack, &browser, &second_page.the_form()?.approved()).await?;
    let back = browser.log_in(&second_leg, &alice, &two.redirect_uri).await?;
    let second_tokens = two.redeem(&second, &two.code(&second, &back)?).await?;
    let back = browser.log_in(&first_leg, &alice, &one.redirect_uri).await?;
    let first_tokens = one.redeem(&first, &one.code(&first, &back)?).await?;
    for tokens in [first_tokens, second_tokens] {
        assert_serves(&stack, &tokens).await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_logins_of_one_user_at_once_both_work_and_go_on_working() -> Result<()> {
    // forgejo.md §1: Forgejo keeps one refresh counter per user and application, so both share one credential
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    stack.sim.race_code_exchanges(2);
    let ((one, first), (two, second)) = tokio::try_join!(stack.log_in("alice"), stack.log_in("alice"))?;
    assert_serves(&stack, &first).await?;
    assert_serves(&stack, &second).await?;
    assert_serves(&stack, &one.refresh(&first.refresh_token).await?).await?;
    assert_serves(&stack, &two.refresh(&second.refresh_token).await?).await?;
    Ok(())
}

#[tokio::test]
async fn users_of_one_client_are_kept_apart() -> Result<()> {
    let stack = Stack::start(&fixture("2.18.0")?).await?;
    let client = OAuthClient::register(&stack.broker.url, "shared").await?;
    for login in ["alice", "bob"] {
        let tokens = client.log_in(&Browser::new()?, &Person::named(login)).await?;
        let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
        mcp.initialize("2025-11-25").await?;
        let call = fixture("2.18.0")?.words.whoami(login);
        let text = mcp.call_text(call.tool, &call.arguments).await?;
        assert!(text.contains(&format!("{login}@example.org")), "{text}");
    }
    Ok(())
}

async fn assert_serves(stack: &Stack, tokens: &Tokens) -> Result<()> {
    let mut mcp = Mcp::new(&stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    let call = fixture("2.18.0")?.words.whoami("alice");
    let text = mcp.call_text(call.tool, &call.arguments).await?;
    assert!(text.contains("alice"), "{text}");
    Ok(())
}
