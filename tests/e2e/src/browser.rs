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
    /// Chooses these repositories, by their full names, instead of allowing all.
    pub repositories: Option<Vec<String>>,
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
    /// Fields that may come more than once, such as ticked boxes.
    pub more: Vec<(String, String)>,
}

/// A box of a form that can be ticked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TickBox {
    /// Its field's name.
    pub name: String,
    /// What is sent when it is ticked.
    pub value: String,
    /// Its label.
    pub label: String,
    /// Whether it is ticked on the page.
    pub ticked: bool,
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
        Self { login: login.to_owned(), password: format!("{login}-password"), read_only: false, repositories: None }
    }

    /// The same, choosing read-only at consent.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same, allowing only these repositories, named `owner/name`.
    #[must_use]
    pub fn choosing(mut self, repositories: &[&str]) -> Self {
        self.repositories = Some(repositories.iter().map(|&name| name.to_owned()).collect());
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
        let fields: Vec<(&str, &str)> = form
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(form.more.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .collect();
        let request = self.http.post(form.action.clone()).form(&fields);
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
        for _ in 0..7 {
            let page = match arrival {
                Arrival::Redirect(url) => return Ok(url),
                Arrival::Page(page) => page,
            };
            ensure!(page.status.is_success(), "{} answered {}:\n{}", page.url, page.status, page.text());
            if let Some(wanted) = person.repositories.as_ref().filter(|_| page.is_choice()) {
                arrival = self.choose(page, wanted, redirect_uri).await?;
                continue;
            }
            let mut form = page.form().with_context(|| format!("no form on {}:\n{}", page.url, page.text()))?;
            if form.fields.contains_key("csrf") && page.body.contains("name=\"decision\"") {
                form.fields.insert("decision".into(), "approve".into());
                form.fields.insert("access".into(), if person.read_only { "read" } else { "write" }.into());
                let repositories = if person.repositories.is_some() { "choose" } else { "all" };
                form.fields.insert("repositories".into(), repositories.into());
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

    /// Searches for each of the wanted repositories on the page of choice, ticks it, and allows them.
    ///
    /// # Errors
    /// When one is not found.
    pub async fn choose(&self, mut page: Page, wanted: &[String], stop: &str) -> Result<Arrival> {
        for name in wanted {
            page = self.submit(&page.ticked_form()?.with("q", name).with("step", "look"), stop).await?.page()?;
            let found = page.boxes().into_iter().find(|found| found.label.starts_with(name.as_str()));
            let found = found.with_context(|| format!("{name} is not on the page:\n{}", page.text()))?;
            let form = page.ticked_form()?.ticking(&found.name, &found.value);
            page = self.submit(&form.with("step", "look"), stop).await?.page()?;
        }
        self.submit(&page.ticked_form()?.with("step", "allow"), stop).await
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

    /// With one more of a field that may come several times.
    #[must_use]
    pub fn ticking(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
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
        self.forms().into_iter().next()
    }

    /// The forms that are sent by POST, each with its hidden values.
    #[must_use]
    pub fn forms(&self) -> Vec<Form> {
        let html = Html::parse_document(&self.body);
        let (Ok(forms), Ok(inputs)) = (Selector::parse("form"), Selector::parse("input[type=hidden]")) else {
            return Vec::new();
        };
        let post = |form: &scraper::ElementRef<'_>| {
            form.value().attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
        };
        let read = |form: scraper::ElementRef<'_>| {
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
            Some(Form { action, fields, more: Vec::new() })
        };
        html.select(&forms).filter(post).filter_map(read).collect()
    }

    /// The form that goes to this path, which has to be there.
    ///
    /// # Errors
    /// When there is none; the page's text is in the error.
    pub fn form_to(&self, path: &str) -> Result<Form> {
        let form = self.forms().into_iter().find(|form| form.action.path() == path);
        form.with_context(|| format!("no form to {path} on {}:\n{}", self.url, self.text()))
    }

    /// The last form, with the boxes that are ticked on the page.
    ///
    /// # Errors
    /// When there is none.
    pub fn ticked_form(&self) -> Result<Form> {
        let form = self.forms().into_iter().next_back();
        let mut form = form.with_context(|| format!("no form on {}:\n{}", self.url, self.text()))?;
        for ticked in self.boxes().into_iter().filter(|one| one.ticked) {
            form = form.ticking(&ticked.name, &ticked.value);
        }
        Ok(form)
    }

    /// The boxes on the page.
    #[must_use]
    pub fn boxes(&self) -> Vec<TickBox> {
        let html = Html::parse_document(&self.body);
        let Ok(boxes) = Selector::parse("input[type=checkbox]") else { return Vec::new() };
        let read = |input: scraper::ElementRef<'_>| {
            let attribute = |name: &str| input.value().attr(name).unwrap_or_default().to_owned();
            let label = Selector::parse(&format!("label[for=\"{}\"]", attribute("id"))).ok()?;
            let label = html.select(&label).flat_map(|label| label.text()).collect::<String>();
            let ticked = input.value().attr("checked").is_some();
            Some(TickBox { name: attribute("name"), value: attribute("value"), label, ticked })
        };
        html.select(&boxes).filter_map(read).collect()
    }

    /// Whether it is the page on which repositories are chosen.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        self.url.path().contains("/repositories/") && self.body.contains("type=\"search\"")
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

    /// Texts and addresses of the links that a selector finds.
    #[must_use]
    pub fn links_within(&self, selector: &str) -> Vec<(String, Url)> {
        let html = Html::parse_document(&self.body);
        let Ok(anchors) = Selector::parse(selector) else { return Vec::new() };
        let read = |anchor: scraper::ElementRef<'_>| {
            let target = self.url.join(anchor.value().attr("href")?).ok()?;
            Some((anchor.text().collect::<String>().trim().to_owned(), target))
        };
        html.select(&anchors).filter_map(read).collect()
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
