//! Forgejo's answer on its way to the worker.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio_util::sync::CancellationToken;

use super::{headers, limits::Permit, refusal::Refusal, rewrite::Rewriter, shared::Shared};

/// The body of every answer to a worker.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, AnswerBroken>;

/// Why an answer that had begun was broken off. The worker sees a connection that ends too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerBroken {
    #[error("the capability was revoked")]
    Revoked,
    #[error("Forgejo was silent in the middle of its answer")]
    Silent,
    #[error("Forgejo broke its answer off")]
    Upstream,
}

/// What goes with an answer's body until its end.
pub(super) struct Passage {
    pub(super) shared: Arc<Shared>,
    pub(super) permit: Arc<Permit>,
    pub(super) revoked: CancellationToken,
    pub(super) method: Method,
    /// Whether addresses in a JSON body are turned inwards.
    pub(super) rewrites_json: bool,
}

type Inwards = Box<dyn Fn(&str) -> Option<String> + Send>;

struct Pieces {
    answer: reqwest::Response,
    rewriter: Option<Rewriter<Inwards>>,
    passage: Passage,
    ended: bool,
}

/// Passes an answer on; only its headers are looked at now, its body flows.
pub(super) fn pass(answer: reqwest::Response, passage: Passage) -> Result<Response<AnswerBody>, Refusal> {
    let status = answer.status();
    let mut headers = headers::outward(answer.headers());
    let rewrites = passage.rewrites_json && is_json(&headers);
    if rewrites {
        let encoded = headers.remove(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
        if encoded {
            return Err(Refusal::Unreadable("it is compressed although that was not asked for"));
        }
        headers.remove(header::CONTENT_LENGTH);
    }
    let bodiless =
        passage.method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bodiless { empty() } else { flowing(answer, rewrites, passage) };
    Ok(assemble(status, headers, body))
}

/// A redirect within Forgejo, turned inwards; its body (a link to the original) is left out.
pub(super) fn redirect(answer: &reqwest::Response, location: Option<HeaderValue>) -> Response<AnswerBody> {
    let mut headers = headers::outward(answer.headers());
    for about_body in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
        headers.remove(about_body);
    }
    if let Some(location) = location {
        headers.insert(header::LOCATION, location);
    }
    assemble(answer.status(), headers, empty())
}

/// A JSON answer of the gateway's own.
pub(super) fn json(body: Bytes) -> Response<AnswerBody> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    assemble(StatusCode::OK, headers, full(body))
}

/// A refusal.
pub(super) fn refuse(refusal: &Refusal, shared: &Shared) -> Response<AnswerBody> {
    refusal.response(&shared.documentation()).map(full)
}

fn flowing(answer: reqwest::Response, rewriting: bool, passage: Passage) -> AnswerBody {
    let rewriter = rewriting.then(|| {
        let shared = Arc::clone(&passage.shared);
        Rewriter::new(Box::new(move |address: &str| shared.inwards(address)) as Inwards)
    });
    let pieces = Pieces { answer, rewriter, passage, ended: false };
    let frames = stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.next().await {
            Ok(Some(piece)) => Some((Ok(Frame::data(piece)), Some(pieces))),
            Ok(None) => None,
            Err(broken) => Some((Err(broken), None)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

// === impl Pieces ===

impl Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, AnswerBroken> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let received = tokio::select! {
                () = self.passage.revoked.cancelled() => return Err(AnswerBroken::Revoked),
                received = tokio::time::timeout(self.passage.shared.timeouts.between_bytes, self.answer.chunk()) => received,
            };
            let piece = match received {
                Err(_) => return Err(AnswerBroken::Silent),
                Ok(Err(_)) => return Err(AnswerBroken::Upstream),
                Ok(Ok(piece)) => piece,
            };
            let Some(piece) = piece else {
                self.ended = true;
                let held = self.rewriter.take().map(Rewriter::finish);
                return Ok(held.filter(|held| !held.is_empty()));
            };
            self.passage.permit.spend(piece.len());
            let passed = match &mut self.rewriter {
                Some(rewriter) => rewriter.push(&piece),
                None => piece,
            };
            if !passed.is_empty() {
                return Ok(Some(passed));
            }
        }
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence.ends_with("+json")
    })
}

pub(super) fn assemble(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub(super) fn full(body: Bytes) -> AnswerBody {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub(super) fn empty() -> AnswerBody {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}
