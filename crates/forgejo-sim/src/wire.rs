//! One request as Forgejo's router sees it, and the answers built from it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::Full;
use percent_encoding::percent_decode_str;

/// An answer, whole in memory.
pub(crate) type Response = http::Response<Full<Bytes>>;

/// Names and values of a query or a form, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// A request read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path below the root URL with leading slash, decoded where [`Request::segments`] is; else as sent, for the log.
    pub(crate) path: String,
    /// The path split and percent-decoded, repeated slashes collapsed. `None` when it holds dot segments or is not below
    /// the root URL: nothing is found there.
    pub(crate) segments: Option<Vec<String>>,
    /// The query as sent.
    pub(crate) raw_query: String,
    pub(crate) query: Params,
    /// Fields of an `application/x-www-form-urlencoded` body.
    pub(crate) form: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

// === impl Params ===

impl Params {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value, or the empty string: Go's `Form.Get`.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// All values of a name that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

impl From<Vec<(String, String)>> for Params {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

// === impl Request ===

impl Request {
    /// Builds the request from its parts; `base` is the path of the root URL without its trailing slash.
    pub(crate) fn new(parts: http::request::Parts, body: Bytes, base: &str) -> Self {
        let sent = collapse_slashes(parts.uri.path());
        let below = sent.strip_prefix(base).filter(|path| path.is_empty() || path.starts_with('/'));
        let segments = below.and_then(split);
        let path = match &segments {
            Some(segments) => format!("/{}", segments.join("/")),
            None => sent.clone(),
        };
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let is_form = content_type(&parts.headers).starts_with("application/x-www-form-urlencoded");
        Self {
            method: parts.method,
            path,
            segments,
            query: Params::parse(raw_query.as_bytes()),
            raw_query,
            form: if is_form { Params::parse(&body) } else { Params::default() },
            headers: parts.headers,
            body,
        }
    }

    /// A header's value; empty when absent or not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn content_type(&self) -> &str {
        content_type(&self.headers)
    }

    /// Go's `Form.Get`: a field of the body goes before one of the query.
    pub(crate) fn form_value(&self, name: &str) -> &str {
        match self.form.get(name) {
            Some(value) => value,
            None => self.query.value(name),
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// User name and password of an `Authorization: Basic` header, not url-decoded.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let (scheme, value) = self.header("authorization").split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let plain = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        let (name, password) = plain.split_once(':')?;
        Some((name.to_owned(), password.to_owned()))
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn collapse_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// Segments of a path, decoded; a trailing slash is dropped. `None` with a dot segment, encoded or not.
fn split(path: &str) -> Option<Vec<String>> {
    let trimmed = path.trim_start_matches('/').trim_end_matches('/');
    if trimmed.is_empty() {
        return Some(Vec::new());
    }
    let segments: Vec<String> =
        trimmed.split('/').map(|raw| percent_decode_str(raw).decode_utf8_lossy().into_owned()).collect();
    let dots = |segment: &String| segment.split('/').any(|part| part == "." || part == "..");
    (!segments.iter().any(dots)).then_some(segments)
}

/// An answer with a body of the given type.
pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    }
    headers.insert("x-content-type-options", http::HeaderValue::from_static("nosniff"));
    headers.insert("x-frame-options", http::HeaderValue::from_static("SAMEORIGIN"));
    response
}

pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    answer(status, "application/json;charset=utf-8", value.to_string())
}

pub(crate) fn html(status: StatusCode, page: String) -> Response {
    answer(status, "text/html; charset=utf-8", page)
}

pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    answer(status, "text/plain; charset=utf-8", body)
}

pub(crate) fn empty(status: StatusCode) -> Response {
    answer(status, "", Bytes::new())
}

/// The answer of Go's router to a path that it does not know.
pub(crate) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// 303 See Other, which Forgejo uses for every redirect of a form or a login.
pub(crate) fn see_other(location: &str) -> Response {
    let mut response = empty(StatusCode::SEE_OTHER);
    set_header(&mut response, "location", location);
    response
}

/// Sets a header; a value that is no header text is left out.
pub(crate) fn set_header(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_router_reads_them() {
        let read = |path: &str| split(&collapse_slashes(path));
        let segments = |parts: &[&str]| Some(parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("//api/v1//user/"), segments(&["api", "v1", "user"]));
        assert_eq!(read("/a/%70riv/feature%2Fx"), segments(&["a", "priv", "feature/x"]));
        assert_eq!(read("/a/../b"), None);
        assert_eq!(read("/a/%2e%2E/b"), None);
        assert_eq!(read("/a/x%2F..%2Fb"), None);
        assert_eq!(read("/a/one...two"), segments(&["a", "one...two"]));
    }
}
