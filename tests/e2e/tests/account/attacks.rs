//! Forms that do not count: from another site, without a token, about somebody else's connection, sent again.

use anyhow::Result;
use e2e::browser::{Browser, Person};
use e2e::mcp::Mcp;
use serde_json::json;

use super::{Account, NOWHERE, log_in};

#[tokio::test]
async fn forms_from_other_sites_or_without_the_sessions_token_change_nothing() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("Kept").await?;
    let connection = account.connection("Kept").await?;
    let page = account.page("/account").await?;
    let own = account.stack.broker.url.as_str();
    let forms = [
        account.form(&connection, "end").await?,
        account.form(&connection, "read").await?,
        account.form(&connection, "choose").await?,
        page.form_to("/account/end")?,
        page.form_to("/account/logout")?,
    ];
    let others = log_in(&account.stack, &Browser::new()?, &account.person).await?;
    let foreign = others.form_to("/account/logout")?.fields["csrf"].clone();
    for form in forms {
        for headers in [
            &[("sec-fetch-site", "cross-site"), ("origin", own)][..],
            &[("sec-fetch-site", "same-site"), ("origin", own)],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            let page = account.browser.submit_with(&form, headers, NOWHERE).await?.page()?;
            assert_eq!(page.status, 403, "{}: {}", form.action, page.text());
        }
        for csrf in ["", "guess", foreign.as_str()] {
            let page = account.browser.submit(&form.clone().with("csrf", csrf), NOWHERE).await?.page()?;
            assert_eq!(page.status, 403, "{}: {}", form.action, page.text());
        }
        // By GET nothing is changed either.
        let page = account.browser.page(&form.action, NOWHERE).await?;
        assert!(page.status.is_success() || page.status == 405, "{}: {}", form.action, page.status);
    }
    let page = account.page(&connection).await?;
    assert!(page.text().contains("Read and change"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn the_id_of_somebody_elses_connection_opens_and_changes_nothing() -> Result<()> {
    let account = Account::of("alice").await?;
    let (_, tokens) = account.connect("Alices").await?;
    let connection = account.connection("Alices").await?;
    let bob = Browser::new()?;
    let page = log_in(&account.stack, &bob, &Person::named("bob")).await?;
    let csrf = page.form_to("/account/logout")?.fields["csrf"].clone();
    let seen = bob.page(&account.url(&connection)?, NOWHERE).await?;
    assert_eq!(seen.status, 404);
    assert!(!seen.text().contains("Alices"), "{}", seen.text());
    for change in ["end", "read", "write", "all", "choose", "nonsense"] {
        let form = account.form(&connection, change).await?.with("csrf", &csrf);
        let page = bob.submit(&form, NOWHERE).await?.page()?;
        assert_eq!(page.status, 404, "{change}: {}", page.text());
    }
    let mut mcp = Mcp::new(&account.stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    mcp.request("ping", &json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn forms_sent_again_after_the_end_or_the_logout_do_nothing() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("First").await?;
    let connection = account.connection("First").await?;
    let (end, write) = (account.form(&connection, "end").await?, account.form(&connection, "write").await?);
    account.browser.submit(&end, NOWHERE).await?.page()?;
    for form in [&end, &write] {
        let page = account.browser.submit(form, NOWHERE).await?.page()?;
        assert_eq!(page.status, 404, "{}", page.text());
    }
    let out = account.page("/account").await?.form_to("/account/logout")?;
    account.browser.submit(&out, NOWHERE).await?.page()?;
    account.connect("Second").await?;
    let page = account.browser.submit(&out, NOWHERE).await?.page()?;
    assert!(page.text().contains("not logged in here"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn what_a_form_does_not_say_is_not_guessed() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("Kept").await?;
    let connection = account.connection("Kept").await?;
    let page = account.change(&connection, "").await?;
    assert_eq!(page.status, 400, "{}", page.text());
    let page = account.change(&connection, "END").await?;
    assert_eq!(page.status, 400, "{}", page.text());
    assert!(account.page(&connection).await?.text().contains("Read and change"));
    Ok(())
}
