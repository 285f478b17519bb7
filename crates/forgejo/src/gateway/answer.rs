//! Forgejo's answer on its way to the worker.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{headers, limits::Permit, refusal::Refusal, rewrite::Rewriter, shared::Shared, upstream::Answer};

/// An answer up to this many bytes is passed on in one piece, once it is there whole; a larger one as it comes.
const SMALL: u64 = 64 * 1024;

/// The body of every answer to a worker.
pub(super) enum AnswerBody {
    /// All of it, with its request's place.
    Whole { bytes: Bytes, _place: Option<Arc<Permit>> },
    /// As it comes.
    Flowing(Box<Pieces>),
}

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

/// The pieces of an answer's body, rewritten where that is due.
pub(super) struct Pieces {
    answer: Answer,
    rewriter: Option<Rewriter<Inwards>>,
    passage: Passage,
    ended: bool,
    /// Since when nothing has come.
    silent: Option<Instant>,
    // Both only once something had to be waited for.
    alarm: Option<Pin<Box<Sleep>>>,
    revocation: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// Passes an answer on; a large one's headers only, its body flows.
pub(super) async fn pass(answer: Answer, passage: Passage) -> Result<Response<AnswerBody>, Refusal> {
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
    if bodiless {
        return Ok(assemble(status, headers, empty()));
    }
    let is_small = answer.length().is_some_and(|length| length <= SMALL);
    let pieces = Box::new(Pieces::new(answer, rewrites, passage));
    let body = if is_small { whole(pieces).await? } else { AnswerBody::Flowing(pieces) };
    Ok(assemble(status, headers, body))
}

/// A redirect within Forgejo, turned inwards; its body (a link to the original) is left out.
pub(super) fn redirect(answer: &Answer, location: Option<HeaderValue>) -> Response<AnswerBody> {
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

async fn whole(mut pieces: Box<Pieces>) -> Result<AnswerBody, Refusal> {
    let patience = pieces.passage.shared.timeouts.between_bytes;
    // The worker has seen nothing of it yet.
    let refusal = |broken| match broken {
        AnswerBroken::Revoked => Refusal::WrongCapability,
        AnswerBroken::Silent => Refusal::UpstreamTimeout(patience.as_secs()),
        AnswerBroken::Upstream => Refusal::Broken,
    };
    let mut next = async || poll_fn(|context| pieces.poll_next(context)).await.map_err(refusal);
    let mut body = next().await?.unwrap_or_default();
    if let Some(second) = next().await? {
        let mut all = BytesMut::from(&*body);
        all.extend_from_slice(&second);
        while let Some(piece) = next().await? {
            all.extend_from_slice(&piece);
        }
        body = all.freeze();
    }
    Ok(AnswerBody::Whole { bytes: body, _place: Some(Arc::clone(&pieces.passage.permit)) })
}

// === impl Pieces ===

impl Pieces {
    fn new(answer: Answer, rewriting: bool, passage: Passage) -> Self {
        let rewriter = rewriting.then(|| {
            let shared = Arc::clone(&passage.shared);
            Rewriter::new(Box::new(move |address: &str| shared.inwards(address)) as Inwards)
        });
        Self { answer, rewriter, passage, ended: false, silent: None, alarm: None, revocation: None }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, AnswerBroken>> {
        loop {
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            let Poll::Ready(received) = self.answer.poll_chunk(context) else {
                return self.poll_end(context).map(Err);
            };
            self.silent = None;
            let Some(piece) = received.map_err(|_| AnswerBroken::Upstream)? else {
                self.ended = true;
                let held = self.rewriter.take().map(Rewriter::finish);
                return Poll::Ready(Ok(held.filter(|held| !held.is_empty())));
            };
            if self.passage.revoked.is_cancelled() {
                return Poll::Ready(Err(AnswerBroken::Revoked));
            }
            self.passage.permit.spend(piece.len());
            let passed = match &mut self.rewriter {
                Some(rewriter) => rewriter.push(&piece),
                None => piece,
            };
            if !passed.is_empty() {
                return Poll::Ready(Ok(Some(passed)));
            }
        }
    }

    /// Whether it is to be broken off while nothing comes.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<AnswerBroken> {
        let revoked = &self.passage.revoked;
        let revocation = self.revocation.get_or_insert_with(|| Box::pin(revoked.clone().cancelled_owned()));
        if revocation.as_mut().poll(context).is_ready() {
            return Poll::Ready(AnswerBroken::Revoked);
        }
        let patience = self.passage.shared.timeouts.between_bytes;
        let until = *self.silent.get_or_insert_with(Instant::now) + patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // Set for an earlier piece, it is only put off when it rings.
        while alarm.as_mut().poll(context).is_ready() {
            if until <= Instant::now() {
                return Poll::Ready(AnswerBroken::Silent);
            }
            alarm.as_mut().reset(until);
        }
        Poll::Pending
    }
}

// === impl AnswerBody ===

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerBroken>>> {
        match &mut *self {
            Self::Whole { bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Self::Whole { bytes, .. } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Flowing(pieces) => {
                let polled = pieces.poll_next(context).map(Result::transpose);
                pieces.ended |= matches!(polled, Poll::Ready(Some(Err(_))));
                polled.map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, .. } => bytes.is_empty(),
            Self::Flowing(pieces) => pieces.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Flowing(_) => SizeHint::default(),
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
    AnswerBody::Whole { bytes: body, _place: None }
}

pub(super) fn empty() -> AnswerBody {
    AnswerBody::Whole { bytes: Bytes::new(), _place: None }
}
