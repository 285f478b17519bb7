//! Sends a judged request to Forgejo with the user's token, and again with a new one after a 401.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Body as _;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::{
    body::{Outgoing, Watch},
    direct::{self, DirectError},
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

/// What Forgejo, or a storage, answers: its head, and a body that is still to come.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    flow: Flow,
}

enum Flow {
    Direct(direct::Flow),
    Pooled(reqwest::Body),
}

/// The other side broke its answer off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokenOff;

/// Sends a request as the user. Never answers with a 401 of Forgejo's, whose text may echo the token.
pub(super) async fn send(shared: &Shared, user: &Arc<str>, forward: Forward) -> Result<Answer, Refusal> {
    let token = shared.tokens.access_token(Arc::clone(user)).await?;
    let Forward { method, url, headers, body } = forward;
    let (body, again) = match body {
        Outgoing::None => (Outgoing::None, Some(Outgoing::None)),
        Outgoing::Whole(bytes) => (Outgoing::Whole(bytes.clone()), Some(Outgoing::Whole(bytes))),
        stream @ Outgoing::Stream { .. } => (stream, None),
    };
    let answer = attempt(shared, &method, &url, &headers, body, &token).await?;
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
    let answer = attempt(shared, &method, &url, &headers, body, &token).await?;
    if answer.status() == StatusCode::UNAUTHORIZED { Err(Refusal::NotAccepted) } else { Ok(answer) }
}

/// Fetches from storage on the operator's list: no credential goes along.
pub(super) async fn fetch_from_storage(
    shared: &Shared,
    method: Method,
    url: Url,
    headers: HeaderMap,
) -> Result<Answer, Refusal> {
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
        let bare = HeaderMap::new();
        let asked = attempt(&shared, &Method::GET, &url, &bare, Outgoing::None, &token);
        let Ok(mut answer) = asked.await else {
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

async fn attempt(
    shared: &Shared,
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: Outgoing,
    token: &SecretString,
) -> Result<Answer, Refusal> {
    let mut authorization = HeaderValue::try_from(format!("token {}", token.expose_secret()))
        .map_err(|_| Refusal::Unreadable("the stored token is not a token"))?;
    authorization.set_sensitive(true);
    let authorized = || {
        let mut headers = headers.clone();
        headers.insert(header::AUTHORIZATION, authorization.clone());
        headers
    };
    let whole = match body {
        Outgoing::None => Bytes::new(),
        Outgoing::Whole(bytes) => bytes,
        Outgoing::Stream { body, length, watch } => {
            let mut headers = authorized();
            if let Some(length) = length {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            let request = shared.client.request(method.clone(), url.clone()).body(body).headers(headers);
            return dispatch(shared, request, Some(watch)).await;
        }
    };
    if let Some(direct) = &shared.direct {
        let patience = shared.timeouts.first_byte;
        let sending = async {
            loop {
                match direct.send(method.clone(), url, authorized(), whole.clone()).await {
                    // Every time, one connection less of those that were used before.
                    Err(DirectError::Stale(_)) => {}
                    sent => break sent,
                }
            }
        };
        return match tokio::time::timeout(patience, sending).await {
            Ok(Ok(response)) => Ok(Answer::new(response, Flow::Direct)),
            Ok(Err(error)) => Err(failure(matches!(error, DirectError::Connect), false)),
            Err(_) => Err(Refusal::UpstreamTimeout(patience.as_secs())),
        };
    }
    let request = shared.client.request(method.clone(), url.clone());
    let request = if whole.is_empty() { request } else { request.body(whole) };
    dispatch(shared, request.headers(authorized()), None).await
}

/// Waits for the answer's head, for as long as the request's body moves and then for the time to the first byte.
async fn dispatch(
    shared: &Shared,
    request: reqwest::RequestBuilder,
    watch: Option<Arc<Watch>>,
) -> Result<Answer, Refusal> {
    let patience = shared.timeouts.first_byte;
    let began = Instant::now();
    let moved = || watch.as_ref().map_or(began, |watch| watch.moved().max(began));
    let mut sending = pin!(request.send());
    loop {
        tokio::select! {
            sent = &mut sending => {
                return sent.map(|response| Answer::new(response.into(), Flow::Pooled)).map_err(|error| {
                    let verdict = watch.as_ref().and_then(|watch| watch.verdict());
                    verdict.unwrap_or_else(|| failure(error.is_connect(), error.is_timeout()))
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

fn failure(is_connect: bool, is_timeout: bool) -> Refusal {
    let error_kind = if is_connect { "connect" } else { "exchange" };
    // The error's own text names the address, whose path and query may say too much.
    tracing::warn!(error.kind = error_kind, error.timeout = is_timeout, "forgejo did not answer a forwarded request");
    if is_connect { Refusal::Unreachable { retry_after: RETRY_UNREACHABLE } } else { Refusal::Broken }
}

// === impl Answer ===

impl Answer {
    fn new<B>(response: http::Response<B>, flow: impl FnOnce(B) -> Flow) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, flow: flow(body) }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The bytes of the body, if they were said.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.flow {
            Flow::Direct(flow) => flow.length(),
            Flow::Pooled(body) => body.size_hint().exact(),
        }
    }

    /// The next piece of the body; `None` at its end.
    pub(super) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BrokenOff>> {
        match &mut self.flow {
            Flow::Direct(flow) => flow.poll_chunk(context).map_err(|_| BrokenOff),
            Flow::Pooled(body) => loop {
                match ready!(Pin::new(&mut *body).poll_frame(context)) {
                    None => return Poll::Ready(Ok(None)),
                    Some(Err(_)) => return Poll::Ready(Err(BrokenOff)),
                    Some(Ok(frame)) => {
                        if let Ok(piece) = frame.into_data() {
                            return Poll::Ready(Ok(Some(piece)));
                        }
                    }
                }
            },
        }
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        poll_fn(|context| self.poll_chunk(context)).await
    }
}

impl From<CredentialError> for Refusal {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Dead(_) | CredentialError::Unknown => Self::CredentialDead,
            CredentialError::Unavailable { retry_after, .. } => Self::CredentialUnavailable { retry_after },
        }
    }
}
