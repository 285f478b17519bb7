//! The account page: log in through Forgejo, see and change what was granted, and nobody else's.

use anyhow::{Context as _, Result, ensure};
use e2e::broker::Settings;
use e2e::browser::{Arrival, Browser, Form, Page, Person};
use e2e::children::fixture;
use e2e::oauth_client::{OAuthClient, Tokens};
use e2e::stack::Stack;
use forgejo_sim::SimConfig;
use url::Url;

mod attacks;
mod change;
mod entry;
mod repositories;
mod show;

/// Nothing that a page of the broker's redirects to begins like this.
const NOWHERE: &str = "https://nowhere.invalid/";

/// A browser that is logged in to the account page of a stack.
struct Account {
    stack: Stack,
    browser: Browser,
    person: Person,
}

impl Account {
    async fn of(login: &str) -> Result<Self> {
        // The tool by which a worker sends what it is told would else be hidden from connections that may only read.
        let settings = Settings::default().with("TOOLS_READ_ONLY", "raw_request");
        let stack = Stack::start_with(&fixture("2.34.1")?, SimConfig::default(), settings).await?;
        let (browser, person) = (Browser::new()?, Person::named(login));
        let account = Self { stack, browser, person };
        account.log_in().await?;
        Ok(account)
    }

    fn url(&self, path: &str) -> Result<Url> {
        Ok(Url::parse(&format!("{}{path}", self.stack.broker.url))?)
    }

    /// Loads a page of the broker's.
    async fn page(&self, path: &str) -> Result<Page> {
        self.browser.page(&self.url(path)?, NOWHERE).await
    }

    /// Logs in with the button of the account page; the page that comes.
    async fn log_in(&self) -> Result<Page> {
        log_in(&self.stack, &self.browser, &self.person).await
    }

    /// Connects a client with this name as the same user, in a browser of its own.
    async fn connect(&self, name: &str) -> Result<(OAuthClient, Tokens)> {
        self.connect_as(name, &self.person).await
    }

    async fn connect_as(&self, name: &str, person: &Person) -> Result<(OAuthClient, Tokens)> {
        let client = OAuthClient::register(&self.stack.broker.url, name).await?;
        let tokens = client.log_in(&Browser::new()?, person).await?;
        Ok((client, tokens))
    }

    /// The path of the one connection that is shown under this name.
    async fn connection(&self, name: &str) -> Result<String> {
        let page = self.page("/account").await?;
        let shown = connections(&page).into_iter().find(|(shown, _)| shown == name);
        shown.map(|(_, path)| path).with_context(|| format!("no {name} on:\n{}", page.text()))
    }

    /// The form of a connection's own page, and with it a change.
    async fn form(&self, connection: &str, change: &str) -> Result<Form> {
        Ok(self.page(connection).await?.form_to(connection)?.with("change", change))
    }

    async fn change(&self, connection: &str, change: &str) -> Result<Page> {
        let form = self.form(connection, change).await?;
        self.browser.submit(&form, NOWHERE).await?.page()
    }
}

/// Logs a browser in to the account page.
async fn log_in(stack: &Stack, browser: &Browser, person: &Person) -> Result<Page> {
    let account = Url::parse(&format!("{}/account", stack.broker.url))?;
    let page = browser.page(&account, NOWHERE).await?;
    let arrival = browser.submit(&page.form_to("/account/login")?, account.as_str()).await?;
    let arrived = match arrival {
        Arrival::Redirect(url) => url,
        Arrival::Page(page) => browser.log_in(&page.url, person, account.as_str()).await?,
    };
    ensure!(arrived == account, "{arrived}");
    browser.page(&account, NOWHERE).await
}

/// Names and paths of the connections on the account page.
fn connections(page: &Page) -> Vec<(String, String)> {
    page.links_within("main h2 a").into_iter().map(|(text, url)| (text, url.path().to_owned())).collect()
}
