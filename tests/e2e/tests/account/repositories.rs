//! Another choice of repositories for a connection that stands.

use anyhow::{Context as _, Result, ensure};
use e2e::browser::{Browser, Page, Person};
use e2e::mcp::Mcp;
use e2e::through_worker::WorkerRequest;

use super::{Account, NOWHERE, log_in};

/// Chooses exactly these from the page of choice.
async fn choose(account: &Account, page: Page, wanted: &[&str]) -> Result<Page> {
    let mut page = page;
    // Nothing of what was chosen before stays.
    let form = page.form_to(page.url.path())?.with("step", "look");
    page = account.browser.submit(&form, NOWHERE).await?.page()?;
    let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    account.browser.choose(page, &wanted, NOWHERE).await?.page()
}

#[tokio::test]
async fn another_choice_acts_at_once_on_a_worker_that_runs() -> Result<()> {
    let account = Account::of("alice").await?;
    let (_, tokens) = account.connect("Worker").await?;
    let mut worker = Mcp::new(&account.stack.broker.url, &tokens.access_token)?;
    worker.initialize("2025-11-25").await?;
    let notes = WorkerRequest::get("/api/v1/repos/alice/private-notes");
    ensure!(notes.send(&worker).await?.status == 200);

    let connection = account.connection("Worker").await?;
    let page = account.change(&connection, "choose").await?;
    let page = choose(&account, page, &["alice/hello", "acme/rocket"]).await?;
    assert_eq!(page.url.path(), connection);
    let text = page.text();
    assert!(text.contains("Changed. It is in effect now") && text.contains("2 chosen repositories"), "{text}");
    assert_eq!(notes.send(&worker).await?.status, 403);

    let page = account.change(&connection, "choose").await?;
    let ticked: Vec<_> = page.boxes().into_iter().filter(|one| one.ticked).map(|one| one.label).collect();
    assert_eq!(ticked, ["alice/hello", "acme/rocket"], "it begins with what is chosen now");
    let page = choose(&account, page, &["alice/private-notes"]).await?;
    assert!(page.text().contains("alice/private-notes") && !page.text().contains("acme/rocket"), "{}", page.text());

    let page = account.change(&connection, "all").await?;
    assert!(page.text().contains("all repositories that you can see"), "{}", page.text());
    assert_eq!(notes.send(&worker).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn leaving_the_page_changes_nothing() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect_as("Worker", &Person::named("alice").choosing(&["alice/hello"])).await?;
    let connection = account.connection("Worker").await?;
    let page = account.change(&connection, "choose").await?;
    let form = page.form_to(page.url.path())?.with("step", "leave");
    let left = account.browser.submit(&form, NOWHERE).await?.page()?;
    assert!(left.text().contains("Nothing was changed") && left.text().contains("alice/hello"), "{}", left.text());
    let over = account.browser.page(&page.url, NOWHERE).await?;
    assert_eq!(over.status, 404, "{}", over.text());
    Ok(())
}

#[tokio::test]
async fn a_choice_can_neither_be_seen_nor_made_by_another_session_or_user() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect("Worker").await?;
    let connection = account.connection("Worker").await?;
    let page = account.change(&connection, "choose").await?;
    let hidden = account.stack.sim.create_repo("bob", "secret-plan", true).context("no repository")?;
    for person in [Person::named("bob"), Person::named("alice")] {
        let other = Browser::new()?;
        let csrf = log_in(&account.stack, &other, &person).await?.form_to("/account/logout")?.fields["csrf"].clone();
        assert_eq!(other.page(&page.url, NOWHERE).await?.status, 404);
        let form = page.form_to(page.url.path())?.with("csrf", &csrf).with("step", "allow");
        assert_eq!(other.submit(&form, NOWHERE).await?.page()?.status, 404);
    }
    // Nor does its own user get in what he cannot see.
    let form = page.form_to(page.url.path())?.ticking("repository", &hidden.to_string()).with("step", "allow");
    let answer = account.browser.submit(&form, NOWHERE).await?.page()?;
    assert!(answer.text().contains("cannot see") && !answer.text().contains("secret-plan"), "{}", answer.text());
    assert!(account.page(&connection).await?.text().contains("all repositories"));
    // The address of an authorization's choice does not open one of the account page, nor the reverse.
    let id = page.url.path().rsplit('/').next().unwrap_or_default();
    let crossed = account.page(&format!("/oauth/repositories/{id}")).await?;
    assert_eq!(crossed.status, 400, "{}", crossed.text());
    Ok(())
}
