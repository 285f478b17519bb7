//! The worker without the broker: the least HTTP that the suite needs to reach a program on stdio.
//!
//! It judges the worker, so that what fails only through the broker is the broker's. It knows nothing of users, limits or endurance, and
//! does not translate: a worker is reached by clients of its own era. What belongs to HTTP alone (Host, mirrored headers, statuses) is
//! done here in the simplest way that is right; a notification without a name of its request goes to the call that began last.

mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use e2e::children::Child;
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::worker::{Call, Worker};

const SESSION: &str = "mcp-session-id";
const MODERN: &str = "2026-07-28";
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// A running endpoint; it ends, and its workers with it, when this is dropped.
pub(crate) struct Alone {
    /// Where the suite finds it.
    pub(crate) url: String,
    task: JoinHandle<()>,
}

struct Shim {
    child: Child,
    host: String,
    sessions: Mutex<HashMap<String, Arc<Worker>>>,
    shared: Arc<Worker>,
    numbers: AtomicU64,
}

/// A refusal by the shim itself.
struct Refused(StatusCode, Value);

// === impl Alone ===

impl Alone {
    pub(crate) async fn start(child: Child) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let host = format!("localhost:{}", listener.local_addr()?.port());
        let shared = Worker::start(&child)?;
        let shim = Shim { child, host: host.clone(), sessions: Mutex::default(), shared, numbers: AtomicU64::new(1) };
        let router = Router::new().route("/mcp", post(take).delete(end)).with_state(Arc::new(shim));
        let task = tokio::spawn(async move {
            // It runs until it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url: format!("http://{host}/mcp"), task })
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Refused ===

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "application/json")], self.1.to_string()).into_response()
    }
}

async fn take(State(shim): State<Arc<Shim>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    shim.check_host(&headers)?;
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        return Err(refused(StatusCode::BAD_REQUEST, &Value::Null, -32700, "Parse error"));
    };
    let claim = message["params"]["_meta"][VERSION_KEY].as_str();
    let is_modern = claim.is_some() || text(&headers, "mcp-protocol-version") == Some(MODERN);
    let mut session = None;
    let worker = if is_modern {
        check_mirrors(&headers, &message, claim)?;
        Arc::clone(&shim.shared)
    } else if message["method"] == "initialize" {
        let worker = Worker::start(&shim.child).map_err(|error| {
            refused(StatusCode::INTERNAL_SERVER_ERROR, &message["id"], -32603, &format!("{error:#}"))
        })?;
        let id = format!("session-{}", shim.numbers.fetch_add(1, Ordering::Relaxed));
        shim.sessions.lock().insert(id.clone(), Arc::clone(&worker));
        session = Some(id);
        worker
    } else {
        shim.session(&headers)?
    };
    if message.get("method").is_none() || message.get("id").is_none() {
        worker.write(&message);
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let mut response = answer(worker.call(message), is_modern).await;
    if let Some(id) = session.and_then(|id| HeaderValue::from_str(&id).ok()) {
        response.headers_mut().insert(SESSION, id);
    }
    Ok(response)
}

async fn end(State(shim): State<Arc<Shim>>, headers: HeaderMap) -> Result<StatusCode, Refused> {
    shim.session(&headers)?;
    if let Some(id) = text(&headers, SESSION) {
        shim.sessions.lock().remove(id);
    }
    Ok(StatusCode::OK)
}

/// JSON if the response comes first, else a stream.
async fn answer(mut call: Call, is_modern: bool) -> Response {
    let Some(first) = call.next().await else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, &Value::Null, -32603, "the worker has ended")
            .into_response();
    };
    if call.is_over() {
        let status = match first["error"]["code"].as_i64() {
            Some(-32601) if is_modern => StatusCode::NOT_FOUND,
            Some(-32602 | -32021 | -32022) if is_modern => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        };
        return (status, [(header::CONTENT_TYPE, "application/json")], first.to_string()).into_response();
    }
    // The call lives in the stream: when the client goes, the stream is dropped, and with it the call.
    let events = stream::unfold((Some(first), call), async |(first, mut call)| {
        let message = match first {
            Some(first) => first,
            None => call.next().await?,
        };
        Some((Ok::<_, std::convert::Infallible>(format!("data: {message}\n\n")), (None, call)))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

// === impl Shim ===

impl Shim {
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let origin = text(headers, "origin").and_then(|origin| origin.strip_prefix("http://"));
        if text(headers, "host") == Some(&self.host) && origin.is_none_or(|origin| origin == self.host) {
            return Ok(());
        }
        Err(refused(StatusCode::FORBIDDEN, &Value::Null, -32600, "this host or origin is not served"))
    }

    fn session(&self, headers: &HeaderMap) -> Result<Arc<Worker>, Refused> {
        let Some(id) = text(headers, SESSION) else {
            return Err(refused(StatusCode::BAD_REQUEST, &Value::Null, -32600, "no session id"));
        };
        let worker = self.sessions.lock().get(id).cloned();
        worker.ok_or_else(|| refused(StatusCode::NOT_FOUND, &Value::Null, -32600, "no such session"))
    }
}

/// Headers that repeat the body (H01, H02, T62), without their Base64 form.
fn check_mirrors(headers: &HeaderMap, message: &Value, claim: Option<&str>) -> Result<(), Refused> {
    let params = &message["params"];
    let name = match message["method"].as_str() {
        Some("tools/call" | "prompts/get") => params["name"].as_str(),
        Some("resources/read") => params["uri"].as_str(),
        _ => None,
    };
    let repeated = [("mcp-protocol-version", claim), ("mcp-method", message["method"].as_str()), ("mcp-name", name)];
    for (header, value) in repeated {
        if value.is_some() && text(headers, header) != value {
            return Err(refused(
                StatusCode::BAD_REQUEST,
                &message["id"],
                -32020,
                &format!("{header} is not what the body says"),
            ));
        }
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn refused(status: StatusCode, id: &Value, code: i64, message: &str) -> Refused {
    Refused(status, json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
}
