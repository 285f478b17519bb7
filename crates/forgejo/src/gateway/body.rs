//! The body of a worker's request: kept whole while it is small, so that it can be sent twice, else passed on as it comes.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    headers,
    limits::Permit,
    multipart::{Boundary, MultipartError, Scanner},
    query,
    refusal::Refusal,
};

/// Bodies up to this many bytes are kept whole and can be sent again after a 401.
pub(super) const REPLAYABLE: usize = 1 << 20;

/// A body ready to be forwarded.
pub(super) enum Outgoing {
    None,
    Whole(Bytes),
    /// Can be sent only once.
    Stream {
        body: reqwest::Body,
        /// As the worker declared it.
        length: Option<u64>,
        watch: Arc<Watch>,
    },
}

/// What the sender must know of a body that is on its way.
pub(super) struct Watch {
    moved: Mutex<Instant>,
    verdict: Mutex<Option<Refusal>>,
}

/// How the body is to be read.
enum Kind {
    Form,
    Multipart(Boundary),
    Opaque,
}

/// What a body may take.
#[derive(Clone)]
pub(super) struct Allowance {
    pub(super) largest: u64,
    pub(super) between_bytes: Duration,
    pub(super) permit: Arc<Permit>,
}

struct Source {
    body: Incoming,
    /// Read before, to be sent first.
    first: Option<Bytes>,
    scanner: Option<Scanner>,
    taken: u64,
    allowance: Allowance,
    watch: Arc<Watch>,
    ended: bool,
}

// === impl Watch ===

impl Watch {
    fn new() -> Self {
        Self { moved: Mutex::new(Instant::now()), verdict: Mutex::new(None) }
    }

    /// When the body last moved.
    pub(super) fn moved(&self) -> Instant {
        *self.moved.lock()
    }

    /// Why the body was broken off by us, if it was.
    pub(super) fn verdict(&self) -> Option<Refusal> {
        self.verdict.lock().clone()
    }
}

/// Reads, judges and prepares a body. The second result is the Content-Type to forward.
pub(super) async fn prepare(
    method: &Method,
    worker: &HeaderMap,
    body: Incoming,
    allowance: Allowance,
) -> Result<(Outgoing, Option<HeaderValue>), Refusal> {
    if body.is_end_stream() {
        return Ok((Outgoing::None, None));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::UnexpectedBody(method.clone()));
    }
    let content_type = headers::single(worker, &header::CONTENT_TYPE, "Content-Type")?;
    let (kind, content_type) = kind(content_type)?;
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > allowance.largest) {
        return Err(Refusal::BodyTooLarge(allowance.largest));
    }
    let outgoing = read(kind, body, length, allowance).await?;
    Ok((outgoing, content_type))
}

async fn read(kind: Kind, body: Incoming, length: Option<u64>, allowance: Allowance) -> Result<Outgoing, Refusal> {
    let small = length.is_none_or(|length| length <= REPLAYABLE as u64);
    let mut source = Source::new(body, allowance);
    let mut first = BytesMut::new();
    while small && first.len() <= REPLAYABLE && !source.ended {
        if let Some(piece) = source.receive().await? {
            first.extend_from_slice(&piece);
        }
    }
    if source.ended {
        return whole(kind, first.freeze());
    }
    source.scanner = match kind {
        Kind::Form => return Err(Refusal::BodyTooLarge(REPLAYABLE as u64)),
        Kind::Multipart(boundary) => Some(Scanner::new(&boundary)),
        Kind::Opaque => None,
    };
    source.first = (!first.is_empty()).then(|| first.freeze());
    let watch = Arc::clone(&source.watch);
    let pieces = stream::unfold(Some(source), |source| async {
        let mut source = source?;
        match source.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(source))),
            Ok(None) => None,
            Err(refusal) => {
                *source.watch.verdict.lock() = Some(refusal);
                Some((Err(io::Error::other("the request body was broken off")), None))
            }
        }
    });
    Ok(Outgoing::Stream { body: reqwest::Body::wrap_stream(pieces), length, watch })
}

fn whole(kind: Kind, body: Bytes) -> Result<Outgoing, Refusal> {
    match kind {
        Kind::Opaque => {}
        Kind::Form => {
            if let Some(field) = query::identity_field(&body) {
                return Err(Refusal::IdentityField(field));
            }
        }
        Kind::Multipart(boundary) => {
            let mut scanner = Scanner::new(&boundary);
            scanner.push(&body).and_then(|_| scanner.finish())?;
        }
    }
    Ok(if body.is_empty() { Outgoing::None } else { Outgoing::Whole(body) })
}

/// How Forgejo would read the body, and the Content-Type by which it must. Forgejo's form binding looks for parts of the
/// text, Go's parsers for the exact media type: what only one of them takes for a form is refused.
fn kind(content_type: Option<&str>) -> Result<(Kind, Option<HeaderValue>), Refusal> {
    let Some(text) = content_type else {
        return Ok((Kind::Opaque, None));
    };
    let folded = text.to_ascii_lowercase();
    let essence = folded.split(';').next().unwrap_or_default().trim();
    if essence == "multipart/form-data" {
        let boundary = Boundary::from_content_type(text).ok_or(Refusal::ContentType)?;
        let value = HeaderValue::try_from(boundary.content_type()).map_err(|_| Refusal::ContentType)?;
        return Ok((Kind::Multipart(boundary), Some(value)));
    }
    if essence == "application/x-www-form-urlencoded" {
        return Ok((Kind::Form, Some(HeaderValue::from_static("application/x-www-form-urlencoded"))));
    }
    if folded.contains("form-urlencoded")
        || folded.contains("form-data")
        || folded.contains("multipart")
        || essence.is_empty()
    {
        return Err(Refusal::ContentType);
    }
    let value = HeaderValue::from_str(text).map_err(|_| Refusal::ContentType)?;
    Ok((Kind::Opaque, Some(value)))
}

// === impl Source ===

impl Source {
    fn new(body: Incoming, allowance: Allowance) -> Self {
        Self { body, first: None, scanner: None, taken: 0, allowance, watch: Arc::new(Watch::new()), ended: false }
    }

    /// The next piece as the worker sent it; `None` when it was no data or there is no more.
    async fn receive(&mut self) -> Result<Option<Bytes>, Refusal> {
        let frame = match timeout(self.allowance.between_bytes, self.body.frame()).await {
            Err(_) => return Err(Refusal::BodyTimeout),
            Ok(None) => {
                self.ended = true;
                return Ok(None);
            }
            Ok(Some(Err(_))) => return Err(Refusal::BodyBroken),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else {
            return Ok(None);
        };
        self.taken += piece.len() as u64;
        if self.taken > self.allowance.largest {
            return Err(Refusal::BodyTooLarge(self.allowance.largest));
        }
        self.allowance.permit.spend(piece.len());
        *self.watch.moved.lock() = Instant::now();
        Ok(Some(piece))
    }

    /// The next piece that may be sent.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let piece = match self.first.take() {
                Some(first) => Some(first),
                None if self.ended => return Ok(None),
                None => self.receive().await?,
            };
            let passed = match (&mut self.scanner, piece) {
                (None, piece) => piece,
                (Some(scanner), Some(piece)) => Some(scanner.push(&piece)?),
                (Some(_), None) if self.ended => self.scanner.take().map(Scanner::finish).transpose()?,
                (Some(_), None) => None,
            };
            if let Some(passed) = passed.filter(|passed| !passed.is_empty()) {
                return Ok(Some(passed));
            }
        }
    }
}

impl From<MultipartError> for Refusal {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::IdentityField(field) => Self::IdentityField(field),
            other => Self::Multipart(other),
        }
    }
}
