//! What the page shows.

use anyhow::Result;
use e2e::browser::{Browser, Person};
use e2e::mcp::Mcp;
use e2e::stack::until_ok;

use super::{Account, connections};

#[tokio::test]
async fn a_user_sees_his_connections_with_what_they_may_do_and_nobody_elses() -> Result<()> {
    let account = Account::of("alice").await?;
    assert!(account.page("/account").await?.text().contains("No program is connected"));
    account.connect_as("Reader", &Person::named("alice").read_only().choosing(&["alice/hello"])).await?;
    let (_, tokens) = account.connect("Writer").await?;
    account.connect_as("Bobs", &Person::named("bob")).await?;
    let mut worker = Mcp::new(&account.stack.broker.url, &tokens.access_token)?;
    worker.initialize("2025-11-25").await?;

    let page = account.page("/account").await?;
    let names: Vec<_> = connections(&page).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Writer", "Reader"], "the newest first");
    let text = page.text();
    for part in
        ["Only read", "1 chosen repository", "Read and change", "all repositories", "unverified name", "1 open session"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(text.contains("alice") && !text.contains("Bobs"), "{text}");

    let page = account.page(&account.connection("Reader").await?).await?;
    let text = page.text();
    assert!(text.contains("alice/hello") && text.contains("had asked to change things"), "{text}");
    Ok(())
}

#[tokio::test]
async fn names_that_strangers_chose_are_text_and_nothing_else() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("\"><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}evil").await?;
    let (_, path) = connections(&account.page("/account").await?).remove(0);
    for path in ["/account", "/account/activity", path.as_str()] {
        // Events are written in batches.
        let page = until_ok("the name is shown, as text", async || {
            let page = account.page(path).await?;
            anyhow::ensure!(page.text().contains("<script>"), "{path}:\n{}", page.text());
            Ok(page)
        })
        .await?;
        for bad in ["<script", "<img", "\u{202e}"] {
            assert!(!page.body.contains(bad), "{path}: {bad:?} in {}", page.body);
        }
    }
    // Nor does an address put text of its choice on a page.
    let page = account.page("/account?notice=%3Cscript%3Ealert(1)%3C/script%3E").await?;
    assert!(!page.body.contains("alert(1)</script>") && !page.body.contains("class=\"notice\""), "{}", page.body);
    Ok(())
}

#[tokio::test]
async fn recent_activity_is_told_from_the_audit_log() -> Result<()> {
    let account = Account::of("alice").await?;
    let (client, tokens) = account.connect("Worker").await?;
    client.refresh(&tokens.refresh_token).await?;
    account.connect_as("Bobs", &Person::named("bob")).await?;
    // Events are written in batches.
    let text = until_ok("the activity is there", async || {
        let text = account.page("/account/activity").await?.text();
        anyhow::ensure!(text.contains("renewed its tokens"), "{text}");
        Ok(text)
    })
    .await?;
    for part in ["You logged in to this page", "you logged in and allowed access", "fetched its first tokens", "Worker"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(!text.contains("Bobs"), "{text}");
    assert!(account.page("/account").await?.text().contains("Recent activity"));
    Ok(())
}

#[tokio::test]
async fn every_page_is_protected_against_frames_caches_and_scripts() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("One").await?;
    let connection = account.connection("One").await?;
    let choice = account.change(&connection, "choose").await?;
    let entry = Browser::new()?.page(&account.url("/account")?, super::NOWHERE).await?;
    let pages = [
        account.page("/account").await?,
        account.page("/account/activity").await?,
        account.page(&connection).await?,
        choice,
        entry,
        account.page("/account/connections/unknown").await?,
    ];
    for page in pages {
        assert_eq!(page.header("x-frame-options"), "DENY", "{}", page.url);
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        // Only what leads on to Forgejo, and from there to wherever its login is, may leave.
        let leaves = page.url.path() == "/account" && page.text().contains("Log in with");
        assert_eq!(policy.contains("form-action"), !leaves, "{}: {policy}", page.url);
    }
    Ok(())
}
