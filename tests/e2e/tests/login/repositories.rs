//! Choosing repositories between the login and the code (gateway.md §3; design §5).

use anyhow::{Context as _, Result, ensure};
use e2e::browser::{Arrival, Browser, Page, Person};
use e2e::children::fixture;
use e2e::mcp::Mcp;
use e2e::oauth_client::{Authorization, OAuthClient};
use e2e::stack::Stack;
use e2e::through_worker::WorkerRequest;
use forgejo_sim::{Fault, FaultRule};

use super::{STRANGER, ask, assert_refused, callback_of, to_forgejo};

/// A login that has come to the page of choice.
struct Choice {
    stack: Stack,
    client: OAuthClient,
    browser: Browser,
    authorization: Authorization,
    page: Page,
}

impl Choice {
    async fn of(login: &str) -> Result<Self> {
        let stack = Stack::start(&fixture("2.34.1")?).await?;
        let client = OAuthClient::register(&stack.broker.url, "Chooser <b>\u{202e}").await?;
        Self::on(stack, client, login).await
    }

    async fn on(stack: Stack, client: OAuthClient, login: &str) -> Result<Self> {
        let browser = Browser::new()?;
        let authorization = client.authorize(None)?;
        let person = Person::named(login).choosing(&[]);
        let callback = browser.log_in(&authorization.url, &person, &callback_of(&stack)).await?;
        let page = browser.page(&callback, &client.redirect_uri).await?;
        ensure!(page.is_choice(), "{}", page.text());
        Ok(Self { stack, client, browser, authorization, page })
    }

    /// Searches, with what is ticked on the page.
    async fn search(&self, page: &Page, text: &str) -> Result<Page> {
        let form = page.ticked_form()?.with("q", text).with("step", "look");
        self.browser.submit(&form, &self.client.redirect_uri).await?.page()
    }

    async fn allow(&self, page: &Page, ids: &[i64]) -> Result<Arrival> {
        let mut form = page.form_to(page.url.path())?.with("step", "allow");
        for id in ids {
            form = form.ticking("repository", &id.to_string());
        }
        self.browser.submit(&form, &self.client.redirect_uri).await
    }

    /// A new repository's id.
    fn repository(&self, owner: &str, name: &str, private: bool) -> Result<i64> {
        self.stack.sim.create_repo(owner, name, private).context("it cannot be made")
    }
}

/// Names beside the boxes, ticked and not.
fn labels(page: &Page, ticked: bool) -> Vec<String> {
    let boxes = page.boxes().into_iter().filter(|one| one.ticked == ticked);
    boxes.map(|one| one.label.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn chosen_repositories_are_what_the_grant_holds() -> Result<()> {
    let choice = Choice::of("alice").await?;
    let text = choice.page.text();
    assert!(text.contains("alice") && text.contains("Nothing is granted before you allow it"), "{text}");
    assert!(text.contains("Chooser <b>") && !choice.page.body.contains('\u{202e}'), "{text}");
    let mut own = labels(&choice.page, false);
    own.sort();
    assert_eq!(
        own,
        ["acme/plans", "acme/rocket", "alice/hello", "alice/private-notes"],
        "hers, and those of her teams"
    );

    let page = choice.search(&choice.page, "hello").await?;
    assert_eq!(labels(&page, false), ["alice/hello"]);
    let hello = page.boxes()[0].value.parse()?;
    let back = choice.allow(&page, &[hello]).await?.redirect()?;
    let tokens =
        choice.client.redeem(&choice.authorization, &choice.client.code(&choice.authorization, &back)?).await?;
    assert_eq!(tokens.scope, "read write");
    let mut worker = Mcp::new(&choice.stack.broker.url, &tokens.access_token)?;
    worker.initialize("2025-11-25").await?;
    let outside = WorkerRequest::get("/api/v1/repos/alice/private-notes").send(&worker).await?;
    assert_eq!(outside.status, 403, "{}", outside.body);
    Ok(())
}

#[tokio::test]
async fn what_is_ticked_stays_ticked_through_searches_pages_and_a_restart() -> Result<()> {
    let mut choice = Choice::of("alice").await?;
    for number in 0..45 {
        choice.stack.sim.create_repo("alice", &format!("many-{number:02}"), false);
    }
    let page = choice.search(&choice.page, "alice/hello").await?;
    let hello = page.boxes()[0].value.clone();
    let form = page.ticked_form()?.ticking("repository", &hello).with("q", "many").with("step", "look");
    let page = choice.browser.submit(&form, &choice.client.redirect_uri).await?.page()?;
    assert_eq!(labels(&page, true), ["alice/hello"]);
    assert_eq!(labels(&page, false).len(), 20);
    assert!(page.text().contains("(45)") && page.text().contains("Next page"), "{}", page.text());

    let next = page.ticked_form()?.with("q", "many").with("page", "3").ticking("repository", &page.boxes()[1].value);
    let page = choice.browser.submit(&next, &choice.client.redirect_uri).await?.page()?;
    assert_eq!(labels(&page, true), ["alice/hello", "alice/many-00"]);
    assert_eq!(labels(&page, false).len(), 5);
    assert!(!page.text().contains("Next page") && page.text().contains("Previous page"), "{}", page.text());

    choice.stack.broker.kill().await?;
    choice.stack.restart().await?;
    let page = choice.browser.page(&page.url, &choice.client.redirect_uri).await?;
    assert_eq!(labels(&page, true), ["alice/hello", "alice/many-00"]);
    let form = page.ticked_form()?.with("step", "allow");
    let back = choice.browser.submit(&form, &choice.client.redirect_uri).await?.redirect()?;
    choice.client.redeem(&choice.authorization, &choice.client.code(&choice.authorization, &back)?).await?;
    Ok(())
}

#[tokio::test]
async fn an_id_that_the_user_cannot_see_is_never_granted() -> Result<()> {
    let choice = Choice::of("bob").await?;
    let (secret, hello) =
        (choice.repository("alice", "secret-plan", true)?, choice.repository("alice", "open-plan", false)?);
    for ids in [&[secret][..], &[hello, secret], &[i64::MAX]] {
        let page = choice.allow(&choice.page, ids).await?.page()?;
        assert!(page.text().contains("cannot see"), "{}", page.text());
        assert!(!page.text().contains("secret-plan"), "its name is not told:\n{}", page.text());
    }
    let page = choice.allow(&choice.page, &[]).await?.page()?;
    assert!(page.text().contains("Tick at least one"), "{}", page.text());
    let many: Vec<i64> = (1..=101).collect();
    let page = choice.allow(&choice.page, &many).await?.page()?;
    assert!(page.text().contains("At most 100"), "{}", page.text());
    // A form without a button, and one with words of its own, grant nothing.
    let form = choice.page.form_to(choice.page.url.path())?.ticking("repository", &hello.to_string());
    for form in [form.clone(), form.with("step", "<script>")] {
        assert!(choice.browser.submit(&form, &choice.client.redirect_uri).await?.page()?.is_choice());
    }
    choice.allow(&choice.page, &[hello]).await?.redirect()?;
    Ok(())
}

#[tokio::test]
async fn the_page_belongs_to_one_browser_and_its_form_to_one_page() -> Result<()> {
    let choice = Choice::of("alice").await?;
    let hello = choice.repository("alice", "open-plan", false)?.to_string();
    let stop = choice.client.redirect_uri.as_str();
    let form = choice.page.form_to(choice.page.url.path())?.ticking("repository", &hello).with("step", "allow");

    let stranger = Browser::new()?;
    assert_refused(stranger.open(&choice.page.url, stop).await?, 400, "in this browser")?;
    assert_refused(stranger.submit(&form, stop).await?, 400, "in this browser")?;
    // A second choice of the same user in another browser does not help the first one's form either.
    let (_, consent) = ask(&stranger, &choice.client).await?;
    to_forgejo(&choice.stack, &stranger, &consent.the_form()?.approved()).await?;
    assert_refused(stranger.submit(&form, stop).await?, 400, "in this browser")?;

    let own = choice.stack.broker.url.as_str();
    for headers in [
        &[("sec-fetch-site", "cross-site"), ("origin", own)][..],
        &[("sec-fetch-site", "same-site"), ("origin", own)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        assert_refused(choice.browser.submit_with(&form, headers, stop).await?, 403, "another site")?;
    }
    for csrf in ["", "guess", &"0".repeat(64)] {
        assert_refused(choice.browser.submit(&form.clone().with("csrf", csrf), stop).await?, 403, "CSRF")?;
    }
    choice.browser.submit(&form, stop).await?.redirect()?;
    Ok(())
}

#[tokio::test]
async fn the_form_counts_once_and_nothing_is_granted_before_it() -> Result<()> {
    let choice = Choice::of("alice").await?;
    let stop = choice.client.redirect_uri.as_str();
    let hello = choice.repository("alice", "open-plan", false)?.to_string();
    let form = choice.page.form_to(choice.page.url.path())?.ticking("repository", &hello).with("step", "allow");
    let (one, other) = tokio::join!(choice.browser.submit(&form, stop), choice.browser.submit(&form, stop));
    let arrivals = [one?, other?];
    let granted = arrivals.iter().filter(|arrival| matches!(arrival, Arrival::Redirect(_))).count();
    assert_eq!(granted, 1, "{arrivals:?}");
    assert_refused(choice.browser.submit(&form, stop).await?, 400, "nothing to choose")?;
    assert_refused(choice.browser.open(&choice.page.url, stop).await?, 400, "nothing to choose")?;
    Ok(())
}

#[tokio::test]
async fn denying_there_tells_the_client_and_ends_it() -> Result<()> {
    let choice = Choice::of("alice").await?;
    let stop = choice.client.redirect_uri.as_str();
    let form = choice.page.form_to(choice.page.url.path())?.with("step", "leave");
    let back = choice.browser.submit(&form, stop).await?.redirect()?;
    assert!(back.as_str().contains("error=access_denied") && back.as_str().contains("iss="), "{back}");
    assert_refused(choice.browser.open(&choice.page.url, stop).await?, 400, "nothing to choose")?;

    // To a stranger's web address nobody is sent by himself.
    let Choice { stack, .. } = choice;
    let client = OAuthClient::register_with(&stack.broker.url, "stranger", STRANGER).await?;
    let choice = Choice::on(stack, client, "alice").await?;
    let form = choice.page.form_to(choice.page.url.path())?.with("step", "leave");
    let page = choice.browser.submit(&form, STRANGER).await?.page()?;
    assert!(page.text().contains("Access denied"), "{}", page.text());
    assert_eq!(page.links().len(), 1);
    Ok(())
}

#[tokio::test]
async fn while_forgejo_is_away_what_is_ticked_is_kept() -> Result<()> {
    let choice = Choice::of("alice").await?;
    let page = choice.search(&choice.page, "alice/hello").await?;
    let form = page.ticked_form()?.ticking("repository", &page.boxes()[0].value).with("step", "look");
    let page = choice.browser.submit(&form, &choice.client.redirect_uri).await?.page()?;
    choice.stack.sim.add_fault(FaultRule::on("/api/", Fault::Status(503)));
    let away = choice.search(&page, "rocket").await?;
    assert!(away.status.is_success() && away.text().contains("Forgejo does not answer"), "{}", away.text());
    assert_eq!(labels(&away, true), ["alice/hello"]);
    let back = choice.browser.submit(&away.ticked_form()?.with("step", "allow"), &choice.client.redirect_uri).await?;
    back.redirect()?;
    Ok(())
}

#[tokio::test]
async fn the_page_cannot_be_framed_or_scripted_and_shows_names_as_text() -> Result<()> {
    let choice = Choice::of("alice").await?;
    let hostile = "<img src=x onerror=alert(1)>\u{202e}evil\u{0}";
    choice.stack.sim.describe_repo("alice", "hello", hostile, &[]);
    let page = choice.search(&choice.page, "\"><script>alert(1)</script>").await?;
    assert!(page.text().contains("Found for"), "{}", page.text());
    for page in [&page, &choice.search(&choice.page, "hello").await?] {
        for bad in ["<script", "<img", "\u{202e}", "\u{0}"] {
            assert!(!page.body.contains(bad), "{bad:?} in {}", page.body);
        }
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("form-action") && !policy.contains("unsafe"), "{policy}");
    }
    Ok(())
}
