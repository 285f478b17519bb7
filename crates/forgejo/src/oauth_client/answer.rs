//! One request, one bounded answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::{OAuthClient, Unreachable, for_display};

/// No answer that we ask for is longer; a longer one is not Forgejo's.
const BODY_LIMIT: usize = 64 * 1024;

/// Nobody is put off for longer, whatever a `Retry-After` says.
const LONGEST_RETRY_AFTER_S: u32 = 300;

/// An answer below 500 that was read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

// === impl OAuthClient ===

impl OAuthClient {
    /// Sends with our user agent and time limit.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, Unreachable> {
        self.send_within(request, BODY_LIMIT).await
    }

    /// The same with a limit of choice for the answer's body, in bytes.
    pub(crate) async fn send_within(&self, request: RequestBuilder, most: usize) -> Result<Answer, Unreachable> {
        exchange(request, &self.inner.config.user_agent, self.request_timeout(), most).await
    }

    /// A request for an address at Forgejo.
    pub(crate) fn request(&self, url: url::Url) -> RequestBuilder {
        self.inner.outbound.client().get(url)
    }
}

/// Sends, and reads the answer whole. 5xx and 429 say nothing about the user and end here.
pub(super) async fn send(request: RequestBuilder, user_agent: &str, limit: Duration) -> Result<Answer, Unreachable> {
    exchange(request, user_agent, limit, BODY_LIMIT).await
}

async fn exchange(
    request: RequestBuilder,
    user_agent: &str,
    limit: Duration,
    most: usize,
) -> Result<Answer, Unreachable> {
    let request = request.header(header::USER_AGENT, user_agent).header(header::ACCEPT, "application/json");
    let mut response = request.timeout(limit).send().await.map_err(transport)?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after = headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok())
            .map(|seconds| seconds.clamp(1, LONGEST_RETRY_AFTER_S));
        return Err(Unreachable { reason: format!("HTTP {status}"), retry_after });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > most {
            return Err(Unreachable::because(format!("HTTP {status} with a body over {most} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

// === impl Answer ===

impl Answer {
    /// The body, if it is labelled as JSON and fits.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        if !self.is("application/json") {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }

    pub(super) fn is(&self, media_type: &str) -> bool {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
        })
    }

    /// Where a redirect points, without its query, for a log line.
    pub(super) fn location(&self) -> Option<String> {
        let location = self.headers.get(header::LOCATION)?.to_str().ok()?;
        let path = location.split(['?', '#']).next()?;
        Some(for_display(path, &[]))
    }

    /// An answer that Forgejo does not give to this request.
    pub(crate) fn unexpected(&self) -> Unreachable {
        let Self { status, .. } = self;
        if status.is_redirection() {
            let to = self.location().unwrap_or_default();
            return Unreachable::because(format!(
                "HTTP {status} to `{to}`: is the configured URL Forgejo's own, sub-path included?"
            ));
        }
        let kind =
            self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("no content type");
        Unreachable::because(format!("HTTP {status} with an unexpected body ({})", for_display(kind, &[])))
    }
}

/// `Bearer`, which every version takes, marked so that it is never printed.
pub(crate) fn bearer(token: &SecretString) -> Result<HeaderValue, Unreachable> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
        .map_err(|_| Unreachable::because("the stored token has characters that a header can't carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn transport(error: reqwest::Error) -> Unreachable {
    use std::{error::Error, fmt::Write};

    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String can't fail.
        let _ = write!(reason, ": {cause}");
        source = cause.source();
    }
    Unreachable::because(for_display(&reason, &[]))
}
