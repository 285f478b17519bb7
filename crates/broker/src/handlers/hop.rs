//! The listener for other replicas: one of them has a request for something that this one holds.
//!
//! Its certificate says that it has the key ring; that is all that is believed. Grant, entry, scope, session and epoch are looked at here again.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bridge::replica::{Held, Via};
use bridge::reply::{Reply, ReplyBody};
use bytes::Bytes;
use futures_util::StreamExt as _;
use oauth::id::GrantId;

use super::mcp::{self, BODY_DEADLINE, RouteError};
use crate::app::App;
use crate::live_grants::LiveGrant;
use crate::middleware::{Shape, read_body};
use crate::replica::wire::{self, Kind};

/// Family of clients under which such requests are counted: the one that took it from its client has counted it under its own.
const LABEL: &str = "replica";

/// What another replica asks.
struct Asked {
    grant: GrantId,
    held: Held,
}

/// Why it is not looked at any further.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("a request between replicas carries no credentials of a client")]
    Credentials,
    #[error("the header {0} is missing, there twice, or not what it should be")]
    Header(HeaderName),
}

/// POST, GET and DELETE of `/mcp`.
pub(crate) async fn any(State(app): State<Arc<App>>, method: Method, headers: HeaderMap, body: Body) -> Response {
    let Some(neighbours) = &app.neighbours else { return StatusCode::NOT_FOUND.into_response() };
    let asked = match Asked::read(&headers) {
        Ok(asked) => asked,
        Err(error) => {
            tracing::warn!(error = %error, "a request on the listener for replicas was refused");
            return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
        }
    };
    // Another replica may have this address now.
    if wire::only(&headers, &wire::TO) != Some(&**neighbours.id()) {
        return (StatusCode::MISDIRECTED_REQUEST, marked(Kind::NotMine)).into_response();
    }
    let grant = match admit(&app, &asked.grant).await {
        Ok(grant) => grant,
        Err(error) => return refused(&app, error),
    };
    let who = mcp::principal(&grant);
    let via = Via::Replica(asked.held);
    let reply = match method {
        Method::POST if !mcp::is_json(&headers) => return refused(&app, RouteError::MediaType),
        Method::POST => match read_body(body, BODY_DEADLINE).await {
            Ok(body) => app.bridge.post(&who, mcp::post_head(&headers, LABEL, via), body).await,
            Err(error) => {
                let response = error.refusal().into_response(Shape::JsonRpc, None);
                return (marked(Kind::Answer), response).into_response();
            }
        },
        Method::GET => app.bridge.get(&who, mcp::get_head(&headers, via)).await,
        Method::DELETE => app.bridge.delete(&who, mcp::session_id(&headers).as_deref(), via).await,
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    respond(reply, &grant)
}

async fn admit(app: &App, id: &GrantId) -> Result<Arc<LiveGrant>, RouteError> {
    let known = app.grants.get(id.as_str());
    let grant = match known {
        Some(grant) => grant,
        None => match app.store.grant(id).await.map_err(crate::bearer::NotAuthorized::Store)? {
            Some(grant) => app.grants.enter(grant),
            None => return Err(RouteError::LogInAgain),
        },
    };
    if grant.has_ended() {
        return Err(RouteError::LogInAgain);
    }
    mcp::vet(app, &grant).await?;
    Ok(grant)
}

/// The one that asks makes its own answer of what the client has to do about its token.
fn refused(app: &App, error: RouteError) -> Response {
    let kind = match error {
        RouteError::LogInAgain => Kind::LogInAgain,
        _ => Kind::Answer,
    };
    (marked(kind), error.into_response_of(app)).into_response()
}

fn respond(reply: Reply, grant: &Arc<LiveGrant>) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = |body: Bytes| ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body);
    let mut response = match reply.body {
        ReplyBody::LogInAgain => (StatusCode::UNAUTHORIZED, marked(Kind::LogInAgain)).into_response(),
        ReplyBody::Elsewhere(_) => (StatusCode::MISDIRECTED_REQUEST, marked(Kind::NotMine)).into_response(),
        ReplyBody::MayNotWrite(body) => (StatusCode::FORBIDDEN, marked(Kind::MayNotWrite), json(body)).into_response(),
        ReplyBody::Empty => (status, marked(Kind::Answer)).into_response(),
        ReplyBody::Json(body) => (status, marked(Kind::Answer), json(body)).into_response(),
        ReplyBody::Events(events) => {
            // As long as somebody reads, the grant is in use here.
            let held = Arc::clone(grant);
            let events = events.map(move |frame| {
                let _ = &held;
                Ok::<Bytes, Infallible>(frame)
            });
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
            (status, marked(Kind::Answer), kind, Body::from_stream(events)).into_response()
        }
    };
    if let Some(seconds) = reply.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn marked(kind: Kind) -> [(HeaderName, HeaderValue); 1] {
    [(wire::REPLY, HeaderValue::from_static(kind.text()))]
}

// === impl Asked ===

impl Asked {
    fn read(headers: &HeaderMap) -> Result<Self, Malformed> {
        if headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE) {
            return Err(Malformed::Credentials);
        }
        let text = |name: HeaderName| wire::only(headers, &name).ok_or(Malformed::Header(name));
        let grant = text(wire::GRANT)?.into();
        let held = wire::read_held(text(wire::HELD)?).ok_or(Malformed::Header(wire::HELD))?;
        Ok(Self { grant, held })
    }
}
