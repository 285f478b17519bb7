//! Narrowing and ending take effect at once, on sessions and workers that run; widening has its limits.

use anyhow::{Result, ensure};
use e2e::browser::{Browser, Person};
use e2e::mcp::{Mcp, request};
use e2e::oauth_client::OAuthClient;
use e2e::stack::eventually;
use e2e::through_worker::WorkerRequest;
use serde_json::json;

use super::Account;

/// A session of the account's user with a client of this name.
async fn session(account: &Account, name: &str) -> Result<(Mcp, OAuthClient, String)> {
    let (client, tokens) = account.connect(name).await?;
    let mut mcp = Mcp::new(&account.stack.broker.url, &tokens.access_token)?;
    mcp.initialize("2025-11-25").await?;
    Ok((mcp, client, tokens.refresh_token))
}

fn new_issue() -> WorkerRequest {
    WorkerRequest::new("POST", "/api/v1/repos/alice/hello/issues").json(&json!({"title": "from a test"}))
}

#[tokio::test]
async fn read_only_holds_from_the_next_request_of_a_worker_that_runs_and_can_be_taken_back() -> Result<()> {
    let account = Account::of("alice").await?;
    let (worker, client, refresh_token) = session(&account, "Editor").await?;
    ensure!(new_issue().send(&worker).await?.status == 201);
    let connection = account.connection("Editor").await?;

    let page = account.change(&connection, "read").await?;
    assert!(
        page.text().contains("Changed. It is in effect now") && page.text().contains("Only read"),
        "{}",
        page.text()
    );
    let refused = new_issue().send(&worker).await?;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert_eq!(WorkerRequest::get("/api/v1/repos/alice/hello").send(&worker).await?.status, 200);
    assert_eq!(client.refresh(&refresh_token).await?.scope, "read");
    assert!(account.change(&connection, "read").await?.text().contains("Nothing was changed"));

    let page = account.change(&connection, "write").await?;
    assert!(page.text().contains("Read and change"), "{}", page.text());
    assert_eq!(new_issue().send(&worker).await?.status, 201);
    Ok(())
}

#[tokio::test]
async fn a_client_that_never_asked_to_write_is_not_given_it() -> Result<()> {
    let account = Account::of("alice").await?;
    let client = OAuthClient::register(&account.stack.broker.url, "Modest").await?;
    let authorization = client.authorize(Some("read"))?;
    let back = Browser::new()?.log_in(&authorization.url, &account.person, &client.redirect_uri).await?;
    client.redeem(&authorization, &client.code(&authorization, &back)?).await?;
    let connection = account.connection("Modest").await?;
    assert!(account.page(&connection).await?.text().contains("has not asked for more"));
    let page = account.change(&connection, "write").await?;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(account.page(&connection).await?.text().contains("Only read"));
    Ok(())
}

#[tokio::test]
async fn lowered_at_consent_can_be_raised_later_to_what_was_asked() -> Result<()> {
    let account = Account::of("alice").await?;
    account.connect_as("Careful", &Person::named("alice").read_only()).await?;
    let connection = account.connection("Careful").await?;
    let page = account.change(&connection, "write").await?;
    assert!(page.text().contains("Read and change"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn ending_a_connection_ends_tokens_sessions_and_workers_and_leaves_others_alone() -> Result<()> {
    let account = Account::of("alice").await?;
    let (ended, client, refresh_token) = session(&account, "Ended").await?;
    let (other, _, _) = session(&account, "Other").await?;
    let mut stream = ended.open_stream().await?;
    let page = account.change(&account.connection("Ended").await?, "end").await?;
    assert!(
        page.text().contains("The connection has ended") && !page.text().contains("Ended\nunverified"),
        "{}",
        page.text()
    );
    let answer = ended.post(&request(&json!(1), "ping", &json!({}))).await?;
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(client.refresh_raw(&refresh_token).await?.0, 400);
    while stream.chunk().await?.is_some() {}
    eventually("one worker is left", || account.stack.broker.workers().len() == 1).await?;
    assert_eq!(other.post(&request(&json!(1), "ping", &json!({}))).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn ending_all_ends_every_connection_of_the_user_and_of_nobody_else() -> Result<()> {
    let account = Account::of("alice").await?;
    let (one, _, _) = session(&account, "One").await?;
    let (two, _, _) = session(&account, "Two").await?;
    let (_, bobs) = account.connect_as("Bobs", &Person::named("bob")).await?;
    let form = account.page("/account").await?.form_to("/account/end")?;
    let page = account.browser.submit(&form, super::NOWHERE).await?.page()?;
    assert!(page.text().contains("No program is connected"), "{}", page.text());
    for session in [one, two] {
        assert_eq!(session.post(&request(&json!(1), "ping", &json!({}))).await?.status, 401);
    }
    eventually("no worker is left", || account.stack.broker.workers().is_empty()).await?;
    Mcp::new(&account.stack.broker.url, &bobs.access_token)?.initialize("2025-11-25").await?;
    Ok(())
}
