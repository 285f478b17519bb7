//! `/mcp`: the MCP endpoint (Streamable HTTP). Authenticates before anything of the body is looked at, then hands over to the bridge.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bridge::replica::Via;
use bridge::reply::{GetHead, PostHead, Principal, Reply, ReplyBody};
use forgejo::token_source::CredentialError;
use futures_util::StreamExt as _;
use oauth::clock::Timestamp;
use oauth::error::ErrorCode;
use tracing::Instrument as _;

use crate::app::App;
use crate::bearer::{Admitted, NotAuthorized};
use crate::entry::{self, Freshness, NotAdmitted};
use crate::live_grants::LiveGrant;
use crate::middleware::{ClientAddress, RequestId, Shape, read_body};
use crate::rate_limit::TooMany;
use crate::replica::Onward;
use crate::telemetry::traces;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const PARAM: &str = "mcp-param-";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// An open stream ends this long after its token, so that a client that refreshes in time is not cut off (mcp.md trap 31).
const GRACE_AFTER_EXPIRY: Duration = Duration::from_mins(1);
/// Headers of most answers.
const HEADERS: usize = 16;
/// How long a client may take to send a body.
pub(super) const BODY_DEADLINE: Duration = Duration::from_mins(1);

/// Why a request does not reach the bridge.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    NotAuthorized(#[from] NotAuthorized),
    #[error("the login at Forgejo has ended; log in again")]
    LogInAgain,
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: u32 },
    #[error("{0}")]
    NotAllowed(entry::Refusal),
    #[error("Content-Type must be application/json")]
    MediaType,
}

impl From<NotAdmitted> for RouteError {
    fn from(reason: NotAdmitted) -> Self {
        match reason {
            NotAdmitted::Refused(refusal) => Self::NotAllowed(refusal),
            NotAdmitted::LogInAgain => Self::LogInAgain,
            NotAdmitted::Unavailable { reason, retry_after } => Self::Unavailable { reason, retry_after },
        }
    }
}

struct Caller {
    principal: Principal,
    grant: Arc<LiveGrant>,
    expires_at: Timestamp,
    family: &'static str,
}

/// Answers a request to the endpoint.
pub(crate) async fn answer(app: &Arc<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::POST => post(app, &parts, body).await,
        Method::GET => Box::pin(get(app, &parts)).await,
        Method::HEAD => Box::pin(get(app, &parts)).await.map(|_| Body::empty()),
        Method::DELETE => Box::pin(delete(app, &parts)).await,
        _ => method_not_allowed(),
    }
}

/// Sends messages to the worker (MCP 2025-11-25, basic/transports, Sending Messages to the Server).
async fn post(app: &Arc<App>, parts: &Parts, body: Body) -> Response {
    let headers = &parts.headers;
    let caller = match admit(app, parts).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response_of(app),
    };
    if !is_json(headers) {
        return RouteError::MediaType.into_response_of(app);
    }
    let request_id = RequestId::of(&parts.extensions);
    let body = match read_body(body, BODY_DEADLINE).await {
        Ok(body) => body,
        Err(error) => return error.refusal().into_response(Shape::JsonRpc, Some(request_id.as_str())),
    };
    let head = post_head(headers, caller.family, Via::Client);
    let reply = match traces::call(&body) {
        Some((span, body)) => {
            Box::pin(post_to_bridge(app, &caller, &request_id, headers, head, body).instrument(span)).await
        }
        None => post_to_bridge(app, &caller, &request_id, headers, head, body).await,
    };
    respond(app, reply, &caller)
}

async fn post_to_bridge(
    app: &App,
    caller: &Caller,
    request_id: &RequestId,
    headers: &HeaderMap,
    head: PostHead,
    body: Bytes,
) -> Reply {
    let who = &caller.principal;
    let Some(neighbours) = &app.neighbours else { return app.bridge.post(who, head, body).await };
    let onward = caller.onward(Method::POST, request_id, headers, body);
    let ask = |via| app.bridge.post(who, PostHead { via, ..head.clone() }, onward.body.clone());
    Box::pin(neighbours.answer(&app.bridge, &onward, ask)).await
}

/// Opens the server's stream (ibid., Listening for Messages from the Server).
async fn get(app: &Arc<App>, parts: &Parts) -> Response {
    let headers = &parts.headers;
    let caller = match admit(app, parts).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response_of(app),
    };
    let ask = |via| app.bridge.get(&caller.principal, get_head(headers, via));
    let reply = match &app.neighbours {
        Some(neighbours) => {
            let request_id = RequestId::of(&parts.extensions);
            let onward = caller.onward(Method::GET, &request_id, headers, Bytes::new());
            neighbours.answer(&app.bridge, &onward, ask).await
        }
        None => ask(Via::Client).await,
    };
    respond(app, reply, &caller)
}

/// Ends a session (ibid., Session Management).
async fn delete(app: &Arc<App>, parts: &Parts) -> Response {
    let headers = &parts.headers;
    let caller = match admit(app, parts).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response_of(app),
    };
    let id = session_id(headers);
    let ask = |via| app.bridge.delete(&caller.principal, id.as_deref(), via);
    let reply = match &app.neighbours {
        Some(neighbours) => {
            let request_id = RequestId::of(&parts.extensions);
            let onward = caller.onward(Method::DELETE, &request_id, headers, Bytes::new());
            neighbours.answer(&app.bridge, &onward, ask).await
        }
        None => ask(Via::Client).await,
    };
    respond(app, reply, &caller)
}

/// Any other method.
fn method_not_allowed() -> Response {
    let mut response = json_rpc(StatusCode::METHOD_NOT_ALLOWED, -32600, "use POST, GET or DELETE at /mcp");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE, OPTIONS"));
    response
}

async fn admit(app: &App, parts: &Parts) -> Result<Caller, RouteError> {
    let (headers, address) = (&parts.headers, ClientAddress::of(&parts.extensions));
    let hit = |limit: &'static str| move |_: &TooMany| app.metrics.limit_hits.add([limit]);
    let charge = || {
        let charged = app.limits.strangers.as_ref().map_or(Ok(()), |limit| limit.charge(address.0));
        charged.inspect_err(hit("rate-limit-unauthenticated"))
    };
    let Admitted { grant, expires_at, family } = app.bearers.check(headers, charge).await?;
    grant.charge().inspect_err(hit("rate-limit-grant")).map_err(NotAuthorized::TooMany)?;
    vet(app, &grant).await?;
    app.note_use(&grant);
    Ok(Caller { principal: principal(&grant), grant, expires_at, family })
}

/// Whether the user of a grant may come in: his credential at Forgejo lives, and he is on the lists.
pub(super) async fn vet(app: &App, grant: &LiveGrant) -> Result<(), RouteError> {
    let user = &grant.grant.user;
    match app.credentials.is_dead(&user.to_shared()).await {
        Ok(false) => {}
        Ok(true) | Err(CredentialError::Dead(_) | CredentialError::Unknown) => return Err(RouteError::LogInAgain),
        Err(CredentialError::Unavailable { reason, retry_after }) => {
            return Err(RouteError::Unavailable { reason, retry_after });
        }
    }
    app.entry.admit(&user.to_shared(), Freshness::Usual).await?;
    Ok(())
}

pub(super) fn principal(grant: &LiveGrant) -> Principal {
    let parties = &grant.grant;
    Principal { user: parties.user.to_shared(), client: parties.client.to_shared(), grant: parties.id.to_shared() }
}

pub(super) fn post_head(headers: &HeaderMap, label: &'static str, via: Via) -> PostHead {
    PostHead {
        session_id: session_id(headers),
        protocol_version: all_of(headers, &PROTOCOL_VERSION),
        mcp_method: all_of(headers, &METHOD),
        mcp_name: all_of(headers, &NAME),
        params: params(headers),
        label,
        via,
    }
}

pub(super) fn get_head(headers: &HeaderMap, via: Via) -> GetHead {
    GetHead {
        session_id: session_id(headers),
        protocol_version: text(headers, &PROTOCOL_VERSION),
        last_event_id: text(headers, &LAST_EVENT_ID),
        via,
    }
}

pub(super) fn session_id(headers: &HeaderMap) -> Option<String> {
    text(headers, &SESSION_ID)
}

fn respond(app: &Arc<App>, reply: Reply, caller: &Caller) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match reply.body {
        ReplyBody::LogInAgain => return RouteError::LogInAgain.into_response_of(app),
        // Of a broker that has no way to others; one that is alone sends nobody elsewhere.
        ReplyBody::Elsewhere(_) => json_rpc(status, -32000, "another part of this server has to answer; try again"),
        ReplyBody::MayNotWrite(body) => may_not_write(app, body),
        ReplyBody::Empty => (status, [(header::CONTENT_LENGTH, HeaderValue::from_static("0"))]).into_response(),
        ReplyBody::Json(body) => json(status, body),
        ReplyBody::Events(events) => {
            let remaining = caller.expires_at.plus(GRACE_AFTER_EXPIRY).since(app.clock.now());
            let held = Arc::clone(&caller.grant);
            let until_expiry = events.take_until(Box::pin(async move {
                tokio::time::sleep(remaining).await;
                drop(held);
            }));
            let body = Body::from_stream(until_expiry.map(Ok::<Bytes, Infallible>));
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
                (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
            ];
            (status, headers, body).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(id) = reply.session_id.and_then(|id| HeaderValue::try_from(id).ok()) {
        headers.insert(SESSION_ID, id);
    }
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// What most requests are answered with.
fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    // All that is added on the way out, so that it does not grow piece by piece.
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.headers_mut() = headers;
    response
}

/// The step-up challenge: everything that the call needs in one (oauth.md A08, A09).
fn may_not_write(app: &App, body: Bytes) -> Response {
    let text = "this tool writes, and the connection is read-only; authorize again with the scope write";
    let challenge = app.bearers.challenge().with_error(ErrorCode::InsufficientScope, text);
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json")), (header::WWW_AUTHENTICATE, challenge)];
    (StatusCode::FORBIDDEN, headers, body).into_response()
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(|text| text.trim().to_owned())
}

/// A header that repeats a part of the body. One that is there twice, or is not of ASCII, becomes a value that repeats nothing:
/// another reader may have taken another of the two (mcp.md trap 27).
fn all_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?.trim_ascii().to_owned();
    Some(values.fold(first, |all, next| format!("{all}, {}", next.trim_ascii())))
}

/// What follows `Mcp-Param-` in the names of headers, with the values.
fn params(headers: &HeaderMap) -> Vec<(String, String)> {
    let param = |name: &HeaderName| Some((name.as_str().strip_prefix(PARAM)?.to_owned(), all_of(headers, name)?));
    headers.keys().filter_map(param).collect()
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    // As most clients write it.
    if value.is_some_and(|value| value == "application/json") {
        return true;
    }
    value
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<mime::Mime>().ok())
        .is_some_and(|mime| mime.essence_str() == "application/json")
}

fn json_rpc(status: StatusCode, code: i32, message: &str) -> Response {
    let body = serde_json::json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}});
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

// === impl Caller ===

impl Caller {
    /// The same request for another replica.
    fn onward<'r>(&'r self, method: Method, id: &'r RequestId, headers: &'r HeaderMap, body: Bytes) -> Onward<'r> {
        Onward { method, grant: &self.principal.grant, request_id: id.as_str(), headers, body }
    }
}

// === impl RouteError ===

impl RouteError {
    /// For counting; `None` for what is counted elsewhere.
    fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotAuthorized(NotAuthorized::Missing) => "missing",
            Self::NotAuthorized(NotAuthorized::Malformed) => "malformed",
            Self::NotAuthorized(NotAuthorized::Invalid(why)) => why,
            Self::NotAuthorized(NotAuthorized::Store(_)) => "store",
            Self::LogInAgain => "log_in_again",
            Self::NotAllowed(_) => "not_allowed",
            Self::Unavailable { .. } => "forgejo",
            Self::NotAuthorized(NotAuthorized::TooMany(_)) | Self::MediaType => return None,
        })
    }

    pub(super) fn into_response_of(self, app: &App) -> Response {
        if let Some(reason) = self.reason() {
            app.metrics.bearer_refusals.add([reason]);
        }
        if let Self::NotAuthorized(NotAuthorized::TooMany(too_many)) = self {
            return too_many.into_response(Shape::JsonRpc, "");
        }
        let challenge = app.bearers.challenge();
        let (status, header) = match &self {
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
            // Without a challenge: another authorization would be refused as well.
            Self::NotAllowed(_) => (StatusCode::FORBIDDEN, None),
            Self::LogInAgain => {
                (StatusCode::UNAUTHORIZED, Some(challenge.with_error(ErrorCode::InvalidToken, &self.to_string())))
            }
            Self::NotAuthorized(NotAuthorized::Store(error)) => {
                tracing::error!(error = %error, "a bearer token could not be looked up");
                (StatusCode::SERVICE_UNAVAILABLE, None)
            }
            Self::Unavailable { reason, .. } => {
                tracing::warn!(error = reason, "the login of a user cannot be looked up");
                (StatusCode::SERVICE_UNAVAILABLE, None)
            }
            Self::NotAuthorized(reason) => (StatusCode::UNAUTHORIZED, reason.challenge(challenge)),
        };
        let message = match status {
            StatusCode::SERVICE_UNAVAILABLE => "the server cannot look up your login at present; try again".to_owned(),
            StatusCode::FORBIDDEN => format!("{self}; ask the operator of this server to be let in"),
            StatusCode::UNAUTHORIZED => format!("{self}; authorize at this server first (see WWW-Authenticate)"),
            _ => self.to_string(),
        };
        let mut response = json_rpc(status, -32600, &message);
        let headers = response.headers_mut();
        if let Some(challenge) = header {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = if let Self::Unavailable { retry_after, .. } = self { retry_after } else { 5 };
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
