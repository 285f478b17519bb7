//! The same exchange without login, cage and sessions: an axum handler that writes a line to one child and gives back the line that comes.
//!
//! It does what can't be left out if many callers share a pipe: another id in the request, the caller's own again in the answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

struct Handler {
    lines: mpsc::Sender<Bytes>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>,
    last: AtomicU64,
}

/// Serves until it is killed.
///
/// # Errors
/// When the child or the listener does not start.
pub async fn serve(listen: SocketAddr, child: &Path) -> Result<()> {
    let mut process = Command::new(child).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut stdin = process.stdin.take().context("no stdin")?;
    let mut stdout = BufReader::with_capacity(16 * 1024, process.stdout.take().context("no stdout")?);
    let (lines, mut outgoing) = mpsc::channel::<Bytes>(256);
    let waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>> = Arc::default();
    tokio::spawn(async move {
        let mut batch = Vec::new();
        let mut joined = BytesMut::new();
        while outgoing.recv_many(&mut batch, 64).await > 0 {
            joined.clear();
            for line in batch.drain(..) {
                joined.extend_from_slice(&line);
                joined.extend_from_slice(b"\n");
            }
            if stdin.write_all(&joined).await.is_err() {
                return;
            }
        }
    });
    let answered = Arc::clone(&waiting);
    tokio::spawn(async move {
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            let answer = Bytes::copy_from_slice(line.trim_ascii_end());
            let id = of(&answer).and_then(|(raw, _)| raw.parse().ok());
            if let Some(waiter) = id.and_then(|id: u64| answered.lock().remove(&id)) {
                // Whoever asked may have gone.
                let _ = waiter.send(answer);
            }
            line.clear();
        }
    });
    let handler = Arc::new(Handler { lines, waiting, last: AtomicU64::new(0) });
    let router = Router::new().route("/mcp", post(call)).with_state(handler);
    axum::serve(TcpListener::bind(listen).await?, router).await?;
    Ok(())
}

async fn call(State(handler): State<Arc<Handler>>, _headers: HeaderMap, body: Bytes) -> Response {
    let Some((raw, place)) = of(&body) else {
        return (StatusCode::ACCEPTED, [(header::CONTENT_LENGTH, HeaderValue::from_static("0"))]).into_response();
    };
    let own = handler.last.fetch_add(1, Ordering::Relaxed) + 1;
    let (sender, answer) = oneshot::channel();
    handler.waiting.lock().insert(own, sender);
    if handler.lines.send(with_id(&body, place, raw.len(), &own.to_string())).await.is_err() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let Ok(answer) = answer.await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let Some((theirs, place)) = of(&answer) else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("mcp-session-id"), HeaderValue::from_static("the-only-one")),
    ];
    (headers, with_id(&answer, place, theirs.len(), raw)).into_response()
}

/// The id of a message and where it stands.
fn of(message: &[u8]) -> Option<(&str, usize)> {
    let envelope: Envelope<'_> = serde_json::from_slice(message).ok()?;
    let id = envelope.id?.get();
    Some((id, id.as_ptr() as usize - message.as_ptr() as usize))
}

fn with_id(message: &[u8], place: usize, length: usize, id: &str) -> Bytes {
    let mut changed = BytesMut::with_capacity(message.len() + 16);
    changed.extend_from_slice(&message[..place]);
    changed.extend_from_slice(id.as_bytes());
    changed.extend_from_slice(&message[place + length..]);
    changed.freeze()
}
