//! Sends a judged request to Forgejo with the user's token, and again with a new one after a 401.

use std::{pin::pin, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::Response;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{
    body::{Outgoing, Watch},
    event::GatewayEvent,
    refusal::Refusal,
    shared::Shared,
};
use crate::token_source::{After401, CredentialError};

/// Seconds after which a worker may try again when Forgejo is not there.
const RETRY_UNREACHABLE: u32 = 5;

/// The longest answer to a version probe, in bytes.
const LONGEST_VERSION_ANSWER: usize = 4096;

/// A request as it is forwarded, its authorisation excepted.
pub(super) struct Forward {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Outgoing,
}

/// Sends a request as the user. Never answers with a 401 of Forgejo's, whose text may echo the token.
pub(super) async fn send(shared: &Shared, user: &Arc<str>, forward: Forward) -> Result<Response, Refusal> {
    let token = shared.tokens.access_token(Arc::clone(user)).await?;
    let Forward { method, url, headers, body } = forward;
    let (body, again) = match body {
        Outgoing::None => (Outgoing::None, Some(Outgoing::None)),
        Outgoing::Whole(bytes) => (Outgoing::Whole(bytes.clone()), Some(Outgoing::Whole(bytes))),
        stream @ Outgoing::Stream { .. } => (stream, None),
    };
    let first = Forward { method: method.clone(), url: url.clone(), headers: headers.clone(), body };
    let answer = attempt(shared, first, &token).await?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    drop(answer);
    let verdict = shared.tokens.after_401(Arc::clone(user), token).await;
    let retried = again.is_some() && matches!(verdict, Ok(After401::Retry(_)));
    shared.observer.event(GatewayEvent::Upstream401 { user: Arc::clone(user), retried });
    let After401::Retry(token) = verdict? else {
        return Err(Refusal::NotAccepted);
    };
    let Some(body) = again else {
        return Err(Refusal::SendAgain);
    };
    let answer = attempt(shared, Forward { method, url, headers, body }, &token).await?;
    if answer.status() == StatusCode::UNAUTHORIZED { Err(Refusal::NotAccepted) } else { Ok(answer) }
}

/// Fetches from storage on the operator's list: no credential goes along.
pub(super) async fn fetch_from_storage(
    shared: &Shared,
    method: Method,
    url: Url,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let request = shared.client.request(method, url).headers(headers);
    dispatch(shared, request, None).await
}

/// Asks for Forgejo's version if it is time to, so that later probes can be answered.
pub(super) fn refresh_version(shared: &Arc<Shared>, user: &Arc<str>) {
    if !shared.version.is_due() {
        return;
    }
    let (shared, user) = (Arc::clone(shared), Arc::clone(user));
    tokio::spawn(async move {
        let Ok(url) = shared.origins.back_channel().join("api/v1/version") else {
            return;
        };
        let Ok(token) = shared.tokens.access_token(user).await else {
            return;
        };
        let forward = Forward { method: Method::GET, url, headers: HeaderMap::new(), body: Outgoing::None };
        let Ok(mut answer) = attempt(&shared, forward, &token).await else {
            return;
        };
        if answer.status() != StatusCode::OK {
            return;
        }
        let mut body = Vec::new();
        while let Ok(Ok(Some(piece))) = tokio::time::timeout(shared.timeouts.between_bytes, answer.chunk()).await {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST_VERSION_ANSWER {
                return;
            }
        }
        shared.version.keep_answer(&body);
    });
}

async fn attempt(shared: &Shared, forward: Forward, token: &SecretString) -> Result<Response, Refusal> {
    let Forward { method, url, mut headers, body } = forward;
    let mut authorization = HeaderValue::try_from(format!("token {}", token.expose_secret()))
        .map_err(|_| Refusal::Unreadable("the stored token is not a token"))?;
    authorization.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, authorization);
    let request = shared.client.request(method, url);
    let (request, watch) = match body {
        Outgoing::None => (request, None),
        Outgoing::Whole(bytes) => (request.body(bytes), None),
        Outgoing::Stream { body, length, watch } => {
            if let Some(length) = length {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            (request.body(body), Some(watch))
        }
    };
    dispatch(shared, request.headers(headers), watch).await
}

/// Waits for the answer's head, for as long as the request's body moves and then for the time to the first byte.
async fn dispatch(
    shared: &Shared,
    request: reqwest::RequestBuilder,
    watch: Option<Arc<Watch>>,
) -> Result<Response, Refusal> {
    let patience = shared.timeouts.first_byte;
    let began = Instant::now();
    let moved = || watch.as_ref().map_or(began, |watch| watch.moved().max(began));
    let mut sending = pin!(request.send());
    loop {
        tokio::select! {
            sent = &mut sending => {
                return sent.map_err(|error| {
                    watch.as_ref().and_then(|watch| watch.verdict()).unwrap_or_else(|| failure(&error))
                });
            }
            () = sleep_until(moved() + patience) => {
                if moved() + patience <= Instant::now() {
                    return Err(Refusal::UpstreamTimeout(patience.as_secs()));
                }
            }
        }
    }
}

fn failure(error: &reqwest::Error) -> Refusal {
    let error_kind = if error.is_connect() { "connect" } else { "exchange" };
    // The error's own text names the address, whose path and query may say too much.
    tracing::warn!(
        error.kind = error_kind,
        error.timeout = error.is_timeout(),
        "forgejo did not answer a forwarded request"
    );
    if error.is_connect() { Refusal::Unreachable { retry_after: RETRY_UNREACHABLE } } else { Refusal::Broken }
}

impl From<CredentialError> for Refusal {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Dead(_) | CredentialError::Unknown => Self::CredentialDead,
            CredentialError::Unavailable { retry_after, .. } => Self::CredentialUnavailable { retry_after },
        }
    }
}
