//! A browser as far as a login needs one: cookies, redirects followed by hand, forms filled in.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use cookie_store::CookieStore;
use parking_lot::Mutex;
use reqwest::{Client, Response, StatusCode, header};
use scraper::{Html, Selector};
use url::Url;

use crate::broker::http_client;
use crate::issued;

/// One browser with a cookie jar of its own.
pub struct Browser {
    http: Client,
    cookies: Mutex<CookieStore>,
}

/// Who logs in, and what he chooses.
#[derive(Debug, Clone)]
pub struct Person {
    /// Login name at Forgejo.
    pub login: String,
    /// Password at Forgejo.
    pub password: String,
    /// Chooses read-only on the consent page.
    pub read_only: bool,
}

/// A page that was loaded.
#[derive(Debug)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: header::HeaderMap,
    /// Text.
    pub body: String,
}

/// A form of a page, with its hidden values.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where it goes.
    pub action: Url,
    /// Its hidden inputs.
    pub fields: BTreeMap<String, String>,
}

/// Where a browser ended up.
#[derive(Debug)]
pub enum Arrival {
    /// A redirect to an address that is the client's.
    Redirect(Url),
    /// A page to look at.
    Page(Page),
}

// === impl Person ===

impl Person {
    /// A person of the stand-in whose password is `<login>-password`.
    #[must_use]
    pub fn named(login: &str) -> Self {
        Self { login: login.to_owned(), password: format!("{login}-password"), read_only: false }
    }

    /// The same, choosing read-only at consent.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

// === impl Browser ===

impl Browser {
    /// A browser without cookies.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new() -> Result<Self> {
        Ok(Self { http: http_client()?, cookies: Mutex::new(CookieStore::default()) })
    }

    /// Loads a page, following redirects until one leads to `stop`.
    ///
    /// # Errors
    /// When a server does not answer, or redirects without end.
    pub async fn open(&self, url: &Url, stop: &str) -> Result<Arrival> {
        let response = self.send(self.http.get(url.clone()), url).await?;
        self.follow(url.clone(), response, stop).await
    }

    /// Submits a form and follows on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn submit(&self, form: &Form, stop: &str) -> Result<Arrival> {
        let origin = form.action.origin().ascii_serialization();
        self.submit_with(form, &[("origin", &origin), ("sec-fetch-site", "same-origin")], stop).await
    }

    /// Submits a form with these headers about where it came from, and follows on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn submit_with(&self, form: &Form, headers: &[(&str, &str)], stop: &str) -> Result<Arrival> {
        let request = self.http.post(form.action.clone()).form(&form.fields);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.send(request, &form.action).await?;
        self.follow(form.action.clone(), response, stop).await
    }

    /// Loads a page that is expected to be one, and no redirect.
    ///
    /// # Errors
    /// As [`Self::open`], and when it redirects to `stop`.
    pub async fn page(&self, url: &Url, stop: &str) -> Result<Page> {
        self.open(url, stop).await?.page()
    }

    /// Names and values of the cookies that it would send.
    #[must_use]
    pub fn cookies(&self) -> Vec<(String, String)> {
        let jar = self.cookies.lock();
        jar.iter_unexpired().map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned())).collect()
    }

    /// Plays a whole login: consent page, Forgejo's login page, Forgejo's grant page, in whatever order they come.
    ///
    /// # Errors
    /// When a page comes that a person could not get past; its text is in the error.
    pub async fn log_in(&self, authorize: &Url, person: &Person, redirect_uri: &str) -> Result<Url> {
        let mut arrival = self.open(authorize, redirect_uri).await?;
        for _ in 0..6 {
            let page = match arrival {
                Arrival::Redirect(url) => return Ok(url),
                Arrival::Page(page) => page,
            };
            ensure!(page.status.is_success(), "{} answered {}:\n{}", page.url, page.status, page.text());
            let mut form = page.form().with_context(|| format!("no form on {}:\n{}", page.url, page.text()))?;
            if form.fields.contains_key("csrf") && page.body.contains("name=\"decision\"") {
                form.fields.insert("decision".into(), "approve".into());
                form.fields.insert("access".into(), if person.read_only { "read" } else { "write" }.into());
            } else if page.body.contains("name=\"user_name\"") {
                form.fields.insert("user_name".into(), person.login.clone());
                form.fields.insert("password".into(), person.password.clone());
            } else if page.body.contains("name=\"granted\"") || page.body.contains("granted") {
                form.fields.insert("granted".into(), "true".into());
            }
            arrival = self.submit(&form, redirect_uri).await?;
        }
        bail!("the login did not end")
    }

    async fn follow(&self, mut url: Url, mut response: Response, stop: &str) -> Result<Arrival> {
        for _ in 0..10 {
            if !response.status().is_redirection() {
                let (status, headers) = (response.status(), response.headers().clone());
                return Ok(Arrival::Page(Page { url, status, headers, body: response.text().await? }));
            }
            let location = response.headers().get(header::LOCATION).context("a redirect without Location")?;
            let target = url.join(location.to_str()?)?;
            if target.as_str().starts_with(stop) {
                return Ok(Arrival::Redirect(target));
            }
            response = self.send(self.http.get(target.clone()), &target).await?;
            url = target;
        }
        bail!("too many redirects")
    }

    async fn send(&self, mut request: reqwest::RequestBuilder, url: &Url) -> Result<Response> {
        let cookies: Vec<_> =
            self.cookies.lock().get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let response = request.send().await.with_context(|| format!("{url} does not answer"))?;
        let mut jar = self.cookies.lock();
        for value in response.headers().get_all(header::SET_COOKIE) {
            // A cookie that a browser would refuse is not kept; a login that needs it then fails visibly.
            let _ = jar.parse(value.to_str()?, url);
            let cookie = value.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = cookie.split_once('=') {
                issued::note(&format!("the cookie {name}"), value);
            }
        }
        drop(jar);
        Ok(response)
    }

    /// Forgets all cookies, as a webview without cookies would.
    pub fn forget_cookies(&self) {
        self.cookies.lock().clear();
    }
}

// === impl Arrival ===

impl Arrival {
    /// The page, if it is one.
    ///
    /// # Errors
    /// When it is a redirect.
    pub fn page(self) -> Result<Page> {
        match self {
            Self::Page(page) => Ok(page),
            Self::Redirect(url) => bail!("a redirect to {url} instead of a page"),
        }
    }

    /// The redirect, if it is one.
    ///
    /// # Errors
    /// When it is a page; its text is in the error.
    pub fn redirect(self) -> Result<Url> {
        match self {
            Self::Redirect(url) => Ok(url),
            Self::Page(page) => bail!("{} on {} instead of a redirect:\n{}", page.status, page.url, page.text()),
        }
    }
}

// === impl Form ===

impl Form {
    /// With a field set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A consent form, approved as a person would without changing anything.
    #[must_use]
    pub fn approved(self) -> Self {
        self.with("access", "write").with("decision", "approve")
    }
}

// === impl Page ===

impl Page {
    /// The first form that is sent by POST.
    #[must_use]
    pub fn form(&self) -> Option<Form> {
        let html = Html::parse_document(&self.body);
        let (forms, inputs) = (Selector::parse("form").ok()?, Selector::parse("input[type=hidden]").ok()?);
        let form = html
            .select(&forms)
            .find(|form| form.value().attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post")))?;
        let fields = form
            .select(&inputs)
            .filter_map(|input| {
                Some((
                    input.value().attr("name")?.to_owned(),
                    input.value().attr("value").unwrap_or_default().to_owned(),
                ))
            })
            .collect();
        let action = self.url.join(form.value().attr("action").unwrap_or_default()).ok()?;
        Some(Form { action, fields })
    }

    /// The first form, which has to be there.
    ///
    /// # Errors
    /// When there is none; the page's text is in the error.
    pub fn the_form(&self) -> Result<Form> {
        self.form().with_context(|| format!("no form on {}:\n{}", self.url, self.text()))
    }

    /// Addresses of the links on the page.
    #[must_use]
    pub fn links(&self) -> Vec<Url> {
        let html = Html::parse_document(&self.body);
        let Ok(anchors) = Selector::parse("a[href]") else { return Vec::new() };
        let targets = html.select(&anchors).filter_map(|anchor| anchor.value().attr("href"));
        targets.filter_map(|target| self.url.join(target).ok()).collect()
    }

    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text that a person reads.
    #[must_use]
    pub fn text(&self) -> String {
        let html = Html::parse_document(&self.body);
        let Ok(body) = Selector::parse("body") else { return String::new() };
        let words: Vec<_> = html.select(&body).flat_map(|element| element.text()).map(str::trim).collect();
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("\n")
    }
}
