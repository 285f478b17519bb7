//! A browser of the simplest kind: a cookie jar, no redirects followed, forms read from the page.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use reqwest::{Client, RequestBuilder, StatusCode, header};

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: String,
}

#[derive(Default)]
pub(crate) struct Browser {
    jar: Mutex<BTreeMap<String, String>>,
}

pub(crate) fn client() -> Client {
    Client::builder().tls_certs_only([]).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
    }

    /// A parameter of the URL redirected to.
    pub(crate) fn redirect_param(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.location()).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The hidden fields of the page's form.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let attribute = |tag: &str, name: &str| {
            let rest = tag.split_once(&format!("{name}=\""))?.1;
            Some(rest.split_once('"')?.0.replace("&amp;", "&").replace("&#34;", "\""))
        };
        let tags = self.body.split("<input ").skip(1).filter(|tag| tag.contains("type=\"hidden\""));
        tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
    }
}

impl Browser {
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.jar.lock().get(name).cloned()
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Page {
        let cookies =
            self.jar.lock().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let response = request.header("cookie", cookies).send().await.unwrap();
        for line in response.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let mut jar = self.jar.lock();
            if line.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        Page { status: response.status(), headers: response.headers().clone(), body: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, url: &str) -> Page {
        self.send(client().get(url)).await
    }

    pub(crate) async fn post(&self, url: &str, form: &[(String, String)]) -> Page {
        self.send(client().post(url).form(form)).await
    }
}

/// Pairs as a form takes them.
pub(crate) fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
