//! The way of a browser: consent page, Forgejo, back to the client.

use anyhow::Result;
use e2e::browser::{Arrival, Browser, Form, Page};
use e2e::oauth_client::{Authorization, OAuthClient};
use e2e::stack::Stack;
use url::Url;

mod callback;
mod consent;
mod denial;
mod forgejo;
mod forgery;
mod parallel;
mod repositories;
mod requests;

/// A redirect URI that belongs to somebody we do not know.
const STRANGER: &str = "https://app.example/callback";

/// The consent page of a new authorization.
async fn ask(browser: &Browser, client: &OAuthClient) -> Result<(Authorization, Page)> {
    let authorization = client.authorize(None)?;
    let page = browser.page(&authorization.url, &client.redirect_uri).await?;
    Ok((authorization, page))
}

/// Submits an approved consent form; where the browser would go at Forgejo.
async fn to_forgejo(stack: &Stack, browser: &Browser, form: &Form) -> Result<Url> {
    browser.submit(form, stack.sim.url()).await?.redirect()
}

/// The address at the broker to which Forgejo sends browsers back.
fn callback_of(stack: &Stack) -> String {
    format!("{}/oauth/callback", stack.broker.url)
}

/// What a redirect to a client carries, by name.
fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The page that refuses, with the status and a word that it must have.
fn assert_refused(arrival: Arrival, status: u16, word: &str) -> Result<Page> {
    let page = arrival.page()?;
    assert_eq!(page.status.as_u16(), status, "{}", page.text());
    let text = page.text();
    assert!(text.contains(word), "{word:?} is not in:\n{text}");
    let id = page.header("x-request-id");
    assert!(!id.is_empty() && text.contains(id), "the page does not show its request id:\n{text}");
    Ok(page)
}
