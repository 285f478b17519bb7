//! One request of a worker, from its header to its answer.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;
use url::Url;

use super::{
    answer::{self, AnswerBody, Passage},
    body::{self, Allowance},
    capability::Holder,
    doors::DoorGroups,
    event::{GatewayEvent, Trace},
    grant::{GatewayAssignment, GrantTerms},
    headers,
    path::{PathError, Place, TargetPath},
    policy::{self, RequestClass},
    probes::{self, Probe},
    query,
    redirect::{self, Destination},
    refusal::Refusal,
    repositories::{self, Limited},
    shared::Shared,
    upstream::{self, Forward},
};

/// How much of a refused request's body is read away, so that the worker gets to read the refusal, in bytes.
const DRAINED: usize = 256 * 1024;

/// A request that may go on.
enum Admitted {
    Probe(Probe, Option<GatewayAssignment>),
    Forward(Box<Judged>),
}

/// A request that was judged; nothing else of the worker's target is used from here on.
struct Judged {
    who: GatewayAssignment,
    path: TargetPath,
    query: Option<String>,
    class: RequestClass,
    /// What it was judged by.
    by: (GrantTerms, DoorGroups),
}

/// Answers one request.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<AnswerBody> {
    let (parts, body) = request.into_parts();
    let holder = match identify(&shared, &parts) {
        Ok(holder) => holder,
        Err(refusal) => return refuse(&shared, &refusal, None, &parts.method),
    };
    let who = holder.assignment();
    let judged = match admit(&shared, &holder, who.clone(), &parts) {
        Ok(Admitted::Forward(judged)) => *judged,
        Ok(Admitted::Probe(probe, who)) => return answer_probe(&shared, probe, who).await,
        Err(refusal) => {
            if !body.is_end_stream() {
                tokio::spawn(drain(Arc::clone(&shared), body));
            }
            return refuse(&shared, &refusal, who.as_ref(), &parts.method);
        }
    };
    let revoked = holder.revoked().clone();
    let trace = shared.observer.forwarding(&parts.method, judged.class, headers::traceparent(&parts.headers).as_ref());
    let carrying = carry(&shared, &holder, judged, (&parts, &trace), body).instrument(trace.span.clone());
    let carried = revoked.run_until_cancelled(carrying).await;
    let response = match carried.unwrap_or(Err(Refusal::WrongCapability)) {
        Ok(response) => response,
        Err(refusal) => refuse(&shared, &refusal, who.as_ref(), &parts.method),
    };
    shared.observer.forwarded(&trace, response.status());
    response
}

fn refuse(
    shared: &Shared,
    refusal: &Refusal,
    who: Option<&GatewayAssignment>,
    method: &Method,
) -> Response<AnswerBody> {
    shared.observe(refusal, who, method);
    answer::refuse(refusal, shared)
}

fn identify(shared: &Shared, parts: &Parts) -> Result<Arc<Holder>, Refusal> {
    let found = if parts.headers.contains_key(header::AUTHORIZATION) {
        headers::capability(&parts.headers).and_then(|token| shared.capabilities.find(token))
    } else {
        query::capability(parts.uri.query()).and_then(|token| shared.capabilities.find(&token))
    };
    found.ok_or(Refusal::WrongCapability)
}

fn admit(shared: &Shared, holder: &Holder, who: Option<GatewayAssignment>, parts: &Parts) -> Result<Admitted, Refusal> {
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() || parts.method == Method::CONNECT {
        return Err(Refusal::NotAPath);
    }
    if parts.headers.contains_key(header::UPGRADE) {
        return Err(Refusal::Upgrade);
    }
    let path = TargetPath::parse(parts.uri.path());
    if let Ok(path) = &path
        && let Some(probe) = Probe::of(&parts.method, path).filter(|_| !holder.is_ready())
    {
        return Ok(Admitted::Probe(probe, who));
    }
    let who = who.ok_or(Refusal::Unassigned)?;
    shared.limits.count(&who.user)?;
    let path = path?;
    let terms = shared.grants.terms(&who.grant);
    let open = shared.open_doors();
    let class = policy::judge(&parts.method, &path, &terms, open)?;
    let query = query::rebuild(parts.uri.query());
    Ok(Admitted::Forward(Box::new(Judged { who, path, query, class, by: (terms, open) })))
}

async fn answer_probe(shared: &Shared, probe: Probe, who: Option<GatewayAssignment>) -> Response<AnswerBody> {
    shared.observer.event(GatewayEvent::Probe);
    answer::json(match probe {
        Probe::Version => probes::version_body(&shared.version),
        Probe::User => {
            let identity = match who {
                Some(who) => shared.tokens.identity(who.user).await,
                None => None,
            };
            probes::user_body(identity.as_ref(), shared.origins.public().as_str())
        }
    })
}

async fn carry(
    shared: &Arc<Shared>,
    holder: &Holder,
    judged: Judged,
    (parts, trace): (&Parts, &Trace),
    body: Incoming,
) -> Result<Response<AnswerBody>, Refusal> {
    let Judged { who, path, query, class, by: judged_by } = judged;
    let permit = Arc::new(shared.limits.enter(&who.user).await?);
    let allowance = Allowance {
        largest: shared.config.body_bytes,
        between_bytes: shared.timeouts.between_bytes,
        permit: Arc::clone(&permit),
    };
    let url = forwarded_url(shared, &path, query.as_deref())?;
    let mut headers = headers::inward(&parts.headers, path.place() != Place::Api)?;
    if let Some(traceparent) = &trace.traceparent {
        headers.insert(headers::TRACEPARENT, traceparent.clone());
    }
    let (body, content_type) = body::prepare(&parts.method, &parts.headers, body, allowance).await?;
    let method = parts.method.clone();
    let passage = Passage {
        shared: Arc::clone(shared),
        permit,
        revoked: holder.revoked().clone(),
        method: method.clone(),
        rewrites_json: !path.is_raw_content(),
    };
    // The body may have been long in coming.
    let terms = shared.grants.terms(&who.grant);
    let open = shared.open_doors();
    if judged_by != (terms.clone(), open) {
        policy::judge(&method, &path, &terms, open)?;
    }
    if let Some(chosen) = &terms.repositories {
        let limited = Limited::new(shared, &who, chosen, &method, &path, query.as_deref());
        let began = Instant::now();
        // Boxed, as all that is rare: a future has the size of its largest part, and is moved several times.
        let response = Box::pin(repositories::carry(limited, headers, (body, content_type), passage)).await?;
        let (status, elapsed) = (response.status(), began.elapsed());
        shared.observer.event(GatewayEvent::Forwarded { user: who.user, class, status, elapsed });
        return Ok(response);
    }
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let forward = Forward { method: method.clone(), url: url.clone(), headers, body };
    let began = Instant::now();
    let answer = upstream::send(shared, &who.user, forward).await?;
    let elapsed = began.elapsed();
    if shared.grants.terms(&who.grant).repositories.is_some() {
        return Err(Refusal::LimitsChanged);
    }
    let status = answer.status();
    let response = if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
        let mut headers = headers::inward(&parts.headers, path.place() != Place::Api)?;
        if let Some(traceparent) = &trace.traceparent {
            headers.insert(headers::TRACEPARENT, traceparent.clone());
        }
        Box::pin(redirected(shared, &who, &url, answer, headers, passage)).await?
    } else {
        answer::pass(answer, passage).await?
    };
    if status.is_success() {
        upstream::refresh_version(shared, &who.user);
    }
    shared.observer.event(GatewayEvent::Forwarded { user: who.user, class, status: response.status(), elapsed });
    Ok(response)
}

/// A redirect inwards is judged as the request that it asks for, and left to the worker to follow; one to known storage is
/// fetched here, since its address may hold a signature.
pub(super) async fn redirected(
    shared: &Arc<Shared>,
    who: &GatewayAssignment,
    asked: &Url,
    answer: upstream::Answer,
    mut headers: http::HeaderMap,
    passage: Passage,
) -> Result<Response<AnswerBody>, Refusal> {
    let Some(location) = answer.headers().get(header::LOCATION) else {
        return Ok(answer::redirect(&answer, None));
    };
    let location = location.to_str().map_err(|_| Refusal::Unreadable("its redirect is not an address"))?;
    let method = redirect::method_after(answer.status(), &passage.method);
    match shared.origins.follow(asked, location) {
        Destination::Inwards { path, query } => {
            let path = TargetPath::parse(&path).map_err(|_| Refusal::PageRedirect)?;
            let terms = shared.grants.terms(&who.grant);
            policy::judge(&method, &path, &terms, shared.open_doors())?;
            if let Some(chosen) = &terms.repositories {
                let limited = Limited::new(shared, who, chosen, &method, &path, None);
                repositories::admit_target(limited).await?;
            }
            let query = query::rebuild(query.as_deref()).map(|query| format!("?{query}")).unwrap_or_default();
            let location = HeaderValue::try_from(format!("{}{path}{query}", shared.url))
                .map_err(|_| Refusal::Unreadable("its redirect is not an address"))?;
            Ok(answer::redirect(&answer, Some(location)))
        }
        Destination::Storage(url) if matches!(method, Method::GET | Method::HEAD) => {
            headers.remove(header::CONTENT_TYPE);
            let stored = upstream::fetch_from_storage(shared, method, url, headers).await?;
            if stored.status().is_redirection() && stored.status() != StatusCode::NOT_MODIFIED {
                return Err(Refusal::Unreadable("the storage points elsewhere"));
            }
            if stored.status() == StatusCode::UNAUTHORIZED {
                return Err(Refusal::Unreadable("the storage does not accept Forgejo's link"));
            }
            answer::pass(stored, Passage { rewrites_json: false, ..passage }).await
        }
        Destination::Storage(url) => {
            Err(Refusal::ForeignRedirect { host: url.host_str().unwrap_or_default().to_owned() })
        }
        Destination::Foreign(host) => Err(Refusal::ForeignRedirect { host }),
    }
}

/// Forgejo's base with the judged path and query; refuses if the URL's own rules would change a byte of them.
pub(super) fn forwarded_url(shared: &Shared, path: &TargetPath, query: Option<&str>) -> Result<Url, Refusal> {
    let base = shared.origins.back_channel();
    let mut url = base.clone();
    let wanted = format!("{}{}", base.path().trim_end_matches('/'), path);
    url.set_path(&wanted);
    url.set_query(query);
    if url.path() == wanted && url.query() == query { Ok(url) } else { Err(Refusal::Path(PathError::Ambiguous)) }
}

async fn drain(shared: Arc<Shared>, mut body: Incoming) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, bytes::Bytes::len);
            if read > DRAINED {
                break;
            }
        }
    };
    // Whether all was read or the worker was slow: the refusal has been written meanwhile.
    let _ = timeout(shared.timeouts.between_bytes, reading).await;
}
