//! Reading Forgejo's answers whole, and writing them anew once they were looked through.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    super::{
        answer::{self, AnswerBody, Passage},
        headers,
        path::RepositoryName,
        refusal::Refusal,
        rewrite::Rewriter,
        shared::Shared,
        upstream::Answer,
    },
    Limited,
    names::{self, Certainty, Meaning},
    sieve::{self, Known, Sieve},
};

/// The largest answer that is read whole, in bytes. As a tree in memory it takes ten times as much for a moment.
pub(super) const LARGEST: usize = 8 << 20;
/// The same where one object is expected.
pub(super) const SMALL: usize = 1 << 20;
/// How many repositories are looked up for one answer, because it names them without their ids.
const MOST_NAMES: usize = 32;

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");
/// What tells something of an answer as it was before it was looked through.
const OF_THE_ORIGINAL: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    header::CONTENT_RANGE,
];
/// What tells how much there is.
const TOTALS: [HeaderName; 2] = [TOTAL, header::LINK];

/// How many items there are in all of a list, if the answer says so.
pub(super) fn total(answer: &Answer) -> Option<usize> {
    answer.headers().get(TOTAL)?.to_str().ok()?.parse().ok()
}

/// Reads an answer as JSON, up to `largest` bytes.
pub(super) async fn read(answer: Answer, shared: &Shared, largest: usize) -> Result<Value, Refusal> {
    Ok(read_counted(answer, shared, largest).await?.0)
}

/// The same, with the answer's size.
pub(super) async fn read_counted(answer: Answer, shared: &Shared, largest: usize) -> Result<(Value, usize), Refusal> {
    let body = read_bytes(answer, shared, largest).await?;
    let value =
        serde_json::from_slice(&body).map_err(|_| Refusal::Unreadable("it is not the JSON that was expected"))?;
    Ok((value, body.len()))
}

async fn read_bytes(mut answer: Answer, shared: &Shared, largest: usize) -> Result<Bytes, Refusal> {
    if answer.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Refusal::Unreadable("it is compressed although that was not asked for"));
    }
    let mut body = BytesMut::new();
    loop {
        match timeout(shared.timeouts.between_bytes, answer.chunk()).await {
            Err(_) => return Err(Refusal::UpstreamTimeout(shared.timeouts.between_bytes.as_secs())),
            Ok(Err(_)) => return Err(Refusal::Broken),
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Ok(Some(piece))) if body.len() + piece.len() <= largest => body.extend_from_slice(&piece),
            Ok(Ok(Some(_))) => return Err(Refusal::AnswerTooLarge(largest >> 20)),
        }
    }
}

/// Passes an answer on without what is not about chosen repositories. `attributed`: it has to say itself which repository it is about.
pub(super) async fn pass(
    limited: &Limited<'_>,
    answer: Answer,
    passage: Passage,
    attributed: bool,
) -> Result<Response<AnswerBody>, Refusal> {
    let (status, mut head) = (answer.status(), headers::outward(answer.headers()));
    for name in OF_THE_ORIGINAL {
        head.remove(name);
    }
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if passage.method == Method::HEAD || bodiless {
        return Ok(answer::assemble(status, head, answer::empty()));
    }
    if !answer::is_json(&head) {
        // Nothing, a patch, or a page that says what went wrong.
        let safe = status != StatusCode::PARTIAL_CONTENT && (limited.repository.is_some() || !status.is_success());
        let bytes = read_bytes(answer, limited.shared, LARGEST).await?;
        if !safe && !bytes.is_empty() {
            return Err(Refusal::Unreadable("it is not the JSON that was expected"));
        }
        passage.permit.spend(bytes.len());
        return Ok(answer::assemble(status, head, answer::full(bytes)));
    }
    let bytes = read_bytes(answer, limited.shared, LARGEST).await?;
    passage.permit.spend(bytes.len());
    if bytes.is_empty() {
        return Ok(answer::assemble(status, head, answer::empty()));
    }
    let mut value: Value =
        serde_json::from_slice(&bytes).map_err(|_| Refusal::Unreadable("it is not the JSON that was expected"))?;
    let names = chosen_names(limited, [&value]).await?;
    let repository_at = |address: &str| limited.shared.repository_at(address);
    let mut sieve = Sieve::new(known(limited, &names, &repository_at));
    let kept =
        if attributed && status.is_success() { sieve.keeps_attributed(&mut value) } else { sieve.keeps(&mut value) };
    if !kept {
        return Err(Refusal::OutsideChosen);
    }
    if sieve.dropped > 0 {
        for name in TOTALS {
            head.remove(name);
        }
    }
    note(limited, &sieve);
    Ok(answer::assemble(status, head, answer::full(written(limited.shared, &value))))
}

/// An answer of the gateway's own making: JSON, with a total where it is a list.
pub(super) fn made(shared: &Shared, method: &Method, value: &Value, total: Option<usize>) -> Response<AnswerBody> {
    let mut head = HeaderMap::new();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    if let Some(total) = total {
        head.insert(TOTAL, HeaderValue::from(total));
        head.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("X-Total-Count"));
    }
    let body = if *method == Method::HEAD { answer::empty() } else { answer::full(written(shared, value)) };
    answer::assemble(StatusCode::OK, head, body)
}

/// What the sieve has to know of a request.
pub(super) fn known<'k>(
    limited: &'k Limited<'_>,
    names: &'k BTreeSet<RepositoryName>,
    repository_at: &'k dyn Fn(&str) -> Option<RepositoryName>,
) -> Known<'k> {
    Known { chosen: limited.chosen, names, about: limited.repository.as_ref(), repository_at }
}

/// Remembers the attachments that an answer shows.
pub(super) fn note(limited: &Limited<'_>, sieve: &Sieve<'_>) {
    for (uuid, repository) in &sieve.attachments {
        limited.shared.attachments.note(&limited.who.grant, *uuid, *repository);
    }
}

/// Those of the repositories that `values` name without their ids that are chosen ones.
pub(super) async fn chosen_names<'v>(
    limited: &Limited<'_>,
    values: impl IntoIterator<Item = &'v Value>,
) -> Result<BTreeSet<RepositoryName>, Refusal> {
    let mut named = BTreeSet::new();
    let items = values.into_iter().flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    });
    named.extend(items.filter_map(Value::as_object).filter_map(sieve::named));
    let mut chosen = BTreeSet::new();
    for name in named.into_iter().take(MOST_NAMES) {
        let meaning = names::meaning_of(limited.shared, limited.who, &name, Certainty::Lately).await?;
        if matches!(meaning, Meaning::Repository(id) if limited.chosen.contains(id)) {
            chosen.insert(name);
        }
    }
    Ok(chosen)
}

/// The bytes of an answer, with addresses turned inwards like in all others.
fn written(shared: &Shared, value: &Value) -> Bytes {
    let mut rewriter = Rewriter::new(|address: &str| shared.inwards(address));
    let mut written = BytesMut::from(&*rewriter.push(value.to_string().as_bytes()));
    written.extend_from_slice(&rewriter.finish());
    written.freeze()
}

/// The items of a list, which Forgejo's searches wrap.
pub(super) fn items(answer: Value) -> Option<(Vec<Value>, bool)> {
    match answer {
        Value::Array(items) => Some((items, false)),
        Value::Null => Some((Vec::new(), false)),
        Value::Object(mut members) => match members.remove("data") {
            Some(Value::Array(items)) => Some((items, true)),
            Some(Value::Null) => Some((Vec::new(), true)),
            _ => None,
        },
        _ => None,
    }
}

/// The same list as Forgejo would have wrapped it.
pub(super) fn wrapped(items: Vec<Value>, wrapped: bool) -> Value {
    if !wrapped {
        return Value::Array(items);
    }
    let mut members = Map::new();
    members.insert("ok".to_owned(), Value::Bool(true));
    members.insert("data".to_owned(), Value::Array(items));
    Value::Object(members)
}
