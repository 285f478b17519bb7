//! Calls to Forgejo's API as the Go SDK makes them: `Authorization: token …`, no timeout, errors as free text.

use std::fmt;

use reqwest::{Client, Method, Response};
use url::Url;

use crate::options::Options;

/// A client for one Forgejo and one token.
#[derive(Clone)]
pub(crate) struct Api {
    base: Url,
    token: String,
    agent: String,
    client: Client,
}

/// Why a call failed, in the words of the Go SDK.
#[derive(Debug)]
pub(crate) struct ApiError {
    text: String,
    not_found: bool,
}

/// One API call.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Segments below `/api/v1`, unescaped.
    pub(crate) path: Vec<&'a str>,
    pub(crate) query: Vec<(&'a str, String)>,
    /// JSON text.
    pub(crate) body: Option<String>,
}

// === impl Api ===

impl Api {
    /// The client for the configured Forgejo.
    pub(crate) fn new(options: &Options) -> Result<Self, ApiError> {
        let address = options.forgejo_url();
        let base = Url::parse(address).map_err(|error| ApiError::other(format!("FORGEJO_URL {address:?}: {error}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(ApiError::other(format!("URL must start with http:// or https://, got: {}", base.scheme())));
        }
        let client =
            Client::builder().no_proxy().build().map_err(|error| ApiError::other(format!("HTTP client: {error}")))?;
        Ok(Self { base, token: options.access_token().to_owned(), agent: options.agent(), client })
    }

    /// Forgejo's host and port.
    pub(crate) fn authority(&self) -> (String, u16) {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        (host, self.base.port_or_known_default().unwrap_or(80))
    }

    /// The configured path prefix, empty for a Forgejo at the root.
    pub(crate) fn prefix(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }

    /// The token as the program holds it.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The User-Agent of every call.
    pub(crate) fn agent(&self) -> &str {
        &self.agent
    }

    /// Makes the call and returns the body of a 2xx answer.
    pub(crate) async fn call(&self, request: &Request<'_>) -> Result<String, ApiError> {
        let mut url = self.base.clone();
        // The Go SDK counts the arguments, which all follow the fixed first segment.
        if let Some(empty) = request.path.iter().skip(1).position(|segment| segment.is_empty()) {
            return Err(ApiError::other(format!("path segment [{empty}] is empty")));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(&request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut call = self.client.request(request.method.clone(), url.clone()).header("User-Agent", &self.agent);
        if !self.token.is_empty() {
            call = call.header("Authorization", format!("token {}", self.token));
        }
        if let Some(body) = &request.body {
            call = call.header("Content-Type", "application/json").body(body.clone());
        }
        let response = call.send().await.map_err(|error| unreachable_text(&request.method, &url, &error))?;
        read(response, &request.method).await
    }

    /// Fetches an address of any host **with the token**, as forgejo-mcp's attachment downloads do.
    /// Returns content type and bytes, at most `limit` of them.
    pub(crate) async fn download(&self, address: &str, limit: usize) -> Result<(String, Vec<u8>), ApiError> {
        let absolute = if address.starts_with("http://") || address.starts_with("https://") {
            Url::parse(address)
        } else {
            Url::parse(&format!("{}/{}", self.base.as_str().trim_end_matches('/'), address.trim_start_matches('/')))
        };
        let url = absolute.map_err(|error| ApiError::other(format!("{address:?}: {error}")))?;
        let mut response = self
            .client
            .get(url.clone())
            .header("Authorization", format!("token {}", self.token))
            .header("User-Agent", &self.agent)
            .header("Accept", "application/json")
            .send()
            .await
            .map_err(|error| unreachable_text(&Method::GET, &url, &error))?;
        let status = response.status();
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or("application/octet-stream").to_owned();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| ApiError::other(error.to_string()))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > limit {
                return Err(ApiError::other("payload exceeds inline cap".into()));
            }
        }
        if !status.is_success() {
            let snippet: String = String::from_utf8_lossy(&bytes).chars().take(1024).collect();
            return Err(ApiError::other(format!("GET {url}: {status}: {snippet}")));
        }
        Ok((kind, bytes))
    }
}

async fn read(response: Response, method: &Method) -> Result<String, ApiError> {
    let status = response.status();
    let target = response.url().path().to_owned();
    let body = response.text().await.map_err(|error| ApiError::other(error.to_string()))?;
    if status.is_success() {
        return Ok(body);
    }
    let message = serde_json::from_str::<serde_json::Value>(&body)
        .ok()
        .and_then(|value| value.get("message").and_then(|text| text.as_str().map(str::to_owned)));
    let text = message.unwrap_or_else(|| {
        format!("unknown API Error: {}\nRequest: '{target}' with '{method}' method and '{body}' body", status.as_u16())
    });
    Err(ApiError { text, not_found: status.as_u16() == 404 })
}

fn unreachable_text(method: &Method, url: &Url, error: &reqwest::Error) -> ApiError {
    let verb = method.as_str();
    let verb = format!("{}{}", &verb[..1], verb[1..].to_ascii_lowercase());
    let cause = if error.is_connect() {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        format!("dial tcp {host}:{port}: connect: connection refused")
    } else {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        text
    };
    ApiError::other(format!("{verb} \"{url}\": {cause}"))
}

// === impl ApiError ===

impl ApiError {
    fn other(text: String) -> Self {
        Self { text, not_found: false }
    }

    /// Whether Forgejo answered 404.
    pub(crate) fn is_not_found(&self) -> bool {
        self.not_found
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ApiError {}
